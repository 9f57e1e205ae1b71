"""Proof of health in the supervisor; what is in hand is marked, and what kills is set aside."""

import asyncio
import os
import pathlib

import fakes
import pytest
from test_supervisor import Bench, steady
from test_transfer_lane import Bench as LaneBench

from device.errors import NeedsOperator, Permanent, Transient
from device.store import deaths
from device.store.clip import CLOSED, DONE, OPEN, QUARANTINED
from device.store.in_hand import InHand
from device.store.recovery import Recovery
from rescue import boot_record
from rescue.boot_record import NONE


@pytest.fixture
def board(time, tmp_path, monkeypatch):
    """A supervisor with one steady task, beside a boot record that says 3 starts."""
    monkeypatch.chdir(tmp_path)
    boot_record.write("a", NONE, 3)
    bench = Bench(time)
    bench.supervisor.add("steady", steady)
    return bench


def record():
    return boot_record.read()[1:]


@pytest.mark.parametrize("seconds, starts", [(595, 3), (605, 0)])
def test_ten_minutes_with_every_task_alive_are_proof(board, seconds, starts):
    board.run(seconds)
    assert record() == ("a", NONE, starts)


def test_a_trial_stays_by_it(board):
    boot_record.write("a", "b", 2)
    board.run(605)
    assert record() == ("b", NONE, 0)


def test_it_is_written_once(board):
    board.run(605)
    before = boot_record.read()
    board.run(86_400)
    assert boot_record.read() == before


def test_a_recorder_without_record_gets_none(time, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench(time)
    bench.supervisor.add("steady", steady)
    bench.run(3600)
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_is_overdue_proves_nothing(board):
    async def late(check_in):
        check_in(1_000)
        await asyncio.sleep(10**6)

    board.supervisor.add("late", late)
    board.run(3600)
    assert record() == ("a", NONE, 3)


def test_a_program_that_dies_after_nine_minutes_has_proved_nothing(board):
    async def ending(check_in):
        check_in(600_000)
        await asyncio.sleep(540)

    board.supervisor.add("ending", ending)
    assert board.run(3600) == "ending"
    assert record() == ("a", NONE, 3)


def test_a_flash_that_refuses_is_asked_again(board):
    os.mkdir("boot0")  # the next slot cannot be written
    seen = []

    async def mends(check_in):
        check_in(None)
        await asyncio.sleep(1500)
        os.rmdir("boot0")
        await asyncio.sleep(290)
        seen.append(record())
        await fakes.for_ever()

    board.supervisor.add("mends", mends)
    board.run(1810)
    assert seen == [("a", NONE, 3)] and any("proof is not written" in x for x in board.lines)
    assert record() == ("a", NONE, 0)


class Marks(list):
    """Stands in for System.mark: keeps all that was marked."""

    def __call__(self, text):
        self.append(text)


def test_lane_and_recovery_share_one_mark():
    marks = Marks()
    hand = InHand(marks)
    for tell, number in ((hand.sending, 7), (hand.repairing, 9), (hand.sending, 0)):
        tell(number)
    hand.repairing(0)
    assert marks == ["7", "7 9", "9", ""]


@pytest.mark.parametrize(
    "ending", [None, Permanent("refused"), Transient("timeout"), NeedsOperator("auth_refused")]
)
def test_every_ending_that_is_no_death_takes_the_mark_away(tmp_path, time, ending):
    bench = LaneBench(tmp_path, time, clips=1, create=[ending] if ending else [])
    marks = Marks()
    bench.lane._mark = InHand(marks).sending
    bench.run(5)
    assert marks[:2] == ["1", ""]


def test_another_task_s_failure_is_not_the_clip_s(tmp_path, time):
    bench = LaneBench(tmp_path, time, clips=1)
    marks = Marks()
    bench.lane._mark = InHand(marks).sending

    async def never(*_args):
        await fakes.for_ever()

    bench.cloud.create = never

    async def main():
        task = asyncio.create_task(bench.lane.run(lambda within_ms: None))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    fakes.run(main(), time)
    assert marks == ["1", ""]


def test_a_surprise_out_of_the_work_itself_leaves_the_mark(tmp_path, time):
    bench = LaneBench(tmp_path, time, clips=1, create=[ZeroDivisionError()])
    marks = Marks()
    bench.lane._mark = InHand(marks).sending

    async def main():
        with pytest.raises(ZeroDivisionError):
            await bench.lane.run(lambda within_ms: None)

    fakes.run(main(), time)
    assert marks == ["1"]


def test_a_repair_is_marked_too(tmp_path, time):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store)
    clip.save(state=OPEN)
    log, _ = fakes.make_log()
    marks = Marks()
    work = memoryview(bytearray(4096))
    recovery = Recovery(
        fakes.make_store(tmp_path), work, log, lambda: None, InHand(marks).repairing
    )

    async def main():
        task = asyncio.create_task(recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(main(), time)
    assert recovery.repaired == 1 and marks == ["1", ""]


def blame(folder, marked):
    store = fakes.make_store(folder)
    log, lines = fakes.make_log()
    deaths.blame(store, marked, log)
    return lines


def test_three_deaths_set_a_clip_aside_with_its_reason(tmp_path):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store)
    other = fakes.add_clip(store)
    for _ in range(2):
        blame(tmp_path, "1")
        assert clip.load() and clip.state == CLOSED
    blame(tmp_path, "1 2")
    assert clip.load() and clip.state == QUARANTINED
    assert (clip.record["why"], clip.record["was"]) == ("kills_device", CLOSED)
    assert other.load() and other.state == CLOSED and other.record["deaths"] == 1
    blame(tmp_path, "1")
    assert clip.load() and clip.record["deaths"] == 3


@pytest.mark.parametrize("marked", ["", "planned", "x 1x -1", "99999999999", "5", "0"])
def test_marks_that_name_no_clip_blame_nobody(tmp_path, marked):
    clip = fakes.add_clip(fakes.make_store(tmp_path))
    before = fakes.tree(tmp_path)
    blame(tmp_path, marked)
    assert fakes.tree(tmp_path) == before and clip.load()


def test_what_is_done_is_only_freed(tmp_path):
    clip = fakes.add_clip(fakes.make_store(tmp_path))
    clip.save(state=DONE)
    blame(tmp_path, "1")
    assert clip.load() and "deaths" not in clip.record


def test_a_medium_that_refuses_is_said(tmp_path, monkeypatch):
    clip = fakes.add_clip(fakes.make_store(tmp_path))
    path = pathlib.Path(clip.stem + ".r0")
    path.unlink(missing_ok=True)
    os.mkdir(path)  # the next slot cannot be written
    assert any("deaths are not counted" in line for line in blame(tmp_path, "1"))
