"""Makes fakes.py importable and gives every test of this folder time that stands still, and those
of the ledger a medium.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import fakes  # noqa: E402

from device import compat  # noqa: E402


@pytest.fixture
def time(monkeypatch):
    """The clock behind device.compat's ticks; give it to fakes.run."""
    time = fakes.Time()
    monkeypatch.setattr(compat, "time", time)
    yield time
    if time.runner is not None:
        time.runner.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """No test here pulls the plug: what fsync promises is the business of other tests. And a full
    collection of pytest's heap takes 20 ms, which the lane asks for at each attempt.
    """
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("gc.collect", lambda: 0)


@pytest.fixture
def root(tmp_path):
    """The root of a medium that holds nothing but the folder of the ledger's book."""
    (tmp_path / "state").mkdir()
    return str(tmp_path)
