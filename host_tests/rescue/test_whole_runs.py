"""Whole lives of broken boards: the unix port, littlefs, TLS, the simulated cloud."""

import json
import shutil

import pytest
from littlefs.errors import LittleFSError

from device.store import ledger_book
from host_tests.conftest import ROOT
from host_tests.rescue.bench import CLIPS, break_module
from rescue import boot_record
from rescue.boot_record import NONE
from tools.image import littlefs_image
from tools.sim.control import ControlServer


def files(board) -> dict[str, bytes]:
    """What lies on the flash of a board; a moment ago, while it runs."""
    return littlefs_image.read((board.folder / "flash.img").read_bytes())


def seconds(board) -> dict[str, int]:
    """The sums of its ledger."""
    root = board.folder / "ledger"
    for name, data in files(board).items():
        if name.startswith("state/book/"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {name: n for name, n in ledger_book.totals(str(root)).items() if n}


def test_a_program_that_cannot_start_is_tried_five_times_then_the_queue_is_delivered(factory):
    board = factory.board(("device/transfer/lane.mpy", "raises"))
    log = board.deliver(cause="power_on")
    assert board.causes == ["power_on"] + 5 * ["reset"]
    assert log.count("E reset because of an exception: RuntimeError") == 5
    assert "W rescue because the full program does not stay alive: starts=6" in log
    assert board.faults() == []
    assert board.record() == (NONE, NONE, 6)
    heard = [r.body_json for r in factory.cloud.log.requests if r.route == "heartbeat"][-1]
    assert heard["device_state"] == "error" and heard["pending_recordings"] == 3
    assert heard["diagnostics"]["program"] == "rescue" and heard["diagnostics"]["starts"] == 6


def test_a_healthy_program_never_meets_it(factory):
    board = factory.board()
    log = board.deliver()
    assert board.causes == ["power_on"] and "rescue" not in log
    assert board.faults() == [] and board.record() == (NONE, NONE, 1)


def test_the_rescue_program_alone_runs_in_64_kib(factory, capsys):
    """With boot.py, main.py, the medium and TLS: all that a board in rescue has in its heap."""
    board = factory.board(starts=6)
    board.heap_kb = 64
    log = board.deliver(cause="watchdog")
    assert board.faults() == [] and "low_memory" not in log and len(board.causes) == 1
    with capsys.disabled():
        print("\nrescue program: delivers in a heap of %d KiB (64-bit words)" % board.heap_kb)


def test_it_answers_status_and_refuses_the_rest(factory):
    control = ControlServer()
    board = factory.board(starts=6, control=list(control.address))
    answers = []

    def ask(log):
        if "code=nothing_to_send" in log:
            answers.append(control.command("status", 20))
            answers.append(control.command("record", 20, on=True))
        return bool(answers)

    board.run(ask, cause="watchdog", starts=1)
    control.close()
    status, refused = answers
    assert (status["program"], status["starts"], status["reset_cause"]) == (
        "rescue",
        7,
        "watchdog",
    )
    assert status["queue"]["delivered"] == 3 and status["queue"]["code"] == "nothing_to_send"
    assert 3000 < status["full_program_in_s"] <= 3600 and status["heap_free_bytes"] > 0
    assert "rescue program" in refused["error"]


def test_it_ends_when_an_hour_is_over_and_the_repaired_program_runs_on(factory):
    board = factory.board(starts=6, haste=2000)
    noted = []

    def is_told(log):
        """Until the full program has read and removed what the rescue program noted."""
        if log.count("clip delivered clip=") < CLIPS:
            return False
        try:
            is_there = "state/rescued" in files(board)
        except LittleFSError:  # a picture from the middle of a write
            return False
        noted.append(is_there)
        return "I start device=" in log and not is_there

    log = board.run(is_told, cause="watchdog")
    assert board.causes == ["watchdog", "reset"]
    assert "W rescue ends: the full program is tried again" in log
    assert board.record() == (NONE, NONE, 8)
    assert board.faults() == []
    assert any(noted)
    assert seconds(board) == {"recorded": 6, "confirmed": 6}, "three clips of two seconds"


def test_a_rescue_folder_that_is_broken_does_not_stop_the_recorder(factory):
    for module in ("rescue/choice.mpy", "rescue/__init__.mpy", "rescue/program.mpy"):
        board = factory.board((module, "raises"), starts=6)
        log = board.deliver(cause="watchdog")
        assert "rescue is broken" in log and "I start device=" in log, module
        assert board.faults() == []


@pytest.mark.parametrize("state", ["creating", "stored", "done"])
def test_it_goes_on_from_the_states_that_the_full_program_leaves(factory, state):
    """The full program dies as soon as a record says so; the other one does the rest."""
    board = factory.board(starts=4)
    line = "        self._slots.write(record)\n"
    dying = "        if record['state'] == %r:\n            raise SystemExit(3)\n" % state
    board.patch("device/store/clip.py", line, line + dying)
    board.deliver(cause="watchdog")
    assert board.causes == ["watchdog", "reset"]
    assert board.faults() == []


@pytest.mark.parametrize("state", ["created", "completing"])
def test_the_full_program_goes_on_from_the_states_that_this_one_leaves(factory, state):
    board = factory.board(starts=6)
    line = "        self._sequence += 1\n"
    dying = "        if record['state'] == %r:\n            raise SystemExit(3)\n" % state
    board.patch("rescue/clips.py", line, line + dying)
    board.deliver(cause="watchdog")
    assert board.causes == ["watchdog", "reset"]
    assert board.faults() == []


def test_a_clip_that_kills_the_full_program_is_set_aside_and_the_others_go(factory):
    board = factory.board()
    line = "        if clip.state == CLOSED:\n"
    board.patch(
        "device/transfer/whole_file.py",
        line,
        "        if clip.number == 2:\n            __import__('time').sleep(99)\n" + line,
    )
    log = board.run(lambda log: log.count("clip delivered clip=") == 2)
    assert board.causes == ["power_on"] + 3 * ["watchdog"]
    assert "clip set aside clip=2 reason=kills_device" in log
    assert "clip delivered clip=2" not in log and "W rescue" not in log


def test_what_killed_the_full_program_is_tried_with_other_code(factory):
    """Any clip kills it: after three deaths with the first it is the next one's turn, and after
    five starts the rescue program's, which delivers all three.
    """
    board = factory.board()
    line = "        if clip.state == CLOSED:\n"
    board.patch(
        "device/transfer/whole_file.py",
        line,
        "        __import__('os').system('kill -9 $PPID')\n" + line,
    )
    log = board.deliver()
    assert "clip set aside clip=1 reason=kills_device" in log
    assert board.causes == ["power_on"] + 5 * ["unknown"]
    assert board.faults() == []


def test_a_clip_that_kills_the_rescue_program_too_is_set_aside_for_good(factory):
    board = factory.board(("device/app.mpy", "raises"), starts=6)
    line = "    record = clip.record\n"
    board.patch(
        "rescue/freeze.py",
        line,
        line + "    if clip.number == 2:\n        __import__('os').system('kill -9 $PPID')\n",
    )
    done = "full program in"
    log = board.run(
        lambda log: log.count("clip delivered") == 2 and "aside=1;" in log and done in log,
        cause="watchdog",
        starts=20,
        limit_s=90,
    )
    assert "a program died with clip=2 in hand, times=6" in log
    assert board.faults()[0] == "clip 2: 0 recordings"


def test_a_release_on_trial_that_dies_is_rolled_back(factory):
    board = factory.board()
    board.lay_out("a", "b")
    break_module(board.folder, "b/device/app.mpy", "raises")
    boot_record.write("a", "b", 0, f"{board.folder}/")
    board.deliver()
    assert board.causes == ["power_on"] + 3 * ["reset"]
    assert board.record() == ("a", NONE, 1) and board.faults() == []


def test_a_trial_that_dies_leads_back_to_the_release_in_rom(factory):
    board = factory.board(("device/app.mpy", "raises"))
    shutil.copytree(board.code / "device", board.folder / "a" / "device")
    shutil.rmtree(board.code / "device")
    shutil.copytree(factory.code / "device", board.code / "device")
    board.move_to_rom()
    boot_record.write(NONE, "a", 0, f"{board.folder}/")
    board.deliver()
    assert board.causes == ["power_on"] + 3 * ["reset"]
    assert board.record() == (NONE, NONE, 1) and board.faults() == []


def test_a_provisioning_repairs_a_program_whose_every_secret_is_out_of_reach(factory):
    """boot.py needs nothing of device/ to make live what waits in incoming/."""
    board = factory.board(("device/hal/sim/secrets.mpy", "torn"), starts=6)
    sound = (factory.code / "device/hal/sim/secrets.mpy").read_bytes()
    board.lay_out("a")
    boot_record.write("a", NONE, 0, f"{board.folder}/")
    secrets = json.loads((board.folder / "secrets.json").read_text())
    token = secrets["values"].pop("token")
    secrets["values"]["staged"] = json.dumps({"values": {"token": token}})
    (board.folder / "secrets.json").write_text(json.dumps(secrets))
    incoming = board.folder / "incoming"
    incoming.mkdir()
    shutil.copy(ROOT / "device" / "field" / "apply.py", incoming)
    (incoming / "hash").write_bytes(sound)
    plan = {"files": [["hash", "a/device/hal/sim/secrets.mpy"]], "remove": [], "secrets": True}
    plan["boot"] = ["a", NONE]
    (incoming / "commit").write_text(json.dumps(plan))
    log = board.deliver()
    assert board.causes == ["power_on"] and "rescue" not in log
    assert board.faults() == [] and list(incoming.iterdir()) == []
