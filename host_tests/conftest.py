"""Shared by all rings: where the project is, and the engines that can run here."""

import pathlib

import pytest

from tools.sim.board import find_micropython

ROOT = pathlib.Path(__file__).resolve().parents[1]


# A file's tests stay together on one worker (its fixtures are costly), so what takes longest comes
# first: begun last, it would keep one worker busy while the others have nothing to do any more.
LONG = ("page", "technician", "system", "power", "rescue", "resume", "hostile", "image", "month")


def engines() -> list:
    """Test parameters for both engines; the unix port is left out only where no wheel exists."""
    reason = "no MicroPython unix port for this platform (set MICROPYTHON)"
    absent = pytest.mark.skipif(find_micropython() is None, reason=reason)
    return [pytest.param("micropython", marks=absent), "cpython"]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines())


def pytest_collection_modifyitems(items):
    folders = [ROOT / "host_tests" / name for name in LONG]

    def place(item):
        folder = item.path.parent
        return folders.index(folder) if folder in folders else len(folders)

    items.sort(key=place)
