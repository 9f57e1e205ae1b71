"""The steps of a provisioning that run on the board, each a bare script: none needs a program that
is there already, only the release that the step before has verified.
"""

import json

from rescue import boot_record
from tools.recorder import application
from tools.recorder.errors import NotVerified, ToolError
from tools.recorder.plan import Plan, folders_above
from tools.recorder.port import COPY_BYTES_PER_S, START_LIMIT_S, Board
from tools.recorder.scripts import HASH, FileSteps
from tools.recorder.secret import revealed, secrets_in
from tools.recorder.survey import Survey

_LIMIT_S = 60.0
_LISTING = "release.json"
_NEW_LISTING = "release.json.new"

# _check(folder, listing): paths of a release that are not as its listing says, or too many. Reads
# a line at a time: the whole listing as objects is more than a small heap has.
_CHECK = (
    HASH
    + """\
import json, os
def _count(folder):
    found = 0
    for entry in os.ilistdir(folder):
        found += _count(folder + "/" + entry[0]) if entry[1] == 0x4000 else 1
    return found
def _check(folder, listing):
    wrong, files = [], 1
    with open(folder + "/" + listing) as f:
        for line in f:
            line = line.strip()
            if not line.startswith("["):
                continue
            path, digest, _ = json.loads(line[:-1] if line.endswith(",") else line)
            files += 1
            if _hash(folder + "/" + path) != digest:
                wrong.append(path)
    return wrong if _count(folder) == files else wrong + ["files that do not belong there"]
"""
)

_SETTLE = (
    _CHECK
    + """\
_folder, _digest, _waiting = %r
_wrong = [name for name in _waiting if _hash("/incoming/" + name) != name]
if _hash(_folder + "/release.json") != _digest:
    if _hash(_folder + "/release.json.new") != _digest:
        _wrong.append("release.json")
    else:
        _wrong += _check(_folder, "release.json.new")
        if not _wrong:
            os.rename(_folder + "/release.json.new", _folder + "/release.json")
print("@field " + json.dumps({"answer": _wrong}))
"""
)

# boot.py has ended the plan by now; an empty board had none that could.
_LIVE = (
    """\
import os, sys
def _open_secrets():
    if sys.platform == "esp32":
        from device.hal.esp32.board import open_secrets
    else:
        from device.hal.sim.board import open_secrets
    return open_secrets()
if "incoming" in os.listdir() and "commit" in os.listdir("incoming"):
    from incoming.apply import apply
    apply(_open_secrets)
"""
    + _CHECK
    + """\
_folder, _digest, _root = %r
_wrong = [path for path, digest in _root if _hash(path) != digest]
_wrong += _check(_folder, "release.json")
if _hash(_folder + "/release.json") != _digest:
    _wrong.append("release.json")
if "incoming" in os.listdir() and os.listdir("incoming"):
    _wrong.append("incoming")
_record = []
for _name in ("boot0", "boot1"):
    try:
        with open(_name, "rb") as _file:
            _record.append(binascii.hexlify(_file.read(80)).decode())
    except OSError:
        pass
print("@field " + json.dumps({"answer": {"wrong": _wrong, "record": _record}}))
"""
)

# device/field/settings.py out of a release that may not be the one that runs.
_SETTINGS = """\
import json, sys
for _name in list(sys.modules):
    if _name == "device" or _name.startswith("device."):
        sys.modules.pop(_name)
sys.path.insert(0, %r)
if sys.platform == "esp32":
    from device.hal.esp32.board import open_secrets
else:
    from device.hal.sim.board import open_secrets
from device.field import settings as _settings
class _Board:
    secrets = open_secrets()
print("@field " + json.dumps({"answer": _settings.run(_Board, json.loads(%r))}))
"""


def end_trial(board: Board, found: Survey, way_back: str) -> None:
    """Name the proved program as the one that runs: the copy goes where the other one lies."""
    sequence = found.record[0] + 1
    line = boot_record.encode(sequence, way_back, boot_record.NONE, 0)
    board.put(f"/boot{sequence & 1}", line)
    steps = FileSteps()
    steps.remove(f"/boot{~sequence & 1}")
    board.run_each(steps.scripts(), _LIMIT_S, "boot record", resume=True)


def copy(board: Board, plan: Plan, found: Survey, on_progress) -> None:
    """Bring the target's folder and incoming to what the plan says, and let the board compare
    every hash. on_progress(bytes sent). Raises NotVerified; then the next run goes on from there.
    """
    steps = FileSteps()
    listing = f"/{plan.target}/{_LISTING}"
    if not plan.is_copied:
        steps.remove(listing)  # from here on the folder is nobody's release
        for path in plan.stale:
            steps.remove("/" + path)
        for folder in folders_above([f"{plan.target}/{name}" for name in plan.release]):
            steps.folder("/" + folder)
        for source, target in plan.copy:
            steps.copy("/" + source, "/" + target)
        for path, data in plan.send.items():
            if path != listing[1:]:
                steps.write("/" + path, data)
        steps.write(f"/{plan.target}/{_NEW_LISTING}", plan.release[_LISTING])
    waiting = _write_waiting(steps, plan, found)
    wanted = (f"/{plan.target}", application.digest(plan.release[_LISTING]), waiting)
    limit_s = START_LIMIT_S + _LIMIT_S + steps.sent_bytes / COPY_BYTES_PER_S
    answers = board.run_each(
        [*steps.scripts(), _SETTLE % (wanted,)],
        limit_s,
        "copy",
        on_progress=lambda message: on_progress(message.get("bytes", 0)),
        resume=True,
    )
    _must_be_empty(board, answers[-1] if answers else ["anything"])


