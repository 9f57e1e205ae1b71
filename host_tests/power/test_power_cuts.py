"""Power cuts at every flash operation of record → close → create → PUT → complete → free.

The runs are flash_cuts.py's, on the unix port with littlefs; here is what must hold of each:
at most a second missing, nothing twice, nothing left on the flash but what was set aside with a
reason, and the device at rest at the end.
"""

import json
import random
import subprocess

import pytest

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

RATE_HZ = 8000
pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)


def runs(*arguments) -> list[dict]:
    code = build(ROOT / "build" / "device")
    script = ROOT / "host_tests" / "power" / "flash_cuts.py"
    words = [find_micropython(), "-X", "heapsize=4M", script, code, *arguments]
    result = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=110
    )
    assert result.returncode == 0 and not result.stderr, result.stderr[-2000:]
    # The interpreter says so when it finalises a file that the cut left open, on the dead flash.
    lines = [line for line in result.stdout.splitlines() if line != "OSError: [Errno 5] EIO"]
    return [json.loads(line) for line in lines]


def assert_holds(run: dict) -> None:
    cuts = run["ends"].count("dead")
    assert run["ends"][-1] == "done" and set(run["ends"]) <= {"dead", "done"}, run
    assert not run["faults"] and not run["left"], run
    assert 0 <= run["missing"] <= cuts * RATE_HZ, run


@pytest.fixture(scope="module")
def operations() -> int:
    """How many flash operations the run has that nobody cuts."""
    (whole,) = runs(0, 0, 0)
    assert_holds(whole)
    assert whole["missing"] == 0 and whole["recordings"] == 2
    return whole["operations"]


@pytest.mark.parametrize("torn", [0, 1])
def test_the_power_goes_at_every_operation(operations, torn):
    cut = runs(1, operations, torn)
    assert len(cut) == operations > 50
    for run in cut:
        assert_holds(run)
    assert sum(run["ends"] == ["dead", "done"] for run in cut) > operations // 2


def test_recovery_is_cut_itself(operations):
    """From a seeded sample of first cuts: the second one at each operation of the next boot."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    twice = 0
    for first in random.Random(seed).sample(range(1, operations), 5):
        for second in range(1, 61):
            (run,) = runs(first, first, second & 1, second)
            assert_holds(run)
            twice += run["ends"] == ["dead", "dead", "done"]
    assert twice > 50, f"seed {seed}"
