"""Power cuts at every step of record → close → create → PUT → complete → free, on both file
systems.

The runs are flash_cuts.py's, on the unix port; cuts.py says what must hold of each: at most a
second missing, nothing twice, no cluster of FAT in two files, nothing left on the medium but what
was set aside with a reason, and the device at rest at the end.
"""

import copy
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


def test_a_clip_that_goes_while_it_is_recorded_keeps_what_was_sent():
    """In chunks: recovery never keeps less than storage has, and one chunk goes twice at most."""
    (whole,) = check("lfs", "live-clean", 0, 0)
    assert whole["live"] >= 2 and whole["recordings"] == 2 and whole["twice"] == 0
    found = check("lfs", "live-torn", 1, whole["operations"])
    start = random.randrange(1, 280)
    print("start", start)
    found += check("lfs", "live-net", start % 32 + 1, start % 32 + 32)
    found += check("fat", "live-torn", start, start + 9)
    assert all(run["twice"] <= 1 for run in found)
    assert all(run["anew"] == 0 for run in found), "a whole file: what was sent was not kept"
    assert sum(run["live"] for run in found) > len(found)


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
    (one,) = cuts.runs(medium, "one-clean", 0, 0)
    for first in chance.sample(range(1, one["operations"]), 3):
        kind = chance.choice(["one-clean", "one-torn"])
        # A boot after a cut may have some operations more than the run that nobody cuts.
        found = check(medium, kind, first, first, 1, one["operations"] * 5 // 4)
        twice += sum(run["ends"] == ["dead", "dead", "done"] for run in found)
        assert "dead" not in found[-1]["ends"][1:], "after every operation of that boot"
    assert twice > 20, f"seed {seed}"


@pytest.mark.parametrize("medium", cuts.MEDIA)
def test_a_single_call_that_fails_reads_too_costs_nothing_that_was_closed(whole, medium):
    calls = whole[medium]["calls"]
    start = random.randrange(1, 100)
    print("start", start)
    found = check(medium, "calls", start, calls, f"every={calls // 25}")
    assert all("dead" not in run["ends"] for run in found)
    assert sum("reset" in run["ends"] for run in found) < len(found) // 2


def test_the_judge_sees_what_must_not_be(whole):
    """A history of a run, changed: each lie is called by its name."""
    run = whole["lfs"]
    kinds = [kind for _, kind, _ in run["history"]["events"]]
    for name, change in {
        "S1": lambda h: (
            h["recordings"].clear()
            or h.update(events=[e for e in h["events"] if e[2].get("route") != "complete"])
        ),
        "S2": lambda h: h["events"].sort(key=lambda e: e[2].get("state") == "done"),
        "S3": lambda h: h["recordings"][0].update(sha="0" * 64),
        "S4": lambda h: h["recordings"].append({**h["recordings"][0], "rid": "rec_x"}),
        "S7": lambda h: h["events"].append([10**6, "record", {"clip": 1, "state": "created"}]),
        "S8": lambda h: h["events"].append([10**6, "heard", {"first": 10**5, "count": 9}]),
        "S9": lambda h: h["events"].append([10**6, "open", {"clip": 1}]),
    }.items():
        changed = copy.deepcopy(run)
        change(changed["history"])
        assert name + " " in cuts.fault(changed), (name, cuts.fault(changed))
    assert {"open", "closed", "record", "request", "commit", "answer", "remove"} < set(kinds)
