"""What a cable that is pulled, a Ctrl-C or a power cut leaves: the old recorder or the new one.

A provisioning is cut before each use of the cable and in the middle of each; the board then starts
by itself and is looked at; then the same order is carried out again, to its end.
"""

import concurrent.futures
import signal
import subprocess
import sys
import time

import pytest
from provision_bench import ARCH, OLD_CONFIG, OLD_TOKEN, Bench, Images, live, old_release

from host_tests import ctrl_c
from tools.image import tree
from tools.recorder import inputs
from tools.recorder.errors import ToolError
from tools.recorder.port import Board
from tools.recorder.provisioning import Order, Provisioning
from tools.recorder.record import FAILED, UNPROVED, Record
from tools.recorder.secret import Secret
from tools.sim.build import ROOT

NEW_TOKEN = "dtok_of_today_9876543210"
_AT_ONCE = 2
_START_LIMIT_S = 60


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    made = Images(tmp_path_factory.mktemp("images"))
    made.get("old")
    return made


@pytest.fixture
def bench(tmp_path, images):
    made = Bench(tmp_path, images)
    yield made
    made.close()


class Cutter:
    """Hears of each use of the cable; at use number `at` it pulls it, or `after_bytes` later."""

    def __init__(self, serial, at: int = 0, after_bytes: int = 0):
        self.steps: list[str] = []
        self.bytes: list[int] = []
        self._serial, self._at, self._after_bytes = serial, at, after_bytes

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        self.bytes.append(self._serial.received_bytes)
        if len(self.steps) != self._at:
            return
        if self._after_bytes:
            self._serial.cut_after_bytes = self._serial.received_bytes + self._after_bytes
        else:
            self._serial.pull_cable()


def provision(serial, config: str, record: Record, cutter=None):
    board = Board(serial.device)
    if cutter:
        board.on_step = cutter
    order = Order(label=serial.serial_number, config_file=config, token=Secret(NEW_TOKEN))
    return Provisioning(board, order, record, lambda step, percent=None: None).run()


def start(serial) -> None:
    """Plug it in and wait until boot.py is through; what main.py would do is no matter here."""
    serial.plug_in(runs_main=False)
    _until(serial, lambda: serial.is_at_prompt)


def until_it_works(serial) -> None:
    """Wait until the program is alive, which is when it sets its watchdog."""
    _until(serial, lambda: serial.register("watchdog") == {"limit_ms": 60_000})


def _until(serial, is_reached) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not is_reached():
        assert time.monotonic() < deadline, (serial.folder / "serial.log").read_text("latin-1")
        time.sleep(0.02)


def what_is_live(serial, new_config: bytes) -> str:
    program, config, token = live(serial)
    old = (program == {n: d for n, d in old_release().items()}, config == OLD_CONFIG)
    new = (program == tree.release_files(ARCH), config == new_config)
    if all(old) and token == OLD_TOKEN:
        return "old"
    if all(new) and token == NEW_TOKEN:
        return "new"
    return f"half: old {old}, new {new}, token {token[:8]}"


