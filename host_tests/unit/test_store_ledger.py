"""store.ledger: of each second what became of it. Told twice it counts once, and what the medium
refuses is told again.
"""

import os

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.capture import take
from device.store import ledger_book, slots
from device.store.ledger import Ledger

BOOT = 7


class Clock:
    """Uptime that the test sets; boots began at T0."""

    def __init__(self):
        self.up_ms = 0

    def uptime_ms(self):
        return self.up_ms

    def start_of(self, record):
        return None if record["boot"] == 99 else (fakes.T0 * 1000 + record["up"], 10)


def make(root, clock=None, boot=BOOT):
    log, said = fakes.make_log()
    ledger = Ledger(root, boot, clock or Clock(), log)
    ledger.said = said
    return ledger


def clip(at_s, seconds, **fields):
    times = {"boot": BOOT, "up": at_s * 1000, "hz": 100, "samples": seconds * 100}
    return {"n": 1 + at_s, **times, "last": 1, "state": "closed", **fields}


def runs(root):
    return [tuple(run) for value in ledger_book.segments(root) for run in value["e"]]


def told(root, **expected):
    found = ledger_book.totals(root)
    assert {name: n for name, n in found.items() if n} == expected


def test_a_take_of_three_clips_that_is_sent(root):
    ledger = make(root)
    ledger.opened(clip(600, 60))
    for at_s, last in ((600, 0), (660, 0), (720, 1)):
        ledger.closed(clip(at_s, 60, last=last))
    told(root, not_scheduled=600, recorded=180, on_device=180)
    ledger.freed(clip(600, 60, state="done"))
    ledger.freed(clip(660, 60, state="evicted"))
    told(root, not_scheduled=600, recorded=180, confirmed=60, evicted=60, on_device=60)
    assert ("r", BOOT, 600, 180) in runs(root)


def test_time_without_a_take_is_kept_every_hour_and_when_something_forbids_it(root):
    clock = Clock()
    ledger = make(root, clock)
    for up_s in range(0, 3 * 3600, 5):
        clock.up_ms = up_s * 1000
        ledger.tick("idle")
    # An hour and the minute in which a clip may still begin is what a cut may cost.
    assert 2 * 3600 - 60 <= ledger_book.totals(root)["not_scheduled"] <= 3 * 3600
    clock.up_ms = 4 * 3600 * 1000
    ledger.tick("storage_full")
    clock.up_ms += 100_000
    ledger.tick("idle")
    told(root, not_scheduled=4 * 3600, blocked=100)


def test_the_time_after_a_clip_that_failed_begins_where_that_clip_ends(root):
    """The clip is told by recovery, later; rounded apart, a second would be told as both."""
    clock = Clock()
    ledger = make(root, clock)
    ledger.opened(clip(10, 1))
    clock.up_ms = 11_700
    ledger.left_open()
    clock.up_ms = 20_000
    ledger.tick("idle")
    ledger.repaired(dict(clip(10, 1), up=10_000, samples=170))
    told(root, not_scheduled=10, recorded=2, cut=1, blocked=8, on_device=2)
    assert ("b", BOOT, 12, 8) in runs(root)


def test_what_a_take_that_failed_had_waited_for_outlives_a_cut(root):
    """However many fail in a row, each sooner than the hourly write would come."""
    clock = Clock()
    ledger = make(root, clock)
    for turn in range(3):
        clock.up_ms = (turn + 1) * 1_000_000
        ledger.opened(clip((turn + 1) * 1000, 1))
        clock.up_ms += 1_000
        ledger.left_open()
        ledger.tick("storage_failed")
    told(root, not_scheduled=1000, blocked=2 * 999)


@pytest.mark.parametrize("code", ["armed", "storage_full"])
def test_the_wait_before_a_clip_whose_take_did_not_go_on_outlives_a_cut(root, code):
    """Silence is left out, or the next clip did not open: its end may be hours away."""
    clock = Clock()
    ledger = make(root, clock)
    ledger.opened(clip(1000, 60))
    clock.up_ms = 1_061_000
    ledger.closed(clip(1000, 60, last=0))
    ledger.tick(code)
    told(root, not_scheduled=1000, recorded=60, on_device=60)


def test_gaps_are_lost_and_left_out_silence_was_not_wanted(root):
    ledger = make(root)
    ledger.opened(clip(0, 60))
    ledger.closed(clip(0, 60, skips=[[1000, 30 * 100]], gaps=[[2000, 500, 500]]))
    told(root, recorded=60, not_scheduled=30, overrun=5, on_device=60)
    assert set(runs(root)) >= {("r", BOOT, 0, 10), ("i", BOOT, 10, 30), ("r", BOOT, 40, 50)}


def test_silence_between_two_clips_of_a_take_was_not_wanted(root):
    """It was left out before the second began, so that none of their records tells of it."""
    clock = Clock()
    ledger = make(root, clock)
    ledger.opened(clip(10, 60))
    ledger.tick("armed")  # silence in the clip: its record will tell
    ledger.closed(clip(10, 60, last=0, skips=[[1000, 500]]))
    ledger.opened(clip(75, 60))  # it follows at once
    ledger.closed(clip(75, 60, last=0))
    clock.up_ms = 136_000
    ledger.tick("armed")
    ledger.opened(clip(165, 60))
    ledger.closed(clip(165, 60))
    told(root, not_scheduled=10 + 5 + 30, recorded=180, on_device=180)
    assert ("i", BOOT, 135, 30) in runs(root)


