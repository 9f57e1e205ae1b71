"""Makes a provisioning live. The tool puts this file beside what it copied, as incoming/apply.py;
boot.py runs it whenever incoming/commit is there, so the code that ends an update comes with it.

    incoming/<hash>     new files, whole and verified        incoming/commit   the plan, as JSON:
    {"files": [[hash, path], ...], "remove": [path, ...], "secrets": true}

Order: 1 files take their names, 2 old files go, 3 staged secrets become live, 4 the plan goes,
5 the rest of incoming. The commit point is before all: the plan's own name. A crash after any step
leaves the plan, and the next boot does it all again: what is done already is found done.
"""

import json
import os
import sys

FOLDER = "incoming"
PLAN = FOLDER + "/commit"


def apply(open_secrets):
    """Carry out the plan. open_secrets(): the secrets port, called when the new files are live."""
    with open(PLAN) as f:
        plan = json.load(f)
    for digest, path in plan["files"]:
        _make_folders(path)
        try:
            os.rename(FOLDER + "/" + digest, path)
        except OSError as e:
            if e.errno != 2:  # ENOENT: this one took its name before the crash
                raise
    for path in plan["remove"]:
        _remove(path)
    if plan["secrets"]:
        _make_live(open_secrets())
    os.remove(PLAN)
    for name in os.listdir(FOLDER):
        _remove(FOLDER + "/" + name)
    sys.modules.pop(FOLDER + ".apply", None)
    sys.modules.pop(FOLDER, None)


def _make_live(secrets):
    staged = secrets.get("staged")
    if not staged:
        return  # live before the crash
    staged = json.loads(staged)
    for key in staged.get("values", {}):
        if (secrets.get(key) or "") != staged["values"][key]:
            secrets.set(key, staged["values"][key])
    for key in staged.get("counters", {}):
        secrets.raise_counter(key, staged["counters"][key])
    secrets.set("staged", "")


def _make_folders(path):
    end = path.find("/")
    while end > 0:
        try:
            os.mkdir(path[:end])
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise
        end = path.find("/", end + 1)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass  # it went before the crash, or is a folder
