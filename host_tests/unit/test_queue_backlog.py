"""queue.backlog: the folder is the queue (field cases B07, B10, B28; invariants S9, L2)."""

import os

import fakes

from device.queue.backlog import Backlog
from device.store.clip import CREATING, DONE, OPEN, PARKED, QUARANTINED, Clip


class Queue:
    """A store with clips and a backlog over it; epoch can be changed."""

    def __init__(self, folder, clips=0):
        self.epoch = 0
        self.store = fakes.make_store(folder)
        self.clips = [fakes.add_clip(self.store, 100) for _ in range(clips)]
        log, _ = fakes.make_log()
        self.found_open = []
        self.backlog = Backlog(self.store, lambda: self.epoch, self.found_open.append)

    def deliver(self, clip):
        self.store.save(clip, state=DONE)
        self.store.free(clip)

    def drain(self):
        """Numbers in the order in which they are offered and delivered."""
        found = []
        while (clip := self.backlog.next()) is not None:
            found.append(clip.number)
            self.deliver(clip)
        return found


def test_oldest_first_by_number_alone(tmp_path):
    queue = Queue(tmp_path, 20)
    for clip in queue.clips:
        os.utime(clip.audio_path, (1e9 - clip.number * 1000,) * 2)
    assert queue.drain() == list(range(1, 21))
    assert queue.backlog.next() is None


def test_an_empty_queue_is_empty_each_time(tmp_path):
    queue = Queue(tmp_path)
    assert [queue.backlog.next() for _ in range(3)] == [None] * 3
    clip = fakes.add_clip(queue.store, 100)
    assert queue.backlog.next().number == clip.number


def test_the_same_clip_until_it_is_done(tmp_path):
    queue = Queue(tmp_path, 3)
    assert [queue.backlog.next().number for _ in range(3)] == [1, 1, 1]


def test_passes_over_what_is_aside_open_or_of_another_epoch(tmp_path):
    queue = Queue(tmp_path, 7)
    states = {1: PARKED, 3: OPEN, 5: QUARANTINED}
    for number, state in states.items():
        queue.clips[number - 1].save(state=state)
    queue.clips[3].save(epoch=9)
    os.remove(queue.clips[5].audio_path)  # still offered: the lane says what is missing
    queue.clips[1].save(state=CREATING)
    assert queue.drain() == [2, 6, 7]
    assert set(queue.found_open) == {3}, "recovery is told"
    backlog = queue.backlog
    assert (backlog.aside, backlog.other_epoch, backlog.unreadable) == (2, 1, 0)
    queue.store.waiting = 7
    assert backlog.waiting() == 5, "what is set aside does not wait to be sent"
    queue.epoch = 9
    assert queue.drain() == [4]
    assert queue.backlog.next() is None


def test_an_unreadable_record_is_counted_and_in_nobodys_way(tmp_path):
    queue = Queue(tmp_path, 3)
    for suffix in "01":
        path = queue.clips[0].stem + ".r" + suffix
        if os.path.exists(path):
            with open(path, "r+b") as f:
                f.write(bytes(64))
    assert queue.drain() == [2, 3]
    assert queue.backlog.unreadable == 1
    assert os.path.exists(queue.clips[0].audio_path)


def test_three_failures_let_the_others_pass_once(tmp_path):
    queue = Queue(tmp_path, 3)
    offered = []
    for _ in range(3):
        clip = queue.backlog.next()
        offered.append(clip.number)
        queue.backlog.failed(clip)
    for _ in range(2):
        clip = queue.backlog.next()
        offered.append(clip.number)
        queue.deliver(clip)
    clip = queue.backlog.next()  # the pass is over: back to the one that was passed
    offered.append(clip.number)
    assert offered == [1, 1, 1, 2, 3, 1]
    assert clip.state == "closed", "it costs the clip nothing"


