"""Shared by all rings: where the project is, and the engines that can run here."""

import pathlib

import hypothesis
import pytest

from tools.sim.board import find_micropython

ROOT = pathlib.Path(__file__).resolve().parents[1]

# No deadline, and no complaint that examples are drawn slowly: a busy host is no fault of ours.
hypothesis.settings.register_profile(
    "recorder",
    deadline=None,
    derandomize=False,
    print_blob=True,
    max_examples=60,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.load_profile("recorder")


def engines() -> list:
    """Test parameters for both engines; the unix port is left out only where no wheel exists."""
    reason = "no MicroPython unix port for this platform (set MICROPYTHON)"
    absent = pytest.mark.skipif(find_micropython() is None, reason=reason)
    return [pytest.param("micropython", marks=absent), "cpython"]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines())
