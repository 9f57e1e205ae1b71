"""store.recovery's walk: which clips it comes to and which are told to it, what it counts, and a
medium that refuses.
"""

import asyncio

import fakes
import pytest
from test_store_recovery import FACTS, RATE_HZ, Board, wav

from device.codec.wav import WavCodec
from device.errors import NeedsOperator, Transient
from device.queue.backlog import Backlog
from device.store.clip import CLOSED, OPEN
from device.store.store import ClipStore


@pytest.fixture
def board(tmp_path, time):
    return Board(tmp_path, time)


def test_one_clip_with_a_read_error_does_not_stop_the_next(board, monkeypatch):
    from device.store import repair as module

    first = board.torn_clip(wav(24_000))
    board.torn_clip(wav(24_000))
    opener = fakes.failing_open(5, -1, match=first.audio_path, mode="r")
    monkeypatch.setattr(module, "open", opener, raising=False)
    board.recover()
    assert board.clip(1).state == OPEN and board.clip(2).state == CLOSED


def test_it_looks_at_the_boot_before_only(board):
    board.torn_clip(wav(24_000))
    board.recover()
    open_now = board.torn_clip(wav(24_000))  # recorded in this boot while recovery runs
    assert board.store.open_number == open_now.number
    board.run(pend=[open_now.number])
    assert board.clip(open_now.number).state == OPEN


def test_a_clip_that_is_met_later_is_repaired_when_it_is_told(board):
    board.recover()
    clip = board.torn_clip(wav(24_000))
    board.store.open_number = 0  # the medium failed it: it is nobody's any more
    board.run(pend=[clip.number, clip.number])
    assert board.clip(clip.number).state == CLOSED and board.notified >= 1


def test_what_this_boot_left_open_is_counted_once_it_is_repaired(board):
    """A recorder that counts nothing as waiting puts its radio to rest: the clip would stay."""
    board.recover()
    clip, writer = board.store.open({**FACTS, "epoch": 0})
    writer.write_header(memoryview(bytes(WavCodec(RATE_HZ).header_bytes)))
    writer.write(memoryview(bytes(2 * RATE_HZ)), RATE_HZ)
    board.store.leave_open(writer)
    assert board.store.waiting == 0
    board.run(pend=[clip.number])
    assert board.clip(clip.number).state == CLOSED
    assert board.store.waiting == 1
    board.boot()
    board.recover()
    assert board.store.waiting == 1, "as the next boot counts it"


def test_the_census_counts_many_clips(board):
    for _ in range(40):
        fakes.add_clip(board.store, 10)
    board.recover()
    assert board.store.waiting == 40


def test_a_clip_left_open_long_ago_is_repaired_when_the_queue_meets_it(board):
    """A medium that failed left it open, and more than eight clips were recorded since."""
    board.torn_clip(wav(24_000))
    for _ in range(12):
        fakes.add_clip(board.store, 20_000)
    board.recover()
    assert board.clip(1).state == OPEN
    backlog = Backlog(board.store, lambda: 0, board.recovery.pend)
    assert backlog.next().number == 2
    board.run()
    assert board.clip(1).state == CLOSED and board.notified == 1


@pytest.mark.parametrize("error", [Transient("storage_full"), NeedsOperator("storage_failed")])
@pytest.mark.parametrize("method", ["save", "after"])
def test_a_medium_that_refuses_the_repair_does_not_end_the_program(
    board, monkeypatch, method, error
):
    board.torn_clip(wav(24_000))

    def refuse(*details, **changes):
        raise error

    monkeypatch.setattr("device.store.store.ClipStore." + method, refuse)
    board.recover()


def test_folders_may_go_while_the_census_runs(board, monkeypatch):
    from device.store import recovery as module

    for _ in range(24):
        fakes.add_clip(board.store, 10)
    real = module.sleep_ms

    def sleep_and_free(ms):
        for number in range(8, 16):
            clip = board.clip(number)
            if clip is not None:
                board.store.save(clip, state="done")
                board.store.free(clip)
        return real(ms)

    monkeypatch.setattr(module, "sleep_ms", sleep_and_free)
    board.recover()


def test_a_clip_whose_record_was_closed_after_all_is_told_to_the_lane(board):
    """The medium said that the record could not be written, and it stands there all the same."""
    board.recover()
    clip = fakes.add_clip(board.store)
    board.run(pend=[clip.number])
    assert board.clip(clip.number).state == CLOSED and board.notified == 1


def test_a_clip_that_the_medium_refused_is_tried_again_ever_more_rarely(board, monkeypatch):
    clip = board.torn_clip(wav(24_000))
    looks = []
    real = ClipStore.save

    def save(store, clip, **changes):
        looks.append(board.time.seconds)
        raise Transient("storage_full", "record")

    monkeypatch.setattr(ClipStore, "save", save)
    board.recover()

    async def main(seconds):
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(seconds)
        fakes.stop(task)

    fakes.run(main(6 * 3600), board.time)
    assert 6 <= len(looks) <= 14 and board.recovery.unreadable == 1
    assert looks[-1] - looks[-2] > 3000
    monkeypatch.setattr(ClipStore, "save", real)
    fakes.run(main(2 * 3600), board.time)
    assert clip.load() and clip.state == CLOSED and board.recovery.unreadable == 0
    assert board.notified >= 1


def test_a_clip_that_was_refused_and_found_whole_again_is_unreadable_no_longer(board, monkeypatch):
    """The walk over a medium that came back repairs it, not the next try."""
    clip = board.torn_clip(wav(24_000))
    real = ClipStore.save

    def save(store, clip, **changes):
        raise NeedsOperator("storage_failed", "record errno=5")

    monkeypatch.setattr(ClipStore, "save", save)
    board.recover()
    assert board.recovery.unreadable == 1

    async def main():
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        monkeypatch.setattr(ClipStore, "save", real)
        board.recovery.look_at(board.store)
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(main(), board.time)
    assert board.clip(clip.number).state == CLOSED and board.recovery.unreadable == 0


def test_a_clip_that_is_met_while_a_medium_comes_back_waits_for_the_walk_only(board):
    """It is too old for the walk to come to, and its event was that of the medium."""
    clip = board.torn_clip(wav(24_000))
    for _ in range(10):
        fakes.add_clip(board.store)
    board.recover()

    async def main():
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        board.recovery.look_at(board.store)
        board.recovery.pend(clip.number)
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(main(), board.time)
    assert board.clip(clip.number).state == CLOSED
