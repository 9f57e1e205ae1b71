"""From blocks to clips: the take, its cutting into clips without losing a sample, and its ending.

One task consumes the ring while a take runs. Clips are cut at an exact sample; the microphone runs
on while one clip is closed and the next opened (the ring bridges it).

States: idle → recording → idle, and idle with a reason where recording is not possible now.
"""

import asyncio

from device.compat import WAIT_ERRORS, const, sleep_ms, wait_for_ms
from device.errors import DeviceError, Transient
from device.reasons import RECORDER, Reason, is_reason

_CHECK_MS = const(5_000)
_RESUME_MS = const(10_000)  # how often continuous mode tries again after the medium failed


class Recorder:
    """microphone, store, quota, clock: the next stages; buffers: app.Buffers (ring, codec,
    encoded).

    settings: clip_samples (where a take is cut), is_continuous, boot, snr_db. callbacks: epoch()
    of new clips, closed() after each, torn(number) for one that only recovery can close.
    """

    def __init__(self, microphone, buffers, store, quota, clock, settings, callbacks, log):
        self._microphone = microphone
        self._ring = buffers.ring
        self._codec = buffers.codec
        self._out = buffers.encoded
        self._store = store
        self._quota = quota
        self._clock = clock
        self._clip_samples = settings["clip_samples"]
        self._is_continuous = settings["is_continuous"]
        self._boot = settings["boot"]
        self._snr_db = settings["snr_db"]
        self._epoch = callbacks["epoch"]
        self._closed = callbacks["closed"]
        self._torn = callbacks["torn"]
        self._log = log
        self._wanted = self._is_continuous
        self._change = asyncio.Event()
        self._clip = None
        self._writer = None
        self.reason = Reason(RECORDER, "idle", clock.uptime_ms)
        self.take = 0  # number of the take's first clip, 0 before it is open
        self.take_samples = 0
        self.clip_samples_done = 0
        self._index = 0
        self._lost = 0

    def toggle(self):
        """The button: begin a take, or end the one that runs."""
        self.want(not self._wanted)

    def want(self, wanted):
        self._wanted = wanted
        self._change.set()
        self._ring.wake()

    def is_recording(self):
        return self.reason.code == "recording"

    async def run(self, check_in):
        """Record for ever, take by take."""
        while True:
            check_in(60_000)
            if not self._wanted:
                await self._wait_for_change(_CHECK_MS)
                continue
            try:
                await self._record_take(check_in)
            except (DeviceError, MemoryError) as e:
                if not isinstance(e, DeviceError):
                    e = Transient("low_memory")
                self._end_after_failure(e)
                if not self._is_continuous:
                    self._wanted = False
                await self._wait_for_change(_RESUME_MS)

    async def _record_take(self, check_in):
        self._quota.refresh()
        self._quota.check()
        self.take = self.take_samples = 0
        self._ring.clear()
        self._microphone.start(self._ring)
        self.reason.set("recording")
        try:
            while self._wanted:
                check_in(60_000)
                if not await self._consume_oldest():
                    await self._wait_for_block()
        finally:
            self._microphone.stop()
        while await self._consume_oldest():  # what the driver had handed over before the stop
            pass
        self._finish_clip(is_last=True)
        self.reason.set("idle")

    async def _consume_oldest(self):
        block = self._ring.oldest()
        if block is None:
            return False
        self._consume(block)
        self._ring.release()
        await sleep_ms(0)
        return True

    def _consume(self, block):
        samples, frames, lost_before = block
        if self._clip is None:
            self._open_clip(frames)
        if lost_before:
            self._lost += lost_before
            self._log.warning("overrun frames=%d position=%d", lost_before, self.take_samples)
        offset = 0
        while offset < frames:
            if self.clip_samples_done == self._clip_samples:
                # Only now is it certain that the take goes on: the full clip was not its last.
                self._finish_clip(is_last=False)
                self._open_clip(frames - offset)
            n = min(frames - offset, self._clip_samples - self.clip_samples_done)
            size = self._codec.encode(samples[2 * offset : 2 * (offset + n)], self._out)
            self._quota.check()
            self._writer.write(self._out[:size], n)
            self._quota.spend(size)
            offset += n
            self.clip_samples_done += n
            self.take_samples += n

    def _open_clip(self, frames_in_hand):
        """Open the next clip of the take; its first sample is frames_in_hand before now."""
        self._quota.refresh()
        self._quota.check()
        rate_hz = self._microphone.rate_hz
        up_ms = self._clock.uptime_ms() - frames_in_hand * 1000 // rate_hz
        record = {"codec": self._codec.name, "hz": rate_hz, "take": self.take}
        if not self.take:
            self._index = 0
        record.update(index=self._index, first=self.take_samples)
        record.update(boot=self._boot, up=max(0, up_ms), epoch=self._epoch())
        if self._snr_db:
            record["snr"] = self._snr_db
        self._clip, self._writer = self._store.open(record)
        self.take = record["take"]
        self._index += 1
        self.clip_samples_done = self._lost = 0
        self._codec.begin()
        size = self._codec.write_header(self._out)
        self._writer.write_header(self._out[:size])

    def _finish_clip(self, is_last):
        if self._clip is None:
            return
        clip, writer = self._clip, self._writer
        self._clip = self._writer = None
        facts = {"samples": self.clip_samples_done, "last": 1 if is_last else 0}
        if self._lost:
            facts["lost"] = self._lost
        start = self._clock.start_unix_ms(clip.record)
        if start is not None:
            facts["start"] = start
        try:
            if writer.has_failed:
                raise Transient("storage_failed", "not all was written")
            size = self._codec.finish(self._out)
            writer.write(self._out[:size], 0)
            self._store.close(clip, writer, facts=self._codec.facts(), **facts)
        except (DeviceError, MemoryError):
            self._store.leave_open(writer)
            self._torn(clip.number)
            raise
        self._log.info(
            "clip closed clip=%d take=%d index=%d samples=%d bytes=%d last=%d",
            clip.number,
            clip.record["take"],
            clip.record["index"],
            clip.record["samples"],
            clip.record["bytes"],
            facts["last"],
        )
        self._closed()

    def _end_after_failure(self, e):
        """The medium or the microphone failed: keep what is safe, say why, stay alive."""
        code = e.code if is_reason(RECORDER, e.code) else "storage_failed"
        self._log.error("recording ended reason=%s", e)
        if self._clip is not None:
            number = self._clip.number
            try:
                self._finish_clip(is_last=True)
            except (DeviceError, MemoryError) as closing:
                self._log.error("clip left for recovery clip=%d reason=%s", number, closing)
        self.reason.set(code, str(e.detail))

    async def _wait_for_block(self):
        try:
            await wait_for_ms(self._ring.wait(), _CHECK_MS)
        except WAIT_ERRORS:
            pass

    async def _wait_for_change(self, limit_ms):
        try:
            await wait_for_ms(self._change.wait(), limit_ms)
        except WAIT_ERRORS:
            pass
        self._change.clear()

    def as_dict(self):
        state = self.reason.as_dict()
        state["take"] = self.take
        state["take_samples"] = self.take_samples
        state["lost_frames"] = self._ring.lost_frames
        return state
