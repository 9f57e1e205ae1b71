"""A clip that cannot be read is read again, over waits and reboots, before it is judged."""

import builtins
import os

import fakes
import pytest
from fake_cloud import Cloud
from test_transfer_chunks import Bench as ChunkBench
from test_transfer_lane import Bench

from device.errors import NeedsOperator, Permanent, Transient
from device.link.clock import Clock
from device.store.clip import COMPLETING, CREATED, DONE, QUARANTINED
from device.transfer import source, stored
from device.transfer.whole_file import WholeFile
from rescue import send as rescue_send
from rescue.ends import ASIDE, LATER, End

EIO = 5


class Medium:
    """open() of a module under test; `faults` strike the reads of files called `match`, one each:
    a number is raised as errno, "flip" gives one wrong bit, None lets it pass.
    """

    def __init__(self, monkeypatch, match, *faults):
        self.match = match
        self.faults = list(faults)
        self.reads = 0
        for module in (source, stored, rescue_send):
            monkeypatch.setattr(module, "open", self.open, raising=False)

    def open(self, path, mode):
        f = builtins.open(path, mode)
        return _File(f, self) if self.match in path else f


class _File:
    def __init__(self, f, medium):
        self._f = f
        self._medium = medium
        self.seek, self.close = f.seek, f.close

    def readinto(self, out):
        n = self._f.readinto(out)
        self._medium.reads += 1
        fault = self._medium.faults.pop(0) if self._medium.faults else None
        if fault == "flip":
            out[n // 2] ^= 4
        elif fault:
            raise OSError(fault, "fake")
        return n

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()


@pytest.fixture
def lane(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_one_read_error_sets_nothing_aside(lane, monkeypatch):
    b = lane()
    Medium(monkeypatch, "00000001", None, None, EIO)
    b.run(10)
    assert b.records() == {} and (b.lane.delivered, b.lane.set_aside) == (3, 0)
    assert list(b.cloud.objects) == ["rec_2", "rec_3", "rec_1"], "the others did not wait for it"
    assert b.cloud.objects["rec_1"][44:] == fakes.pcm(16_000)


def test_while_it_is_read_again_the_lane_says_so(lane, monkeypatch):
    b = lane(clips=1)
    Medium(monkeypatch, "00000001", EIO, EIO, EIO)
    b.run(20)
    assert b.lane.reason.code == "read_failed" and b.lane.reason.again_up_ms is not None
    assert b.records()[1]["reads"] == 2 and b.records()[1]["state"] == CREATED
    b.run(300)
    assert b.records() == {} and b.lane.set_aside == 0


def test_the_fifth_read_error_sets_it_aside_however_often_the_board_began_anew(lane, monkeypatch):
    b = lane()
    Medium(monkeypatch, "00000001", *[EIO] * 99)
    for _ in range(3):
        b.run(45)
        b.boot()
    b.run(600)
    record = b.records()[1]
    assert (record["state"], record["why"]) == (QUARANTINED, "damaged")
    assert record["said"] == "read errno=5 tries=5"
    assert list(b.cloud.objects) == ["rec_2", "rec_3"] and b.cloud.names().count("create") == 3


def test_a_medium_that_does_not_take_the_count_blames_no_clip(lane, monkeypatch):
    b = lane(clips=1)
    Medium(monkeypatch, "00000001", EIO)

    def refuse(clip, **changes):
        if "reads" in changes:
            raise NeedsOperator("storage_failed", "record errno=5")
        save(clip, **changes)

    save, b.store.save = b.store.save, refuse
    b.run(30)
    assert b.lane.reason.code == "storage_failed" and b.lane.set_aside == 0


def test_one_wrong_reading_is_sent_once_more(lane, monkeypatch):
    b = lane(clips=1)
    Medium(monkeypatch, "00000001", None, "flip")
    b.run(60)
    assert b.records() == {} and b.lane.set_aside == 0
    names = b.cloud.names()
    assert names.count("put") == 2 and names.count("create") == names.count("complete") == 1
    assert b.cloud.objects["rec_1"][44:] == fakes.pcm(16_000)


def test_flash_that_is_wrong_at_every_reading_is_sent_no_second_time(lane):
    b = lane(clips=1)
    with open(b.clips[0].audio_path, "r+b") as f:
        f.seek(1000)
        f.write(b"????")
    b.run(60)
    assert b.records()[1]["why"] == "damaged" and b.cloud.names().count("put") == 1
    assert "complete" not in b.cloud.names()


@pytest.mark.parametrize("fault", [EIO, "flip"])
@pytest.mark.parametrize("reads_before", [0, 30, 90])
def test_a_clip_that_goes_as_chunks_is_read_again_too(
    tmp_path, time, monkeypatch, fault, reads_before
):
    b = ChunkBench(tmp_path, time)
    Medium(monkeypatch, "00000001", *[None] * reads_before, fault)
    error = b.attempt()
    if error is not None:
        assert isinstance(error, Transient) and error.code == "read_failed"
        assert b.attempt() is None
    assert b.store.after(0).state == DONE


def test_rescue_leaves_the_judgement_to_the_full_program(tmp_path, time, monkeypatch):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    body = rescue_send.Source(clip, bytes(44))
    Medium(monkeypatch, "00000001", EIO)
    body.begin()
    out = memoryview(bytearray(44))
    assert body.read(out) == 44
    with pytest.raises(End) as ended:
        body.read(out)
    assert (ended.value.kind, ended.value.code) == (LATER, "storage_failed")
    rescue_send._judge(body, clip.record["crc"])  # the second reading is as it was recorded
    with pytest.raises(End) as ended:
        rescue_send._judge(body, clip.record["crc"] ^ 1)
    assert (ended.value.kind, ended.value.code) == (ASIDE, "damaged")
    body.close()


def test_what_is_not_there_is_judged_at_once(tmp_path, time):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    log, _ = fakes.make_log()
    cloud = Cloud(tmp_path, upload_url=[Transient("connection_lost")])
    strategy = WholeFile(store, cloud, Clock(fakes.ClockPort(), 1, log), "d", "s", log)
    with pytest.raises(Transient):
        fakes.run(strategy.advance(store.after(0)), time)
    os.remove(clip.audio_path)
    with pytest.raises(Permanent) as error:
        fakes.run(strategy.advance(store.after(0)), time)
    assert error.value.code == "damaged" and store.after(0).state != COMPLETING
