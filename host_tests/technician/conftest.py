"""Virtual boards on real serial ports, for every test of the technician's tool."""

import contextlib

import pytest

from tools.recorder.port import Board
from tools.sim.board import find_micropython
from tools.sim.build import ROOT, build
from tools.sim.serial import SerialBoard

collect_ignore_glob = [] if find_micropython() else ["test_*.py"]


@pytest.fixture(scope="session")
def application():
    """The application's build folder, made once."""
    return build(ROOT / "build" / "device")


@pytest.fixture
def serial_board(tmp_path, application):
    """serial_board(serial_number, is_empty=…, files=…, **equip) -> SerialBoard, plugged in."""
    with contextlib.ExitStack() as stack:

        def make(serial_number="SIM-0001", *, is_empty=False, files=None, **equipment):
            board = stack.enter_context(SerialBoard(tmp_path / serial_number, serial_number))
            board.equip(**equipment)
            if not is_empty:
                board.image(application, {"config.json": b"{}"} | (files or {}))
            board.plug_in()
            return board

        yield make


@pytest.fixture
def port():
    """The board port of a virtual board."""
    return lambda board: Board(board.device)
