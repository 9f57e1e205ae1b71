"""store.ledger_book: runs of seconds in segments that stay small, and days that add up. A cut at
any file operation leaves sums that are true.
"""

import os

import fakes
from hypothesis import given
from hypothesis import strategies as st
from test_store_ledger import BOOT, Clock, runs, told

from device.store import ledger_book, slots
from device.store.slots import MAX_BYTES

DAY_S = 86_400
T0_DAY = fakes.T0 // DAY_S


def fill(root, count, at=0, boot=BOOT):
    """count runs that do not touch, a minute of r every hour."""
    newest = None
    for n in range(at, at + count):
        newest = ledger_book.add(
            root, [["r", boot, n * 3600, 60]], Clock().start_of, newest
        )  # fmt: skip


def test_the_book_stays_small_and_its_days_add_up(root):
    fill(root, 500)
    told(root, recorded=500 * 60, on_device=500 * 60)
    days = ledger_book.days(root, Clock().start_of, most=99)
    assert sum(counts[2] for _, counts in days) == 500 * 60
    # T0 is noon: half a day, twenty whole ones, the rest.
    assert [(day - T0_DAY, counts[2]) for day, counts in days][:3] == [
        (0, 12 * 60), (1, 24 * 60), (2, 24 * 60)
    ]  # fmt: skip
    sizes = [e.stat().st_size for e in os.scandir(root + "/state/book")]
    assert max(sizes) <= MAX_BYTES and len(sizes) <= 8 + 4 + 1


def test_days_of_a_boot_that_never_knew_the_time_are_kept_apart(root):
    fill(root, 300, boot=99)
    days = ledger_book.days(root, Clock().start_of)
    assert days == [[-1, [0, 0, 300 * 60, 0, 0, 0, 0, 0]]]


def test_a_cut_at_any_write_of_a_fold_loses_and_doubles_nothing(root, monkeypatch):
    """The run that was being told is told again after the cut, as recovery does."""
    cuts, count, run = 0, 300, []
    for n in range(count):
        run = [["r", BOOT, n * 3600, 60]]
        for at in (1, 2, 3, 4):
            monkeypatch.setattr(slots, "open", cut_at(at), raising=False)
            try:
                ledger_book.add(root, run, Clock().start_of)
                break
            except OSError:
                cuts += 1
    monkeypatch.undo()
    assert cuts > count
    ledger_book.add(root, run, Clock().start_of)
    told(root, recorded=count * 60, on_device=count * 60)
    days = ledger_book.days(root, Clock().start_of, most=99)
    assert sum(counts[2] for _, counts in days) == count * 60


def cut_at(number):
    """An open() whose file number `number` that is to be written cannot be."""
    left = [number]

    def opener(path, mode="r"):
        left[0] -= "w" in mode
        if not left[0] and "w" in mode:
            raise OSError(5, "cut")
        return open(path, mode)

    return opener


@given(
    st.lists(
        st.tuples(
            st.sampled_from("irc"), st.integers(1, 2), st.integers(0, 60), st.integers(1, 30),
            st.booleans(),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_runs_in_any_order_are_the_seconds_that_they_name(tmp_path_factory, told_runs):
    """While they fit into one segment; each may be told twice."""
    root = str(tmp_path_factory.mktemp("book"))
    os.mkdir(root + "/state")
    truth = set()
    newest = None
    for kind, boot, at_s, seconds, twice in told_runs:
        for _ in range(1 + twice):
            newest = ledger_book.add(root, [[kind, boot, at_s, seconds]], None, newest)
        truth |= {(kind, boot, second) for second in range(at_s, at_s + seconds)}
    named = [
        (kind, boot, at_s + n) for kind, boot, at_s, seconds in runs(root) for n in range(seconds)
    ]
    assert len(named) == len(set(named))
    assert set(named) == truth


def test_a_damaged_segment_is_as_none(root):
    fill(root, 3)
    path = root + "/state/book/1.1"
    for data in (
        b"",
        b"book1 9 00000000 {}\n",
        slots.encode("book1", 9, {"s": 1, "e": [["q", 1]]}),
    ):
        with open(path, "wb") as f:
            f.write(data)
        fill(root, 1, at=9)
        assert ledger_book.totals(root)["recorded"] >= 60
