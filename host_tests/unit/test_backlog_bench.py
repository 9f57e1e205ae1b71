"""The backlog's benchmark in small: a thousand clips on a card cost what ten do (M9)."""

import pytest

from tools.bench import backlog
from tools.sim.board import find_micropython


@pytest.mark.skipif(find_micropython() is None, reason="no MicroPython unix port here")
def test_reads_and_heap_stay_flat():
    found = backlog.measure(("fat",), (10, 100, 1000))
    assert found["heap_kb"] == 256 and len(found["fat"]["rows"]) == 3
    missed = [v for v in found["fat"]["verdicts"] if not v["met"]]
    assert missed == [], missed


def rows(**reads):
    """Three sizes; reads: how the step's reads grow, the others stay."""
    flat = dict.fromkeys((*backlog.STEPS, "census"), 5)
    return [
        {"clips": n, "kept_bytes": 100, "reads": {**flat, **{k: f(n) for k, f in reads.items()}}}
        for n in (10, 100, 1000)
    ]


def test_a_step_that_grows_is_seen():
    assert all(v["met"] for v in backlog.verdicts(rows()))
    assert backlog.slope(rows(next=lambda n: n), "next") == pytest.approx(1)
    assert backlog.slope(rows(next=lambda n: n**0.5), "next") == pytest.approx(0.5)
    missed = [v["metric"] for v in backlog.verdicts(rows(next=lambda n: n)) if not v["met"]]
    assert missed == ["worst slope of a step (next)", "reads to find the next clip, at most"]
    missed = [v["metric"] for v in backlog.verdicts(rows(boot=lambda n: 20 * n)) if not v["met"]]
    assert missed == ["worst slope of a step (boot)", "reads to the first sample"]