def _write_waiting(steps: FileSteps, plan: Plan, found: Survey) -> list[str]:
    """What waits in incoming, under its hash; of an earlier run, what is right stays."""
    waiting = {application.digest(data): data for data in plan.waiting.values()}
    there = found.release("incoming")
    for name, digest in there.items():
        if name not in waiting or digest != name:
            steps.remove(f"/incoming/{name}")
    steps.folder("/incoming")
    for name, data in waiting.items():
        if there.get(name) != name:
            steps.write(f"/incoming/{name}", data)
    return list(waiting)


def compare_secrets(board: Board, release: str, secrets: dict) -> dict:
    """What the secrets store says through the code of a verified release: "differ" names what is
    not live as given; token (bool), fingerprint, bound_to, epoch."""
    return _settings(board, release, {"compare": secrets})


def _settings(board: Board, release: str, args: dict) -> dict:
    script = _settings_script(release, args)
    return board.run(script, _LIMIT_S, "secrets", secrets_in(args), resume=True)


def _settings_script(release: str, args: dict) -> str:
    # Plain UTF-8: MicroPython reads an escaped emoji as two halves.
    return _SETTINGS % (release, json.dumps(revealed(args), ensure_ascii=False))


def stage(board: Board, release: str, secrets: dict) -> None:
    """Keep secrets on the board, used by nobody until the commit. Raises NotVerified."""
    if _settings(board, release, {"stage": secrets}) != {"staged": True}:
        raise NotVerified(f"{board.device}: the secrets store did not keep what it was given.")


def commit(board: Board, plan: Plan, has_secrets: bool) -> None:
    """From the moment that this file has its name, all of it will be live."""
    files = {"/incoming/apply.py": application.apply_script()}
    board.put_all(files | {"/incoming/commit": plan.commit(has_secrets)})


def check_live(board: Board, plan: Plan, root: dict[str, bytes], secrets: dict) -> dict:
    """Start the board's program anew and compare all that is live now; returns what
    compare_secrets does. Raises NotVerified.
    """
    hashes = [(path, application.digest(data)) for path, data in root.items()]
    wanted = ("/" + plan.target, application.digest(plan.release[_LISTING]), hashes)
    args = {"compare": secrets}
    scripts = [_LIVE % (wanted,), _settings_script(plan.target, args)]
    answers = board.run_each(scripts, 2 * _LIMIT_S, "compare", secrets_in(args))
    if len(answers) != len(scripts):
        raise NotVerified(f"{board.device}: the board did not say what is live. Repeat.")
    live, facts = answers
    lines = [boot_record.parse(bytes.fromhex(line)) for line in live["record"]]
    record = max(filter(None, lines), default=(0, "", "", 0))
    wrong = live["wrong"] + ([] if record[1:3] == plan.boot else ["boot record"])
    _must_be_empty(board, wrong + ["secret " + public(key) for key in facts["differ"]])
    return facts


def heartbeat(board: Board, limit_s: float = 180.0) -> tuple[bool | None, str]:
    """The board's first call to the cloud, with its own client: (accepted, code).

    None: it was not reached, so nothing is known. The code is a reason of the self-test. Raises
    BoardFault where the program cannot even be built (no card is in, for instance).
    """
    tests: list[dict] = []
    board.call("selftest", {"parts": ["network"]}, limit_s, tests.append)
    beat = next((test for test in tests if test.get("test") == "heartbeat"), None)
    if beat is None:
        failed = [test for test in tests if test.get("ok") is False]
        return None, str(failed[-1]["code"]) if failed else "not_tried"
    if beat["ok"]:
        return True, ""
    is_refused = beat["code"] in ("auth_refused", "no_token")
    return (False if is_refused else None), str(beat["code"])


def _must_be_empty(board: Board, wrong: list[str]) -> None:
    if wrong:
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise NotVerified(
            f"{board.device}: not as it was written: {shown}. Repeat the command; if it comes "
            "back, try another cable or port."
        )


def public(key: str) -> str:
    """A secret's key as it may be shown: the name of a network is somebody's address."""
    return "wifi" if key.startswith("wifi:") else key


def give_back(board: Board) -> str:
    """Hard reset: the board goes back to its work. Returns what went wrong, or nothing."""
    try:
        board.release()
    except ToolError as error:
        return str(error)
    return ""
