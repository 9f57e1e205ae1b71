"""capture.recorder with a fake microphone: clips cut at the exact sample, and every ending."""

import asyncio

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.capture.conditioner import Conditioner
from device.capture.gate import Gate
from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.preroll import PreRoll
from device.capture.recorder import Recorder
from device.capture.resting import RestingRecorder
from device.capture.ring import BlockRing
from device.capture.take import Take
from device.codec.wav import WavCodec
from device.errors import Fatal
from device.link.clock import Clock
from device.store import slots, writer
from device.store.medium import Quota

RATE_HZ = 16000


class Microphone:
    """Hears `frames` samples in blocks of `sizes` in turn, then stop is called on the recorder.

    A start goes on where the last one ended. overrun_at: block after which samples are lost.
    """

    rate_hz = RATE_HZ

    def __init__(self, frames, sizes=(1024,), overrun_at=None):
        self._left = frames
        self._sizes = sizes
        self._overrun_at = overrun_at
        self._position = 0
        self._task = None
        self.at_end = None
        self.starts = 0
        self.fault = None

    def start(self, ring):
        if self.fault:
            raise self.fault
        self.starts += 1
        self._task = asyncio.create_task(self._run(ring))

    def stop(self):
        if self._task:
            self._task.cancel()

    async def _run(self, ring):
        turn = 0
        while self._left:
            frames = min(self._sizes[turn % len(self._sizes)], self._left, ring.frames_per_block)
            block = ring.slot()
            if turn == self._overrun_at:
                ring.overrun(100)
            if block is None:
                await asyncio.sleep(0.001)
                continue
            block[: 2 * frames] = fakes.pcm(frames, self._position)
            self._position += frames
            self._left -= frames
            ring.commit(frames)
            turn += 1
            await asyncio.sleep(frames / RATE_HZ)
        if self.at_end:
            self.at_end()


class Buffers:
    def __init__(self, codec, preroll, blocks=4, frames=1024):
        self.ring = BlockRing(blocks, frames)
        self.codec = codec or WavCodec(RATE_HZ)
        self.encoded = memoryview(bytearray(self.codec.max_encoded_bytes(frames) + 96))
        self.preroll = preroll


class Bench:
    """parts: gate, conditioner, schedule of the recorder."""

    def __init__(
        self,
        folder,
        time,
        microphone,
        clip_samples=8000,
        mode="button",
        epoch=3,
        codec=None,
        preroll=None,
        parts=(None, None, None),
        skip_samples=0,
        kind=Recorder,
    ):
        self.time = time
        self.microphone = microphone
        self.store = fakes.make_store(folder)
        self.storage = self.store._storage
        log, self.lines = fakes.make_log()
        self.clock = Clock(fakes.ClockPort(), 5, log)
        self.closed = 0
        self.torn = []
        quota = Quota(self.storage, 65536, log)
        self.buffers = Buffers(codec, preroll)
        self.meter = Meter(RATE_HZ)
        self.pace = Pace(RATE_HZ, self.clock)
        self.take = Take(
            self.buffers,
            self.meter,
            self.pace,
            self.store,
            quota,
            self.clock,
            {"rate_hz": RATE_HZ, "clip_samples": clip_samples, "boot": 5, "snr_db": 0},
            {"epoch": lambda: epoch, "closed": self._closed, "torn": self.torn.append},
            log,
        )
        self.recorder = kind(
            microphone,
            self.buffers.ring,
            self.take,
            (self.meter, self.pace, *parts),
            self.clock,
            quota,
            {"mode": mode, "skip_samples": skip_samples},
            log,
        )
        microphone.at_end = lambda: self.recorder.want(False)

    def _closed(self):
        self.closed += 1

    def run(self, seconds, *changes):
        """Run so long; changes: functions, one after each tenth of the time."""

        async def main():
            task = asyncio.create_task(self.recorder.run(lambda within_ms: None))
            for turn in range(10):
                if turn < len(changes) and changes[turn]:
                    changes[turn]()
                await asyncio.sleep(seconds / 10)
            fakes.stop(task)
            await asyncio.wait([task])

        fakes.run(main(), self.time)

    def clips(self):
        found, number = [], 0
        while (clip := self.store.after(number)) is not None:
            number = clip.number
            found.append(clip)
        return found

    def audio(self):
        return b"".join(open(clip.audio_path, "rb").read()[44:] for clip in self.clips())


def record(folder, time, frames, **how):
    microphone = Microphone(frames, how.pop("sizes", (1024,)), how.pop("overrun_at", None))
    bench = Bench(folder, time, microphone, **how)
    bench.run(frames / RATE_HZ + 10, None, lambda: bench.recorder.want(True))
    return bench


