"""Silence that is left out: what S8, S15 and S17 then say, and that each can fail."""

import pytest

from tools.torture import invariants
from tools.torture.history import History, Recording

# A take of one clip: 2 s that somebody spoke, 5 s that were left out, 4 s more. 1 kHz.
_RUNS = [[1000, 2000], [8000, 4000]]
_SKIPS = [[2000, 5000]]


def judged(name, runs=_RUNS, skips=_SKIPS, hushed=((3000, 5000),), place=(1, 0), ledger=None):
    history = History(1000)
    history.add(0, "up", boot=1, zero_ms=0)
    history.add(1000, "listen", first=1000)
    history.add(12_000, "closed", clip=1, sha="a", size=1, runs=runs, skips=skips, place=place)
    history.add(20_000, "end")
    history.add(20_000, "heard", first=1000, count=11_000)
    for first, count in hushed:
        history.add(20_000, "hushed", first=first, count=count)
    history.recordings = [Recording("rec", 1, "uploaded", "a", 1, True, runs)]
    if ledger is not None:
        told = {kind: sum(run[3] for run in ledger if run[0] == kind) for kind in "ibroxceu"}
        none = dict.fromkeys("ibroxceu", 0)
        history.ledger = {"runs": ledger, "exact": told, "days": none, "sum": none}
    return [violation.text for violation in invariants.judge(history, (name,))]


def test_what_nobody_said_may_be_missing_and_what_somebody_said_may_not():
    assert judged("S8") == []
    assert judged("S8", hushed=((3000, 4500),)) == [
        "samples 7500 to 8000 were heard and are nowhere"
    ]


def test_a_record_that_says_where_breaks_nothing():
    assert judged("S17") == []
    # The cut came before anything followed the pause.
    assert judged("S17", runs=_RUNS[:1]) == []
    # Filled with silence where the driver lost samples: nothing is left out.
    assert judged("S17", runs=[[1000, 2000], [None, 5000], [8000, 4000]], skips=[]) == []


@pytest.mark.parametrize("skips", [[], [[2000, 4999]], [[2001, 5000]], [[0, 9], [2000, 5000]]])
def test_a_place_or_a_length_that_is_not_true_is_seen(skips):
    (said,) = judged("S17", skips=skips)
    assert said == f"clip 1 says that {skips} is left out of it, and [[2000, 5000]] is"


def test_clips_of_a_take_count_on_one_axis():
    history = History(1000)
    history.add(1, "closed", clip=1, runs=[[1000, 2000]], place=(1, 0))
    history.add(2, "closed", clip=2, runs=[[None, 500], [3500, 500]], place=(1, 2000))
    history.add(3, "closed", clip=3, runs=[[9000, 500]], place=(1, 7990))
    (violation,) = invariants.judge(history, ("S17",))
    assert violation.text == "clip 3 begins 10 samples beside its place in the take"


def test_the_ledger_calls_silence_not_wanted_only_where_it_was_left_out():
    whole = [["i", 1, 0, 1], ["r", 1, 1, 2], ["i", 1, 3, 5], ["r", 1, 8, 4], ["i", 1, 12, 8]]
    sent = [["c", 1, 1, 2], ["c", 1, 8, 4]]
    assert judged("S15", ledger=whole + sent) == []
    spoken = judged("S15", ledger=whole + sent, hushed=())
    assert "ledger: i from 4000 to 7000 ms is not true" in spoken
    unknown = judged("S15", ledger=whole[:2] + whole[3:] + sent)
    assert unknown == ["ledger: 3000 to 8000 ms is unknown, and nothing was cut there"]
