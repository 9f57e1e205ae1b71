"""Makes a provisioning live. The tool puts this file beside what it copied, as incoming/apply.py;
boot.py runs it whenever incoming/commit is there, so the code that ends an update comes with it.

    a/ or b/           the program, whole and verified before the plan is there; nothing starts it
    incoming/<hash>    files that lie outside the releases
    incoming/commit    the plan, as JSON:
    {"files": [[hash, path], ...], "boot": [release, trial], "remove": [path, ...],
     "secrets": true}

Order: 1 files take their names (boot.py before main.py: from then on every boot ends this plan),
2 the boot record names the release, 3 old files go, 4 staged secrets become live, 5 the plan goes,
6 the rest of incoming. The commit point is before all: the plan's own name. A crash after any step
leaves the plan, and the next boot does it all again: what is done already is found done.
"""

import json
import os
import sys

FOLDER = "incoming"
PLAN = FOLDER + "/commit"


def apply(open_secrets):
    """Carry out the plan. open_secrets(): the secrets port, called when the new files are live.

    Leaves the release first in sys.path: whatever boot.py was read before the files changed,
    main.py meets the program that belongs to it.
    """
    with open(PLAN) as f:
        plan = json.load(f)
    for digest, path in plan["files"]:
        _make_folders(path)
        try:
            os.rename(FOLDER + "/" + digest, path)
        except OSError as e:
            if e.errno != 2:  # ENOENT: this one took its name before the crash
                raise
    release, trial = plan["boot"]
    _set_boot(release, trial)
    _use(release if trial == "-" else trial)
    for path in plan["remove"]:
        _remove(path)
    if plan["secrets"]:
        _make_live(open_secrets())
    os.remove(PLAN)
    for name in os.listdir(FOLDER):
        _remove(FOLDER + "/" + name)
    _forget(FOLDER)


def _set_boot(release, trial):
    """Counts of starts begin anew with what was written: it may be the cure."""
    from rescue import boot_record

    if boot_record.read()[1:] != (release, trial, 0):
        boot_record.write(release, trial, 0)


def _use(folder):
    """The program is found in folder; what was loaded from elsewhere is let go of."""
    sys.path.insert(0, folder)
    _forget("device")


def _forget(package):
    for name in list(sys.modules):
        if name == package or name.startswith(package + "."):
            sys.modules.pop(name)


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
    """A file, or a folder that is empty by now."""
    for remove in (os.remove, os.rmdir):
        try:
            remove(path)
            return
        except OSError:
            pass  # it went before the crash, or is of the other kind