@given(
    st.integers(1, 40_000),
    st.lists(st.integers(1, 1024), min_size=1, max_size=8),
    st.integers(500, 9000),
)
def test_joined_clips_are_what_was_heard(tmp_path_factory, frames, sizes, clip_samples):
    from device import compat

    real, compat.time = compat.time, fakes.Time()
    try:
        sizes = [max(size, frames // 200) for size in sizes]
        folder = tmp_path_factory.mktemp("r")
        bench = record(folder, compat.time, frames, sizes=sizes, clip_samples=clip_samples)
        compat.time.runner.close()
    finally:
        compat.time = real
    clips = bench.clips()
    assert bench.audio() == fakes.pcm(frames)
    records = [clip.record for clip in clips]
    assert [r["samples"] for r in records[:-1]] == [clip_samples] * (len(records) - 1)
    assert 0 < records[-1]["samples"] <= clip_samples
    assert [r["last"] for r in records] == [0] * (len(records) - 1) + [1]
    assert [r["index"] for r in records] == list(range(len(records)))
    assert [r["first"] for r in records] == [n * clip_samples for n in range(len(records))]
    assert {r["take"] for r in records} == {records[0]["n"]}
    assert {r["state"] for r in records} == {"closed"} and bench.closed == len(records)
    assert all(r["bytes"] == 44 + 2 * r["samples"] for r in records)


def test_a_take_that_ends_at_a_cut_has_no_empty_clip(tmp_path, time):
    records = [clip.record for clip in record(tmp_path, time, 16_000).clips()]
    assert [(r["samples"], r["last"]) for r in records] == [(8000, 0), (8000, 1)]


def test_facts_of_a_clip(tmp_path, time):
    time.advance(2000)
    bench = record(tmp_path, time, 12_000)
    first, second = [clip.record for clip in bench.clips()]
    assert (first["boot"], first["epoch"], first["codec"], first["hz"]) == (5, 3, "wav", RATE_HZ)
    assert 1000 < first["up"] < 1080 and abs(second["up"] - first["up"] - 500) < 70
    assert "lost" not in first and "start" not in first


def test_the_start_is_kept_once_the_time_is_known(tmp_path, time):
    microphone = Microphone(16_000)
    bench = Bench(tmp_path, time, microphone)
    bench.clock.witness(fakes.T0 * 1000, 20, "ntp")
    bench.run(5, None, lambda: bench.recorder.want(True))
    first, second = [clip.record for clip in bench.clips()]
    assert abs(first["start"] - fakes.T0 * 1000 - 500) < 80
    assert abs(second["start"] - first["start"] - 500) < 70


def test_takes_are_numbered_by_their_first_clip(tmp_path, time):
    bench = record(tmp_path, time, 12_000)
    bench.microphone._left = 9_000
    bench.run(5, None, lambda: bench.recorder.toggle())
    found = [(c.record["take"], c.record["index"], c.record["last"]) for c in bench.clips()]
    assert found == [(1, 0, 0), (1, 1, 1), (3, 0, 0), (3, 1, 1)]
    assert bench.audio() == fakes.pcm(21_000)


def test_overruns_are_placed_in_their_clip_and_counted(tmp_path, time):
    bench = record(tmp_path, time, 16_284, clip_samples=8192, overrun_at=10)
    first, second = [clip.record for clip in bench.clips()]
    assert "lost" not in first and "gaps" not in first
    assert (second["lost"], second["gaps"]) == (100, [[2048, 100, 100]])
    heard = fakes.pcm(16_284)
    assert bench.audio() == heard[: 2 * 10240] + bytes(200) + heard[2 * 10240 :], "filled in place"
    assert bench.recorder.as_dict()["lost_frames"] == 100
    assert any("overrun frames=100 position=10240" in line for line in bench.lines)


def test_a_pressed_button_begins_and_ends(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9))
    toggle = bench.recorder.toggle
    states = []

    def look(then=None):
        return lambda: (states.append(bench.recorder.reason.code), then and then())

    bench.run(2, look(toggle), look(), look(toggle), look(), look(toggle), look(toggle), look())
    assert states == ["idle", "recording", "recording", "idle", "idle", "recording", "idle"]
    assert bench.microphone.starts == 2 and len({c.record["take"] for c in bench.clips()}) == 2


def test_a_microphone_that_fails_has_a_reason_and_no_exception(tmp_path, time):
    microphone = Microphone(100)
    microphone.fault = Fatal("microphone_failed", "errno=5")
    bench = Bench(tmp_path, time, microphone)
    bench.run(5, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "microphone_failed" and bench.clips() == []


class FailingFile:
    """An audio file that takes `limit` bytes in all."""

    left = 0
    number = 28

    def __init__(self, *how):
        self._f = open(*how, 0)

    def write(self, data):
        if FailingFile.left < len(data):
            raise OSError(FailingFile.number, "fake")
        FailingFile.left -= len(data)
        return self._f.write(data)

    def __getattr__(self, name):
        return getattr(self._f, name)


@pytest.mark.parametrize("number, code", [(28, "storage_full"), (5, "storage_failed")])
@pytest.mark.parametrize("limit", [10, 44, 3000, 8192, 20_000])
def test_a_medium_that_fails_in_the_middle_ends_with_a_reason(
    tmp_path, time, monkeypatch, number, code, limit
):
    monkeypatch.setattr(writer, "open", FailingFile, raising=False)
    monkeypatch.setattr(FailingFile, "left", limit)
    monkeypatch.setattr(FailingFile, "number", number)
    bench = Bench(tmp_path, time, Microphone(40_000))
    bench.run(9, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == code and bench.microphone.starts == 1
    assert any("recording ended reason=" + code in line for line in bench.lines)
    last = bench.clips()[-1]
    assert (last.state, bench.torn) == ("open", [last.number]), "left to recovery, and told"
    assert bench.store.open_number == 0
    audio = bench.audio()
    assert fakes.pcm(40_000).startswith(audio) and len(audio) > limit - 2200, (
        "but for the write that failed"
    )


def test_continuous_recording_goes_on_when_there_is_room_again(tmp_path, time, monkeypatch):
    monkeypatch.setattr(writer, "open", FailingFile, raising=False)
    monkeypatch.setattr(FailingFile, "left", 10_000)
    bench = Bench(tmp_path, time, Microphone(10**9), mode="continuous")
    bench.run(100, *[None] * 5, lambda: setattr(FailingFile, "left", 10**9))
    assert bench.recorder.is_recording()
    takes = [clip.record["take"] for clip in bench.clips()]
    assert len(set(takes)) > 1 and max(takes) > min(takes)


def test_the_reserve_ends_a_take_before_the_medium_is_full(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9), clip_samples=64_000)

    def free_bytes():
        _, writer = bench.store.opened or (None, None)
        return 65_536 + 50_000 - (writer.size_bytes if writer else 0)

    bench.storage.free_bytes = free_bytes
    bench.run(9, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "storage_full"
    (clip,) = bench.clips()
    assert clip.state == "closed" and clip.record["last"] == 1
    assert 50_000 - 2048 <= clip.record["bytes"] <= 50_044 + 2048
    assert bench.audio() == fakes.pcm(clip.record["samples"])


def test_no_room_at_the_start_opens_nothing(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9), mode="continuous")
    bench.storage.free = 1000
    bench.run(60)
    assert bench.recorder.reason.code == "storage_full" and bench.microphone.starts == 0
    assert not [name for name in fakes.tree(tmp_path) if "." in name]
    bench.storage.free = 10**7
    bench.run(15)
    assert bench.microphone.starts == 1, "and it goes on without a reboot"


def test_a_record_that_cannot_be_written_leaves_the_clip_for_recovery(tmp_path, time, monkeypatch):
    bench = Bench(tmp_path, time, Microphone(6_000))
    opener = fakes.failing_open(28, -1, match=".r0")  # the first record is .r1
    monkeypatch.setattr(slots, "open", opener, raising=False)
    bench.run(5, None, lambda: bench.recorder.want(True))
    (clip,) = bench.clips()
    assert clip.state == "open" and bench.audio() == fakes.pcm(6_000)
    assert any("reason=storage_full" in line for line in bench.lines)
    assert bench.store.open_number == 0


def test_the_reason_stays_until_something_changes(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9))
    bench.storage.free = 1000
    bench.run(60, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "storage_full"


@pytest.mark.parametrize("skip_samples", [1, 1000, 1024, 3000, 30_000])
def test_the_pop_at_the_start_is_cut_from_every_take(tmp_path, time, skip_samples):
    microphone = Microphone(16_000)
    bench = Bench(tmp_path, time, microphone, skip_samples=skip_samples)
    bench.run(5, None, lambda: bench.recorder.want(True))
    assert bench.audio() == fakes.pcm(16_000)[2 * skip_samples :]
    for clip in bench.clips()[:1]:
        assert clip.record["first"] == 0
        assert abs(clip.record["up"] - 500 - skip_samples * 1000 // RATE_HZ) <= 1


def test_a_microphone_that_falls_silent_ends_the_take_with_a_reason(tmp_path, time):
    microphone = Microphone(8_000)
    bench = Bench(tmp_path, time, microphone, mode="continuous")
    microphone.at_end = None
    seen = []

    def look():
        seen.append((bench.recorder.reason.code, bench.recorder.reason.detail))

    def come_back():
        microphone._left = 4_000

    bench.run(40, None, None, look, None, look, come_back)  # one each 4 s
    assert [code for code, _ in seen] == ["recording", "microphone_failed"]
    assert "no sample for 10 s" in seen[1][1]
    first, second = bench.clips()
    assert (first.state, first.record["last"]) == ("closed", 1)
    assert first.record["take"] != second.record["take"], "it is tried again"
    assert bench.audio() == fakes.pcm(12_000)


def test_gain_is_applied_before_it_is_measured_and_coded(tmp_path, time):
    parts = (None, Conditioner(RATE_HZ, 6, 0), None)
    bench = Bench(tmp_path, time, Microphone(16_000), parts=parts, clip_samples=16_000)
    bench.run(5, None, lambda: bench.recorder.want(True))
    plain = np.frombuffer(fakes.pcm(16_000), "<i2").astype(float)
    loud = np.frombuffer(bench.audio(), "<i2")
    assert np.abs(loud - np.clip(plain * 10 ** (6 / 20), -32768, 32767)).max() <= 1
    peak = 20 * np.log10(np.abs(loud.astype(float)).max() / 32768)
    assert abs(bench.clips()[0].record["lev"][0] - 10 * peak) <= 1


def test_a_denied_take_is_closed_whole_and_by_the_button_it_stays_so(tmp_path, time):
    microphone = Microphone(1_000_000)
    bench = Bench(tmp_path, time, microphone, clip_samples=16_000_000, kind=RestingRecorder)
    recorder = bench.recorder
    press = lambda: recorder.want(True)  # noqa: E731
    bench.run(20, press, None, None, lambda: recorder.deny("battery_low"))
    assert recorder.reason.code == "battery_low" and not recorder.is_recording()
    (clip,) = bench.clips()
    assert clip.record["last"] == 1 and clip.record["samples"] > 5 * RATE_HZ
    assert bench.audio() == fakes.pcm(clip.record["samples"])
    assert recorder.rests_ms() > 3_600_000
    bench.run(20, press, None, lambda: recorder.deny(None))
    assert microphone.starts == 1 and recorder.reason.code == "idle"
    bench.run(20, press)
    assert microphone.starts == 2


def test_a_mode_that_begins_by_itself_goes_on_when_it_is_no_longer_denied(tmp_path, time):
    microphone = Microphone(10_000_000)
    bench = Bench(
        tmp_path,
        time,
        microphone,
        mode="continuous",
        clip_samples=16_000_000,
        kind=RestingRecorder,
    )
    deny = bench.recorder.deny
    bench.run(20, None, lambda: deny("battery_low"), None, None, lambda: deny(None))
    assert microphone.starts == 2 and bench.recorder.reason.code == "recording"
    assert bench.recorder.rests_ms() == 0


def test_how_long_nothing_begins_by_itself(tmp_path, time):
    from device.capture.schedule import Schedule

    bench = Bench(tmp_path, time, Microphone(0), mode="schedule", kind=RestingRecorder)
    recorder = bench.recorder
    recorder._schedule = Schedule(["13:00-14:00"], 0)
    assert recorder.rests_ms() > 3_600_000, "the time is not known: nothing can begin"
    bench.clock.witness(fakes.T0 * 1000, 20, "ntp")  # noon
    assert recorder.rests_ms() == 3_600_000
    time.advance(3_600_000)
    assert recorder.rests_ms() == 0
    recorder.want(False)
    assert recorder.rests_ms() > 3_600_000


def test_a_recorder_that_dozes_stops_its_microphone_and_comes_back(tmp_path, time, monkeypatch):
    quiet = bytes((n * 37) % 200 if not n & 1 else 0 for n in range(4096))
    monkeypatch.setattr(fakes, "pcm", lambda frames, start: quiet[: 2 * frames])
    microphone = Microphone(10_000_000)
    gate = Gate(RATE_HZ, -30, 9, 0, 1)
    bench = Bench(
        tmp_path, time, microphone, mode="activity", preroll=PreRoll(64_000, 16_000, 512),
        parts=(gate, None, None),
        kind=RestingRecorder,
    )  # fmt: skip
    recorder, seen = bench.recorder, []

    def look(dozes=None):
        seen.append((recorder.quiet_ms() > 1000, recorder.rests_ms() > 0, recorder.reason.code))
        if dozes is not None:
            recorder.doze(dozes)

    bench.run(50, None, None, lambda: look(True), look, lambda: look(False), None, look)
    assert seen == [
        (True, False, "armed"),
        (False, True, "dozing"),
        (False, True, "dozing"),
        (True, False, "armed"),
    ]
    assert microphone.starts == 2 and bench.clips() == []
