"""Virtual boards on real serial ports, for every test of the technician's tool."""

import contextlib

import pytest
from field_bench import recordings
from provision_bench import Bench, Images

from tools.cloud import Cloud
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


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory):
    """Its start is dear: one for all files."""
    with Cloud.start(tmp_path_factory.mktemp("cloud"), rate_limits=False) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud):
    """The simulated cloud, without recordings and faults of other tests."""
    yield running_cloud
    running_cloud.reset()
    with running_cloud.operator() as operator:
        for recording in recordings(running_cloud):
            operator.delete("/recordings/" + recording["id"])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return Images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def bench(tmp_path, images, cloud, monkeypatch):
    """A bench to provision at, whose boards reach the cloud; the record lies in its folder."""
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, images, cloud)
    made.use_cloud(monkeypatch)
    yield made
    made.close()
