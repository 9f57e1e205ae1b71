"""Which clip goes first: what was asked for, what would be evicted, the newest, the oldest."""

import os
import shutil

import fakes
import test_two_media
from hypothesis import given
from hypothesis import strategies as st
from test_queue_backlog import Queue
from test_store_paths import LITTER, NUMBERS, litter, make

from device.queue import newest
from device.queue.newest import NewestFirst
from device.store import paths, wanted
from device.store.clip import CLOSED, DONE, PARKED
from device.store.wanted import First, kept


class Newest(Queue):
    """A queue whose newest goes first; used_pct can be changed, None: nothing is evicted."""

    used_pct = None

    def __init__(self, folder, clips=0, used_pct=None):
        super().__init__(folder, clips)
        self.full = used_pct
        quota = type("Quota", (), {"used_pct": lambda _: self.full})()
        parts = (self.store, lambda: self.epoch, self.found_open.append)
        self.backlog = NewestFirst(None if used_pct is None else quota, *parts)


# --- asked for -----------------------------------------------------------------------------------


def test_what_somebody_asked_for_goes_first_in_the_order_asked(tmp_path):
    queue = Queue(tmp_path, 9)
    assert queue.backlog.ask(7) == {"ok": True, "before": 0}
    assert queue.backlog.ask(5) == {"ok": True, "before": 1}
    assert queue.backlog.ask(7) == {"ok": True, "before": 0}, "asked twice is asked once"
    assert queue.backlog.next().number == 7 and queue.backlog.rule == "requested"
    assert queue.drain() == [7, 5, 1, 2, 3, 4, 6, 8, 9]
    assert queue.backlog.rule == "oldest" and queue.backlog.first.numbers == []


def test_it_is_asked_for_over_a_reboot_and_forgotten_when_sent(tmp_path):
    queue = Queue(tmp_path, 5)
    assert kept(queue.store) is None
    queue.backlog.ask(4)
    assert wanted.priority(queue.store.root, 4) == 1
    assert wanted.priority(queue.store.root, 3) == 0
    again = Queue(tmp_path)
    assert again.backlog.first.numbers == [4]
    assert again.drain() == [4, 1, 2, 3, 5]
    assert First(again.store).numbers == []


def test_a_refusal_says_why(tmp_path):
    queue = Queue(tmp_path, 20)
    queue.clips[1].save(state=PARKED, why="refused")
    queue.clips[2].save(epoch=3)
    ask = queue.backlog.ask
    said = {number: ask(number)["error"] for number in (None, "1", -1, 2**40, 99, 2, 3)}
    assert "which" in said[None] == said["1"] == said[-1] == said[2**40]
    assert "no clip 99" in said[99] and "refused" in said[2] and "token" in said[3]
    assert queue.backlog.first is None, "nothing was asked for: nothing is loaded"
    for number in range(4, 4 + wanted.MOST):
        assert ask(number)["ok"]
    assert "16" in ask(20)["error"]
    assert len(queue.backlog.first.numbers) == wanted.MOST


def test_a_list_that_cannot_be_kept_is_said(tmp_path, monkeypatch):
    from device.store import slots

    queue = Queue(tmp_path, 3)
    monkeypatch.setattr(slots, "open", fakes.failing_open(28, match="wanted"), raising=False)
    assert "errno=28" in queue.backlog.ask(2)["error"]
    assert queue.backlog.next().number == 1
    assert queue.backlog.ask(2)["ok"] and queue.backlog.next().number == 2


def test_what_was_asked_for_and_cannot_go_is_in_nobodys_way(tmp_path):
    queue = Queue(tmp_path, 6)
    for number in (2, 3, 4, 5):
        queue.backlog.ask(number)
    queue.clips[1].save(state=PARKED)  # set aside since: off the list
    queue.clips[2].save(epoch=9)  # another binding holds: it waits on the list
    queue.deliver(queue.clips[3])
    assert queue.drain() == [5, 1, 6]
    assert queue.backlog.first.numbers == [3]
    queue.epoch = 9
    assert queue.drain() == [3]