def test_a_take_that_fails_between_two_clips_was_forbidden_from_there_on(root):
    """The medium is full when the next clip is to be opened: no clip is left that could tell."""
    clock = Clock()
    ledger = make(root, clock)
    ledger.opened(clip(10, 60))
    ledger.closed(clip(10, 60, last=0))
    for clock.up_ms in (71_000, 81_000, 3_800_000):
        ledger.tick("storage_full")
    ledger.tick("idle")
    told(root, not_scheduled=10, recorded=60, blocked=3730, on_device=60)


def test_a_clip_with_silence_left_out_again_and_again_is_told_whole(root):
    """As many times as a clip can have it: more runs than are kept in mind."""
    skips = [[1000 * (n + 1), 2000] for n in range(take._MAX_PLACES)]
    ledger = make(root)
    for at_s in (0, 300):
        ledger.opened(clip(at_s, 90, skips=skips))
        ledger.closed(clip(at_s, 90, skips=skips))
        ledger.freed(clip(at_s, 90, skips=skips, state="done"))
    told(root, recorded=180, confirmed=180, not_scheduled=2 * 160 + 50)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 50), st.integers(1, 99)), max_size=take._MAX_PLACES),
            st.integers(1, 50),
            st.integers(1, 300),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_takes_with_silence_left_out_are_told_to_the_second(tmp_path_factory, takes):
    """takes: of one clip each: (seconds kept, left out)…, kept at its end, rest, is it sent?"""
    root = str(tmp_path_factory.mktemp("book"))
    os.mkdir(root + "/state")
    ledger, up_s, sums = make(root), 0, {"recorded": 0, "not_scheduled": 0, "confirmed": 0}
    for parts, last_s, rest_s, is_sent in takes:
        kept_s, skips = 0, []
        for part_s, hidden_s in parts:
            kept_s += part_s
            skips.append([kept_s * 100, hidden_s * 100])
        kept_s += last_s
        hidden_s = sum(hidden for _, hidden in parts)
        ledger.opened(clip(up_s, kept_s, skips=skips))
        ledger.closed(clip(up_s, kept_s, skips=skips))
        if is_sent:
            ledger.freed(clip(up_s, kept_s, skips=skips, state="done"))
        up_s += kept_s + hidden_s + rest_s
        sums["recorded"] += kept_s
        sums["confirmed"] += is_sent * kept_s
        sums["not_scheduled"] += hidden_s + rest_s
    ledger.opened(clip(up_s, 1))  # the rest after the last one is told now
    ledger.keep()
    found = ledger_book.totals(root)
    assert {name: found[name] for name in sums} == sums


def test_what_a_cut_left_is_told_by_recovery_and_counts_once(root):
    make(root).repaired(clip(10, 20))
    for _ in range(3):  # cut again before the next step, three times
        again = make(root, boot=BOOT + 1)
        again.seen(clip(10, 20))
        again.repaired(clip(10, 20))
        again.freed(clip(10, 20, state="done"))
    told(root, recorded=20, cut=1, confirmed=20)


def test_a_clip_of_long_ago_is_not_told_again(root):
    """Its run may be folded into a day: nobody could see that it is there."""
    ledger = make(root, boot=BOOT + 4)
    ledger.seen(clip(10, 20))
    ledger.keep()
    told(root)


def test_unreadable_clips_are_lost_and_refused_ones_are_not(root):
    ledger = make(root)
    ledger.closed(clip(0, 10))
    ledger.closed(clip(10, 10))
    ledger.set_aside(clip(0, 10, state="quarantined", why="refused"))
    ledger.set_aside(clip(10, 10, state="quarantined", why="damaged"))
    told(root, recorded=20, unreadable=10, on_device=10)


def test_what_the_medium_refuses_is_told_later_and_said_once(root, monkeypatch):
    ledger = make(root)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5, times=99), raising=False)
    ledger.closed(clip(0, 10))
    ledger.freed(clip(0, 10, state="done"))
    assert len([line for line in ledger.said if "ledger not kept" in line]) == 1
    monkeypatch.undo()
    ledger.closed(clip(20, 10))
    told(root, recorded=20, confirmed=10, on_device=10)


def test_what_was_written_though_the_medium_refused_it_counts_once(root, monkeypatch):
    """A card may take a file and say no when it is asked whether it did."""
    ledger, calls = make(root), []

    def says_no_now_and_then(f):
        f.flush()
        calls.append(f)
        if len(calls) % 2:
            raise OSError(5, "synced, and yet refused")

    monkeypatch.setattr(slots, "sync_file", says_no_now_and_then)
    for n in range(300):
        ledger.closed(clip(100 * n, 10))
    monkeypatch.undo()
    ledger.keep()
    told(root, recorded=3000, on_device=3000)


@pytest.mark.parametrize("boot", [BOOT, BOOT + 1], ids=["refused", "cut"])
def test_a_clip_that_did_not_leave_is_told_once(root, boot):
    """Its first run may lie in a segment of before, where nobody looks."""
    ledger = make(root)
    ledger.closed(clip(0, 10))
    ledger.freed(clip(0, 10, state="done"))
    for n in range(1, 60):
        ledger.closed(clip(100 * n, 10))
    if boot != BOOT:
        ledger = make(root, boot=boot)
    ledger.closed(clip(9000, 10, boot=boot))
    ledger.freed(clip(0, 10, state="done"))
    told(root, recorded=610, confirmed=10, on_device=600)


def test_what_is_too_much_to_keep_in_mind_is_unknown(root, monkeypatch):
    ledger = make(root)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5, times=99), raising=False)
    for n in range(50):
        ledger.closed(clip(100 * n, 10))
    monkeypatch.undo()
    ledger.keep()
    told(root, recorded=120, on_device=120)