def test_the_cable_may_be_pulled_at_any_point(bench):
    config = bench.file("new.json", '{"log": {"level": "info"}}')
    wanted = inputs.make_config(config, None, None)
    record = Record(bench.folder / "record.jsonl", "test")
    serial = bench.board("old", "REC-0", is_plugged=False)
    start(serial)
    whole = Cutter(serial)
    assert provision(serial, config, record, whole).result == UNPROVED
    serial.pull_cable()
    assert what_is_live(serial, wanted) == "new"
    spent = [b - a for a, b in zip(whole.bytes, whole.bytes[1:], strict=False)]
    points = [(at, 0) for at in range(1, len(whole.steps) + 1)]
    copied = whole.steps.index("copy")
    points += [(copied + 1, spent[copied] * part // 8) for part in (1, 3, 5, 7)]
    points += [(at + 1, spent[at] // 2) for at in range(copied + 1, whole.steps.index("compare"))]

    def cut_at(number: int, at: int, after_bytes: int) -> str:
        serial = bench.board("old", f"REC-{number}", is_plugged=False)
        start(serial)
        cutter = Cutter(serial, at, after_bytes)
        try:
            outcome = provision(serial, config, record, cutter)
            said = "" if outcome.note.count("not started again") else "it ended as if nothing was"
        except ToolError as error:
            said = "" if "Plug" in str(error) or "again" in str(error) else str(error)
        serial.cut_after_bytes = None
        serial.pull_cable()
        start(serial)
        serial.pull_cable()
        found = what_is_live(serial, wanted)
        start(serial)
        again = provision(serial, config, record).result
        serial.pull_cable()
        then = what_is_live(serial, wanted)
        left = [name for name in serial.read_image() if name.startswith("incoming/")]
        is_good = not said and found in ("old", "new") and (again, then) == (UNPROVED, "new")
        where = f"{cutter.steps[-1]} {at} +{after_bytes}: {found}, then {again} {then} {left}"
        where += " " + said
        return ("ok " if is_good and not left else "BAD ") + where

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        verdicts = list(pool.map(lambda n: cut_at(n, *points[n - 1]), range(1, len(points) + 1)))
    print("\n".join(verdicts))
    assert [verdict for verdict in verdicts if not verdict.startswith("ok")] == []
    found = {verdict.split(": ")[1].split(",")[0] for verdict in verdicts}
    assert found == {"old", "new"}  # cuts on both sides of the commit
    results = record.results()
    assert all(line["state"] == UNPROVED and line["live"]["token"] for line in results.values())
    assert any(line["state"] == FAILED for line in record.lines())
    assert NEW_TOKEN not in (bench.folder / "record.jsonl").read_text()


def test_ctrl_c_leaves_a_recorder_that_works_and_a_way_to_go_on(bench):
    serial = bench.board("old", "REC-1")
    config = bench.file("new.json", '{"log": {"level": "info"}}')
    command = [sys.executable, "-m", "tools", "provision", "--board", serial.device]
    command += ["--config", config, "--record", str(bench.folder / "record.jsonl")]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=ctrl_c.is_heard
    )
    said = ""
    while "copies the program" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    said += process.stderr.read()
    assert process.wait(30) == 130 and "goes on where it stopped" in said
    process.stderr.close()
    until_it_works(serial)  # it was given back
    serial.pull_cable()
    wanted = inputs.make_config(config, None, None)
    assert what_is_live(serial, wanted) == "old"
    record = Record(bench.folder / "record.jsonl", "test")
    last = record.lines()[-1]
    assert (last["step"], last["state"], last["error"]) == ("result", FAILED, "interrupted")
    serial.plug_in()
    assert provision(serial, config, record).result == UNPROVED
    serial.pull_cable()
    assert what_is_live(serial, wanted) == "new"


# Runs device/field/apply.py over a folder that is the board's flash and lets the power go before
# each of its changes in turn; then again, to the end. Prints what each cut left, and the end.
_APPLY = """
import json, os, shutil, sys
root, folder = sys.argv[1:]
sys.path.insert(0, root)
flash = folder + "/flash"

class Cut(BaseException):
    pass

def run(cut_at):
    import builtins
    shutil.rmtree(flash, ignore_errors=True)
    shutil.copytree(folder + "/before", flash)
    os.chdir(flash)
    os.environ["RECORDER_HARDWARE"] = flash
    from device.field import apply as module
    done = []
    def guarded(function):
        def call(*args):
            if len(done) == cut_at:
                raise Cut
            done.append(function.__name__)
            return function(*args)
        return call
    real = {n: getattr(os, n) for n in ("rename", "remove", "rmdir", "mkdir")}
    open_ = builtins.open
    def opened(path, mode="r", *rest):
        if "w" in mode:
            if len(done) == cut_at:
                raise Cut
            done.append("open")
        return open_(path, mode, *rest)
    for name in real:
        setattr(os, name, guarded(real[name]))
    builtins.open = opened
    from device.hal.sim.board import open_secrets
    try:
        module.apply(open_secrets)
    except Cut:
        pass
    finally:
        for name in real:
            setattr(os, name, real[name])
        builtins.open = open_
    left = state()
    for name in list(sys.modules):
        if name.split(".")[0] in ("device", "rescue"):
            del sys.modules[name]
    if os.path.exists("incoming/commit"):
        from device.field.apply import apply
        from device.hal.sim.board import open_secrets
        apply(open_secrets)
    return len(done), left, state()

def state():
    found = {}
    for place, _, names in os.walk("."):
        for name in names:
            path = os.path.relpath(os.path.join(place, name), ".")
            found[path] = open(path).read()
    secrets = json.loads(found.pop("secrets.json"))
    return {"files": found, "values": secrets["values"], "counters": secrets["counters"]}

number = 0
while True:
    done, left, end = run(number)
    print(json.dumps([number, left, end]))
    if done < number:
        break
    number += 1
"""


def test_power_may_go_at_any_change_of_the_commit(tmp_path):
    import json

    from rescue import boot_record

    before = tmp_path / "before"
    for name in ("incoming", "a/device", "b/device", "rescue"):
        (before / name).mkdir(parents=True)
    for name in ("boot_record.py", "__init__.py"):
        (before / "rescue" / name).write_bytes((ROOT / "rescue" / name).read_bytes())
    boot, main, config = "boot of today", "main of today", '{"log": {"level": "info"}}'
    plan = {
        "files": [["1" * 64, "boot.py"], ["2" * 64, "config.json"], ["3" * 64, "main.py"]],
        "boot": ["a", "b"],
        "remove": ["device/old.mpy", "device"],
        "secrets": True,
    }
    (before / "device").mkdir()
    (before / "device/old.mpy").write_text("old")
    (before / "boot.py").write_text("boot of before")
    (before / "boot1").write_bytes(boot_record.encode(1, "a", "-", 4))
    for digest, text in (("1" * 64, boot), ("2" * 64, config), ("3" * 64, main)):
        (before / "incoming" / digest).write_text(text)
    (before / "incoming/commit").write_text(json.dumps(plan))
    staged = {"values": {"token": "new", "wifi:x": ""}, "counters": {"epoch": 2}}
    values = {"token": "old", "wifi:x": "gone", "staged": json.dumps(staged)}
    (before / "secrets.json").write_text(json.dumps({"values": values, "counters": {"epoch": 1}}))
    result = subprocess.run(
        [sys.executable, "-c", _APPLY, str(ROOT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(runs) > 12
    for number, left, end in runs:
        files = end["files"]
        assert not [name for name in files if name.startswith(("incoming", "device"))], number
        assert (files["boot.py"], files["main.py"], files["config.json"]) == (boot, main, config)
        records = [boot_record.parse(files.get(n, "").encode()) for n in ("boot0", "boot1")]
        assert max(filter(None, records))[1:] == ("a", "b", 0), number
        assert end["values"] == {"token": "new", "wifi:x": "", "staged": ""}, number
        assert end["counters"] == {"epoch": 2}
        # Whatever a cut left: either the plan is still there, or all of it is done.
        is_done = {n: d for n, d in left["files"].items()} == files
        assert "incoming/commit" in left["files"] or is_done or left["values"] == end["values"]


def test_a_cut_first_provisioning_starts_nothing(bench):
    """An empty board has no boot.py that could end a commit: until main.py lies there, the last
    file of all, it is a board that does nothing."""
    config = bench.file("new.json", "{}")
    record = Record(bench.folder / "record.jsonl", "test")
    for number, step in enumerate(("put", "compare"), 2):
        serial = bench.board("empty", f"REC-{number}")
        steps = []

        def pull(name, serial=serial, step=step, steps=steps):
            steps.append(name)
            if name == step:
                serial.pull_cable()

        with pytest.raises(ToolError):
            provision(serial, config, record, pull)
        image = serial.read_image()
        assert "main.py" not in image and "boot.py" not in image, step
        assert ("incoming/commit" in image) == (step == "compare")
        serial.plug_in()
        assert provision(serial, config, record).result == UNPROVED
        serial.pull_cable()
        assert what_is_live(serial, inputs.make_config(config, None, None)) == "new"