def test_a_poison_clip_delays_each_other_clip_by_five_attempts_at_most(tmp_path):
    queue = Queue(tmp_path, 5)
    poison, between, delays = 2, 0, []
    for _ in range(100):
        clip = queue.backlog.next()
        if clip is None:
            break
        if clip.number == poison:
            between += 1
            queue.backlog.failed(clip)
        else:
            delays.append(between)
            between = 0
            queue.deliver(clip)
            if clip.number < 20:
                fakes.add_clip(queue.store, 100)
    assert len(delays) > 15 and max(delays) <= 5


def test_two_poison_clips_do_not_hide_the_third(tmp_path):
    queue = Queue(tmp_path, 3)
    offered = []
    for _ in range(12):
        clip = queue.backlog.next()
        offered.append(clip.number)
        if clip.number == 3:
            queue.deliver(clip)
        else:
            queue.backlog.failed(clip)
    assert offered[:7] == [1, 1, 1, 2, 2, 2, 3]
    assert offered[7:] == [1, 1, 1, 2, 2]


def test_let_pass_goes_on_with_the_others_and_comes_back(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.backlog.let_pass(queue.backlog.next())
    assert queue.drain() == [2, 3, 1]


def test_rewind_looks_at_all_again(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.backlog.let_pass(queue.backlog.next())
    queue.backlog.rewind()
    assert queue.backlog.next().number == 1


def test_what_comes_while_a_pass_runs_is_not_forgotten(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.clips[0].save(state=PARKED)
    assert queue.backlog.next().number == 2
    queue.clips[0].save(state="closed")  # somebody put it back
    assert queue.drain() == [2, 3]
    assert queue.drain() == [1]


def test_news_of_a_clip_that_the_pass_is_past_begin_one_more(tmp_path):
    queue = Queue(tmp_path, 3)
    queue.clips[0].save(state=PARKED)
    assert queue.backlog.next().number == 2
    queue.clips[0].save(state="closed")
    queue.backlog.note_news()
    assert queue.drain() == [2, 3, 1]
    queue.backlog.note_news()
    assert queue.drain() == [] and not queue.backlog.is_walking


def test_the_counts_are_those_of_one_pass(tmp_path):
    queue = Queue(tmp_path, 2)
    queue.clips[0].save(state=PARKED)
    queue.backlog.let_pass(queue.backlog.next())
    queue.deliver(queue.backlog.next())
    assert queue.backlog.next() is None
    assert queue.backlog.aside == 1


def test_where_the_settings_send_them_the_epoch_does_not_matter(tmp_path):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, epoch=3)
    assert Backlog(store, lambda: 4, lambda number: None).next() is None
    assert Backlog(store, None, lambda number: None).next().number == clip.number


def test_a_done_clip_is_freed_under_any_epoch(tmp_path):
    queue = Queue(tmp_path, 1)
    queue.clips[0].save(state=DONE)
    queue.epoch = 1
    assert queue.backlog.next().number == 1


def test_one_record_with_a_read_error_does_not_stop_the_others(tmp_path, monkeypatch):
    from device.store import slots

    queue = Queue(tmp_path, 3)
    bad = queue.clips[0].stem.rsplit("/", 1)[1]
    opener = fakes.failing_open(5, -1, match=bad, mode="r")
    monkeypatch.setattr(slots, "open", opener, raising=False)
    assert queue.drain() == [2, 3]


def test_only_closed_clips_are_offered_while_one_is_recorded(tmp_path):
    queue = Queue(tmp_path, 1)
    record = {"codec": "wav", "hz": 16000, "take": 0, "index": 0, "first": 0, "boot": 1}
    clip, writer = queue.store.open({**record, "up": 0, "epoch": 0})
    writer.write(memoryview(bytes(5000)), 2500)
    assert queue.drain() == [1]
    assert queue.found_open == []
    queue.store.close(clip, writer, samples=2500)
    assert queue.drain() == [2]
    assert isinstance(clip, Clip)