def test_one_that_fails_three_times_rests_until_the_others_had_their_turn(tmp_path):
    queue = Queue(tmp_path, 4)
    queue.backlog.ask(3)
    offered = []
    for _ in range(8):
        clip = queue.backlog.next()
        offered.append(clip.number)
        queue.backlog.failed(clip) if clip.number == 3 else queue.deliver(clip)
    assert offered == [3, 3, 3, 1, 2, 4, 3, 3]
    assert queue.backlog.first.numbers == [3], "still asked for"


def test_one_that_waits_for_something_of_its_own_lets_the_others_go(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.backlog.ask(3)
    queue.backlog.let_pass(queue.backlog.next())
    assert queue.drain() == [1, 2, 3]


def test_resting_ends_with_each_pass_and_with_news(tmp_path):
    """It must never rest for good, whatever ended the pass."""
    queue = Queue(tmp_path, 40)
    queue.backlog.ask(30)
    queue.backlog._planner = type("None may go", (), {"fits": lambda _, clip: clip.number == 30})()
    clip = queue.backlog.next()
    queue.backlog.let_pass(clip)
    assert queue.backlog.next() is None and queue.backlog.held == 16
    assert queue.backlog.next().number == 30
    queue.backlog.let_pass(queue.backlog.next())
    queue.backlog.rewind()
    assert queue.backlog.next().number == 30


def test_one_that_is_more_than_the_way_may_carry_waits(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.backlog.ask(3)
    queue.backlog._planner = type("Planner", (), {"fits": lambda _, clip: clip.number != 3})()
    assert queue.drain() == [1, 2]
    assert queue.backlog.held == 1 and queue.backlog.first.numbers == [3]


def test_a_torn_list_is_the_one_before(tmp_path):
    queue = Queue(tmp_path, 5)
    queue.backlog.ask(4)
    (tmp_path / "state" / "wanted0").write_bytes(b"want1 2 00000000 {")
    assert First(queue.store).numbers == [4]
    (tmp_path / "state" / "wanted1").write_bytes(b"\xff" * 90)
    assert First(queue.store).numbers == []
    for value in (None, {}, {"n": 3}, {"n": ["a", -1, 0, 4.5, 4, 4]}):
        assert set(wanted.numbers_of(value)) <= {4}


# --- newest first --------------------------------------------------------------------------------


@given(NUMBERS, LITTER, st.lists(st.integers(1, paths.MAX_NUMBER), max_size=5))
def test_walking_down_is_a_sorted_set(tmp_path, numbers, places, starts):
    root = str(tmp_path / "d")
    shutil.rmtree(root, ignore_errors=True)
    make(root, numbers)
    litter(root, places)
    found, number = [], paths.MAX_NUMBER + 1
    while (number := newest.previous_number(root, number)) is not None:
        found.append(number)
        assert len(found) <= len(numbers)
    assert found == sorted(numbers, reverse=True)
    for start in starts:
        before = [n for n in numbers if n < start]
        assert newest.previous_number(root, start) == (max(before) if before else None)


def test_empty_folders_hide_nothing_on_the_way_down(tmp_path):
    root = str(tmp_path)
    make(root, [3, 500, 9000])
    for number in (20, 300, 8192, 70_000):
        paths.make_folders(root, number)
    found, number = [], 80_000
    while (number := newest.previous_number(root, number)) is not None:
        found.append(number)
    assert found == [9000, 500, 3]


def test_newest_first_and_a_new_one_before_all(tmp_path):
    queue = Newest(tmp_path, 5)
    queue.clips[4].save(state=PARKED)
    assert queue.backlog.next().number == 4 and queue.backlog.rule == "newest"
    queue.deliver(queue.clips[3])
    new = fakes.add_clip(queue.store, 100)
    assert queue.backlog.next().number == new.number == 6
    assert queue.drain() == [6, 3, 2, 1]
    assert queue.backlog.aside == 1


def test_newest_first_while_one_is_recorded(tmp_path):
    queue = Newest(tmp_path, 2)
    facts = {"codec": "wav", "hz": 16000, "take": 0, "index": 0, "first": 0, "boot": 1}
    clip, writer = queue.store.open({**facts, "up": 0, "epoch": 0})
    writer.write(memoryview(bytes(5000)), 2500)
    assert queue.backlog.next().number == 2
    queue.deliver(queue.clips[1])
    queue.store.close(clip, writer, samples=2500)
    assert queue.drain() == [3, 1]
    assert queue.found_open == []


def test_newest_first_lets_others_pass_a_clip_that_fails(tmp_path):
    queue = Newest(tmp_path, 3)
    offered = []
    for _ in range(6):
        clip = queue.backlog.next()
        offered.append(clip.number)
        queue.backlog.failed(clip) if clip.number == 3 else queue.deliver(clip)
    assert offered == [3, 3, 3, 2, 1, 3]


def test_asked_for_goes_before_the_newest(tmp_path):
    queue = Newest(tmp_path, 4)
    queue.backlog.ask(2)
    assert queue.drain() == [2, 4, 3, 1]


def test_what_would_be_evicted_goes_first_while_the_medium_is_full(tmp_path):
    queue = Newest(tmp_path, 6, used_pct=50)
    assert queue.backlog.next().number == 6 and queue.backlog.rule == "newest"
    queue.full = 80
    assert queue.backlog.next().number == 1 and queue.backlog.rule == "near_eviction"
    queue.deliver(queue.clips[0])
    queue.full = 76  # it turns back a little later, not to and fro
    assert queue.backlog.next().number == 2
    queue.full = 74
    assert queue.drain() == [6, 5, 4, 3, 2]


# --- two media -----------------------------------------------------------------------------------


def test_what_was_asked_for_waits_for_its_card(tmp_path):
    b = test_two_media.Bench(tmp_path)
    for _ in range(3):
        fakes.add_clip(b.store, 100)
    assert b.backlog.ask(2)["ok"] and b.backlog.ask(1)["ok"]
    b.card.pull()
    spare = fakes.add_clip(b.store, 100)
    assert b.order() == [spare.number] and b.backlog.first.numbers == [2, 1]
    b.card.put_in()
    b.store.look()
    assert b.order() == [2, 1, 3] and b.backlog.first.numbers == []


def test_newest_first_over_two_media(tmp_path):
    b = test_two_media.Bench(tmp_path)
    b.backlog = NewestFirst(None, b.store, lambda: 0, b.recovery.pend)
    for _ in range(3):
        fakes.add_clip(b.store, 100)
    assert b.backlog.next().number == 3
    b.card.pull()
    assert b.backlog.next() is None, "the lane is told that a medium was lost, and looks again"
    assert b.store.is_lost and b.lane.looked == 1
    spare = fakes.add_clip(b.store, 100)
    assert b.backlog.next().number == spare.number
    b.card.put_in()
    b.store.look()
    assert b.order() == [spare.number, 3, 2, 1]


# --- bounded work --------------------------------------------------------------------------------


def test_a_thousand_clips_cost_a_few_reads_each_in_every_order(tmp_path, monkeypatch):
    """Neither the reads of a step nor what is held grow with the backlog: the walk is made of
    records alone, so that each order drains 1,200 clips in no time.
    """
    store = fakes.make_store(tmp_path)
    model = fakes.add_clip(store, 100)
    for number in range(2, 1201):
        paths.make_folders(store.root, number)
        clip = store.clip(number)
        clip.record = dict(model.record, n=number)
        clip.save()
    store._highest = 1200
    reads = []
    for module in (paths, newest):
        real = module.list_dir
        monkeypatch.setattr(
            module, "list_dir", lambda path, real=real: reads.append(path) or real(path)
        )
    parts = (store, lambda: 0, lambda number: None)
    backlog, most = NewestFirst(None, *parts), 0
    backlog.ask(600)
    found = []
    while (clip := backlog.next()) is not None:
        most, reads[:] = max(most, len(reads)), []
        found.append(clip.number)
        store.save(clip, state=DONE)
        os.remove(clip.stem + ".r0" if os.path.exists(clip.stem + ".r0") else clip.stem + ".r1")
        paths.remove_empty_folders(store.root, clip.number)
    assert found == [600, *range(1200, 600, -1), *range(599, 0, -1)]
    assert most <= 16, "two walks of at most two descents"
    assert model.state == CLOSED
