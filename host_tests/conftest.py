"""Shared by all rings: where the project is, and the engines that can run here."""

import pathlib

import pytest

from tools.sim.board import find_micropython

ROOT = pathlib.Path(__file__).resolve().parents[1]


def engines() -> list:
    """Test parameters for both engines; the unix port is left out only where no wheel exists."""
    reason = "no MicroPython unix port for this platform (set MICROPYTHON)"
    absent = pytest.mark.skipif(find_micropython() is None, reason=reason)
    return [pytest.param("micropython", marks=absent), "cpython"]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines())
