"""Power cuts at every step of record → close → create → PUT → complete → free, on both file
systems.

The runs are flash_cuts.py's, on the unix port; cuts.py says what must hold of each: at most a
second missing, nothing twice, no cluster of FAT in two files, nothing left on the medium but what
was set aside with a reason, and the device at rest at the end.
"""

import random

import pytest

from host_tests.power import cuts
from tools.sim.board import find_micropython

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)


@pytest.fixture(scope="module")
def whole() -> dict:
    return {medium: cuts.measure(medium) for medium in cuts.MEDIA}


def check(*arguments) -> list[dict]:
    found = list(cuts.runs(*arguments))
    for run in found:
        assert cuts.fault(run) is None, (arguments, run)
    return found


@pytest.mark.parametrize("medium", cuts.MEDIA)
@pytest.mark.parametrize("kind", ["clean", "torn"])
def test_the_power_goes_at_every_operation(whole, medium, kind):
    operations = whole[medium]["operations"]
    found = check(medium, kind, 1, operations)
    assert len(found) == operations > 50
    assert sum(run["ends"] == ["dead", "done"] for run in found) > operations // 2


@pytest.mark.parametrize("medium", cuts.MEDIA)
def test_the_power_goes_at_every_event_of_the_network(whole, medium):
    events = whole[medium]["events"]
    assert events == 2 * 4 * 4  # two clips, four calls each, four moments a call
    found = check(medium, "net", 1, events)
    assert [run["ends"] for run in found] == [["dead", "done"]] * events


@pytest.mark.parametrize("medium", cuts.MEDIA)
def test_a_single_operation_that_fails_costs_a_second_at_most(whole, medium):
    operations = whole[medium]["operations"]
    start = 1 if medium == "lfs" else random.randrange(1, operations - 120)
    print("start", start)
    found = check(medium, "fails", start, start + 119)
    assert all("dead" not in run["ends"] for run in found)


@pytest.mark.parametrize("medium", cuts.MEDIA)
def test_recovery_is_cut_itself(whole, medium):
    """From a seeded sample of first cuts: the second one at each operation of the next boot."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    twice = 0
    for first in chance.sample(range(1, whole[medium]["operations"]), 3):
        found = check(medium, chance.choice(["clean", "torn"]), first, first, 1, 50)
        twice += sum(run["ends"] == ["dead", "dead", "done"] for run in found)
    assert twice > 20, f"seed {seed}"
