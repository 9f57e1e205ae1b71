"""The kept log under power cuts: a cut costs the lines of the write it fell into, and no other.

The runs are log_cuts.py's, on the unix port.
"""

import json
import subprocess

import pytest

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
FIRST, LAST_WRITTEN, AFTER = 220, 227, [228, 229]  # line numbers: see log_cuts.py


def runs(medium: str, torn: bool) -> list[dict]:
    code = build(ROOT / "build" / "device")
    script = ROOT / "host_tests" / "power" / "log_cuts.py"
    words = [find_micropython(), "-X", "heapsize=48M", script, code, medium, int(torn)]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("medium", ["lfs", "fat"])
@pytest.mark.parametrize("torn", [False, True])
def test_a_cut_costs_the_write_it_fell_into(medium, torn):
    whole, *cut = runs(medium, torn)
    assert whole["written"] == LAST_WRITTEN and len(cut) == whole["operations"] > 10
    oldest_kept = whole["read"][0]
    assert 0 < oldest_kept < 60, "the ring went round, and dropped one segment"
    assert whole["read"] == list(range(oldest_kept, AFTER[-1] + 1))
    for run in cut:
        lines = run["read"]
        assert lines == sorted(set(lines)), run
        assert lines[-2:] == AFTER, run
        # All that was there before, and all whose write had ended, but the segment that went.
        kept = [n for n in range(oldest_kept, max(FIRST - 1, run["written"]) + 1)]
        assert set(kept) <= set(lines), (run["cut"], sorted(set(kept) - set(lines)))
        assert run["faults"] == []
    assert any(run["written"] < FIRST for run in cut) and any(
        FIRST < run["written"] < LAST_WRITTEN for run in cut
    )


def test_a_write_costs_about_one_erase():
    whole = runs("lfs", False)[0]
    assert 1 <= whole["erases"] <= 6  # four writes, a new segment among them
