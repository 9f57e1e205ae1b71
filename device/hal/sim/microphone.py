"""Microphone port: hears a file of raw samples, in blocks as from I2S DMA, in real time or faster.

What it hands over is also written to a file of its own, independent of everything above: the
simulator's truth about what was said. Handed over is what stands there; it survives kill -9.
"""

import asyncio

from device.compat import file_size, sleep_ms, ticks_diff, ticks_ms
from device.errors import Fatal


class Microphone:
    """speed: times real time; 0: as fast as blocks are taken (then nothing is ever overrun).
    driver_ms: what the driver's own buffers hold while nobody fetches it, as the DMA's on a board.

    A start goes on where the last one (or the process before) ended. At the end of the file the
    event `microphone_end` is sent once and nothing more is heard.
    """

    def __init__(self, path, truth_path, rate_hz, speed, driver_ms, event):
        self.rate_hz = rate_hz
        self._path = path
        self._truth_path = truth_path
        self._speed = speed
        self._driver_frames = rate_hz * driver_ms // 1000
        self._event = event
        self._task = None
        self._position = max(0, file_size(truth_path)) // 2
        self._ended = False

    def prepare(self, rate_hz, block_frames, blocks):
        """Nothing to make: the file is read straight into the ring."""

    def start(self, ring):
        try:
            source = open(self._path, "rb")
            source.seek(2 * self._position)
            truth = open(self._truth_path, "ab", 0)  # each write is safe from kill -9
        except OSError as e:
            raise Fatal("microphone_failed", "errno=%s" % e.errno)
        self._event("microphone_start", position=self._position)
        self._task = asyncio.create_task(self._run(ring, source, truth))

    def stop(self):
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, ring, source, truth):
        try:
            if self._speed:
                await self._paced(ring, source, truth)
            else:
                await self._unpaced(ring, source, truth)
        finally:
            source.close()
            truth.close()

    async def _unpaced(self, ring, source, truth):
        while not self._ended:
            block = ring.slot()
            if block is None:
                await sleep_ms(1)
                continue
            self._deliver(ring, block, source, truth)
            await sleep_ms(0)

    async def _paced(self, ring, source, truth):
        frames_per_ms = self.rate_hz * self._speed // 1000
        rest = 0  # thousandths of a frame
        waiting = 0  # frames that the driver holds
        last = ticks_ms()
        while not self._ended:
            now = ticks_ms()
            rest += ticks_diff(now, last) * self.rate_hz * self._speed
            last = now
            waiting += rest // 1000
            rest %= 1000
            while waiting >= ring.frames_per_block and not self._ended:
                block = ring.slot()
                if block is None:
                    break
                self._deliver(ring, block, source, truth)
                waiting -= ring.frames_per_block
            if waiting > self._driver_frames + ring.frames_per_block:
                # The driver has nowhere to put them: its oldest are gone.
                lost = waiting - self._driver_frames
                waiting -= lost
                ring.overrun(lost)
                source.seek(2 * lost, 1)
                self._position += lost
            missing = max(0, ring.frames_per_block - waiting)
            await sleep_ms(max(1, missing // frames_per_ms))

    def _deliver(self, ring, block, source, truth):
        n = source.readinto(block)
        frames = n // 2
        if frames:
            truth.write(block[: 2 * frames])
            self._position += frames
            ring.commit(frames)
        if frames < ring.frames_per_block:
            self._ended = True
            self._event("microphone_end", position=self._position)
