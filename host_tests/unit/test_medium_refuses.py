"""What the month in virtual time found: a medium that refuses a call for a while, and comes back.

Each test failed before its mending (docs/torture.md lists the seeds).
"""

import asyncio
import os

import fakes
import pytest

from device import compat
from device.compat import file_size
from device.errors import NeedsOperator, Transient
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.store import recovery as recovery_module
from device.store import slots
from device.store.clip import CLOSED, CREATED, CREATING, STORED
from device.store.recovery import Recovery
from device.store.slots import Slots
from device.transfer.whole_file import WholeFile

FACTS = {"codec": "wav", "hz": 16000, "take": 0, "index": 0, "first": 0, "boot": 1, "up": 5}


class Refusing:
    """Stands in for the module os: some calls raise EIO while `on`."""

    def __init__(self, *names, ending=""):
        self._names = names
        self._ending = ending
        self.on = True

    def __getattr__(self, name):
        call = getattr(os, name)
        if name not in self._names:
            return call

        def refused(path, *rest):
            if self.on and str(path).endswith(self._ending):
                raise OSError(5, "refused")
            return call(path, *rest)

        return refused


def recovery_of(store):
    log, lines = fakes.make_log()
    return Recovery(store, memoryview(bytearray(1024)), log, lambda: None), lines


def run_for(recovery, time, seconds):
    async def main():
        task = asyncio.create_task(recovery.run(lambda within_ms: None))
        await asyncio.sleep(seconds)
        fakes.stop(task)

    fakes.run(main(), time)


def test_a_file_that_is_not_there_is_told_from_a_medium_that_does_not_say(tmp_path, monkeypatch):
    assert file_size(str(tmp_path / "none")) == -1
    (tmp_path / "file").write_bytes(b"x")
    assert file_size(str(tmp_path / "file" / "below")) == -1
    monkeypatch.setattr(compat, "os", Refusing("stat"))
    with pytest.raises(OSError):
        file_size(str(tmp_path / "file"))


def test_a_clip_is_not_missing_because_the_medium_does_not_say(tmp_path, time, monkeypatch):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store)
    log, _ = fakes.make_log()
    strategy = WholeFile(store, None, Clock(fakes.ClockPort(), 1, log), "dev", "0a", log)
    monkeypatch.setattr(compat, "os", Refusing("stat"))
    with pytest.raises(NeedsOperator):
        fakes.run(strategy.advance(clip), time)


def test_a_record_that_cannot_be_read_for_a_moment_is_not_written_anew(
    tmp_path, time, monkeypatch
):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store)
    store.save(clip, state=CREATED, rid="rec_1")
    recovery, _ = recovery_of(store)
    clip_now = store.clip(clip.number)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5, -1, mode="r"), raising=False)
    monkeypatch.setattr(compat, "os", Refusing("stat"))
    fakes.run(recovery._repair(clip_now), time)
    monkeypatch.undo()
    assert clip_now.load() and clip_now.state == CREATED and clip_now.record["rid"] == "rec_1"


def test_a_repair_that_the_medium_refused_is_tried_again_in_the_same_boot(
    tmp_path, time, monkeypatch
):
    store = fakes.make_store(tmp_path)
    recovery, lines = recovery_of(store)
    clip, writer = store.open({**FACTS, "epoch": 0})
    writer.write(memoryview(bytes(44 + 40_000)), 20_000)
    store.leave_open(writer)
    opener = fakes.failing_open(5, 1, match=".r")
    monkeypatch.setattr(slots, "open", opener, raising=False)
    recovery.pend(clip.number)
    run_for(recovery, time, 1)
    assert opener.state["seen"] and recovery.unreadable == 1
    assert "cannot be repaired" in "".join(lines)
    run_for(recovery, time, 300)
    assert clip.load() and clip.state == CLOSED and recovery.unreadable == 0


def test_it_is_tried_ever_more_rarely(tmp_path, time, monkeypatch):
    store = fakes.make_store(tmp_path)
    recovery, _ = recovery_of(store)
    clip, writer = store.open({**FACTS, "epoch": 0})
    writer.write(memoryview(bytes(44 + 40_000)), 20_000)
    store.leave_open(writer)
    opener = fakes.failing_open(5, -1, match=".r")
    monkeypatch.setattr(slots, "open", opener, raising=False)
    recovery.pend(clip.number)
    run_for(recovery, time, 86_400)
    day = 86_400_000 // recovery_module._AGAIN_CAP_MS
    assert day <= len(opener.state["seen"]) <= day + 8


def test_what_a_refused_opening_left_is_taken_away(tmp_path, time, monkeypatch):
    """An empty record file alone: recovery is told of it, though it is not of the boot before."""
    store = fakes.make_store(tmp_path)
    recovery, _ = recovery_of(store)
    backlog = Backlog(store, lambda: 0, recovery.pend)
    fakes.add_clip(store)
    left = store.clip(7).stem + ".r1"
    with open(left, "wb"):
        pass
    assert backlog.next().number == 1
    backlog.let_pass(store.after(0))
    assert backlog.next().number == 1  # begins anew, having met number 7
    run_for(recovery, time, 1)
    assert not os.path.exists(left)


def test_a_record_is_removed_with_its_newest_value_last(tmp_path, monkeypatch):
    base = str(tmp_path / "a.r")
    for newest in (2, 3):
        value = Slots("clip1", base)
        for n in range(newest):
            value.write({"n": n})
        older = base + str((newest - 1) & 1)
        with open(older, "wb") as f:  # as after a cut between the new file and the old one's end
            f.write(slots.encode("clip1", newest - 1, {"n": "old"}))
        removed = []
        monkeypatch.setattr(os, "remove", removed.append)
        value.remove()
        monkeypatch.undo()
        assert removed == [older, base + str(newest & 1)]
        for path in removed:
            os.remove(path)


class FullMedium:
    """Saves of a record fail with ENOSPC while `on`."""

    def __init__(self, store):
        self._save = store.save
        self.on = False
        store.save = self

    def __call__(self, clip, **changes):
        if self.on:
            raise Transient("storage_full", "record")
        self._save(clip, **changes)


@pytest.mark.parametrize("call, state", [("create", CREATED), ("put", STORED)])
def test_what_no_record_could_take_is_not_asked_of_the_cloud_again(tmp_path, time, call, state):
    from fake_cloud import Cloud

    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    full = FullMedium(store)
    cloud = Cloud(tmp_path)
    done = getattr(cloud, call)

    async def fills(*sent):
        answer = await done(*sent)
        full.on = True
        return answer

    setattr(cloud, call, fills)
    log, _ = fakes.make_log()
    strategy = WholeFile(store, cloud, Clock(fakes.ClockPort(), 1, log), "dev", "0a", log)
    for _ in range(3):
        with pytest.raises(Transient):
            fakes.run(strategy.advance(store.after(0)), time)
    assert cloud.names().count(call) == 1
    assert store.after(0).state in (CREATING, CREATED) and store.after(0).state != state
    full.on = False
    setattr(cloud, call, done)
    fakes.run(strategy.advance(store.after(0)), time)
    assert cloud.names().count(call) == 1 and clip.load() and clip.state == "done"
