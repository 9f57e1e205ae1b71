"""A technician at the cable: mpremote against virtual boards on real serial ports."""

import contextlib
import json
import shutil
import time

import pytest

from host_tests.rescue.bench import break_module
from rescue import boot_record
from rescue.boot_record import NONE
from tools.recorder.port import Board
from tools.sim.board import find_micropython
from tools.sim.build import ROOT, build
from tools.sim.serial import SerialBoard

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)


@pytest.fixture
def plugged(tmp_path):
    """plugged(starts, broken module or None) -> SerialBoard that runs."""
    with contextlib.ExitStack() as stack:

        def make(starts, broken=None):
            code = tmp_path / "code"
            shutil.copytree(build(ROOT / "build" / "device"), code)
            if broken:
                break_module(code, broken, "raises")
            board = stack.enter_context(SerialBoard(tmp_path / "board"))
            board.equip()
            files = {"config.json": b"{}"}
            if starts:
                files["boot1"] = boot_record.encode(1, NONE, NONE, starts)
            board.image(code, files)
            board.plug_in()
            return board

        yield make


def wait_for(board, text, count=1, limit_s=30.0):
    """Until the serial line has said text so many times."""
    deadline = time.monotonic() + limit_s
    log = board.folder / "serial.log"
    while not log.exists() or log.read_text(errors="replace").count(text) < count:
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)


def record(board):
    """The boot record as it lies on the system flash; power off."""
    board.pull_cable()
    files = board.read_image()
    found = [boot_record.parse(files[name]) for name in ("boot0", "boot1") if name in files]
    return max(line for line in found if line)[1:]


def test_sessions_count_neither_as_crashes_nor_as_boots(plugged):
    board = plugged(starts=4)
    wait_for(board, "I start device=")
    for session in (1, 2):
        technician = Board(board.device)
        technician.call("held", {}, 30)
        technician.call("facts", {}, 30)  # a soft reset and boot.py before each
        technician.release()
        wait_for(board, "I start device=", session + 1)
    assert "rescue" not in (board.folder / "serial.log").read_text(errors="replace")
    secrets = json.loads((board.hardware / "secrets.json").read_text())
    # Switched on with four crashes behind it, and two resets that came after a Ctrl-C: still four.
    # But for deaths that are the simulator's own, each of which counts, as it should, unless it
    # comes before that start has counted itself.
    release, trial, starts = record(board)
    assert (release, trial) == (NONE, NONE)
    assert 4 <= starts <= 4 + board.port_deaths
    assert 3 <= secrets["counters"]["boot"] <= 3 + board.port_deaths


def test_a_repair_over_the_cable_is_tried_at_once(plugged):
    board = plugged(starts=7, broken="device/app.mpy")
    # Switched on in rescue it tries the full program first, which dies: then the rescue program.
    wait_for(board, "W rescue because")
    technician = Board(board.device)
    sound = (build(ROOT / "build" / "device") / "device" / "app.mpy").read_bytes()
    technician.put("/device/app.mpy", sound)
    technician.release()
    wait_for(board, "I start device=")
    log = (board.folder / "serial.log").read_text(errors="replace")
    assert "W rescue held: the prompt is yours" in log
    assert record(board) == (NONE, NONE, 12)
