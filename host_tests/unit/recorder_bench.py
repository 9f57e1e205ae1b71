"""A recorder between a microphone in memory and a store on the host's disk, in virtual time."""

import asyncio

import fakes

from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.recorder import Recorder
from device.capture.ring import BlockRing
from device.capture.take import Take
from device.codec.wav import WavCodec
from device.link.clock import Clock
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
