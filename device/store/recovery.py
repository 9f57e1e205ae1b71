"""After a power cut or a failed medium: repair what was left open, count what waits.

Runs beside recording, never before it. At its start it looks at the numbers that the boot before
may have left open; later it is told of any other that is met (`pend`). Every step is repeatable: a
clip is torn until its record says `closed`, and that is written once, after the whole file was
checked.

    record    audio                   becomes
    open      some whole frames       closed, cut=1
    open      under a second          quarantined(too_short)
    open      none                    removed: it never held a sample
    torn      any, no create body     the same as open; its facts come from the file itself
    torn      none, no create body    removed: the cut came before its first sample
    torn      any, create body        left where it is: the cloud may have it (counted, logged)
"""

import asyncio

from device import codec
from device.compat import WAIT_ERRORS, const, file_size, sleep_ms, wait_for_ms
from device.errors import DeviceError
from device.store import paths
from device.store.clip import CLOSED, OPEN, QUARANTINED

_LOOK_BACK = const(8)
_MAX_PENDED = const(8)
_MAX_GIVEN_UP = const(32)
_CHECK_MS = const(60_000)


class Recovery:
    """store: ClipStore; work: a memoryview lent for reading; notify(): called when a clip is
    ready.
    """

    def __init__(self, store, work, log, notify):
        self._store = store
        self._work = work
        self._log = log
        self._notify = notify
        self._end = store.highest
        self._pended = []
        self._given_up = []
        self._wake = asyncio.Event()
        self.repaired = 0

    @property
    def unreadable(self):
        """How many clips could not be repaired in this boot."""
        return len(self._given_up)

    def pend(self, number):
        """Clip number was left open, and not by the recorder that runs: repair it soon."""
        if number in self._pended or number in self._given_up:
            return
        if len(self._pended) < _MAX_PENDED:
            self._pended.append(number)
            self._wake.set()

    async def run(self, check_in):
        """Repair, count, then wait for more to repair."""
        check_in(3_600_000)
        number = max(0, self._end - _LOOK_BACK)
        while True:
            try:
                clip = self._store.after(number)
            except DeviceError as e:
                self._log.error("recovery cannot walk the clips reason=%s", e)
                break
            if clip is None or clip.number > self._end:
                break
            number = clip.number
            await self._repair(clip)
        for last_number, clips in paths.leaves(self._store.root, self._end):
            self._store.count_leaf(last_number, clips)
            await sleep_ms(0)
        while True:
            check_in(3_600_000)
            try:
                await wait_for_ms(self._wake.wait(), _CHECK_MS)
            except WAIT_ERRORS:
                pass
            self._wake.clear()
            while self._pended:
                clip = self._store.clip(self._pended[0])
                try:
                    clip.load()
                except OSError:
                    clip.record = None
                if clip.record and clip.state != OPEN:
                    self._notify()  # its record could be written after all
                await self._repair(clip)
                self._pended.pop(0)

    async def _repair(self, clip):
        """Repair clip if it is torn. What cannot be repaired is left alone, counted and logged."""
        try:
            await self._look_at(clip)
        except OSError as e:
            self._give_up(clip, "errno=%s" % e.errno)
        except ValueError as e:
            self._give_up(clip, str(e))  # a codec that this firmware does not have
        except DeviceError as e:
            self._give_up(clip, str(e))

    def _give_up(self, clip, why):
        self._log.error("clip cannot be repaired clip=%d %s", clip.number, why)
        if len(self._given_up) < _MAX_GIVEN_UP and clip.number not in self._given_up:
            self._given_up.append(clip.number)

    async def _look_at(self, clip):
        if clip.number == self._store.open_number:
            return
        if clip.record is None:
            if file_size(clip.body_path) >= 0:
                self._give_up(clip, "its record is unreadable and the cloud may have it")
                return
            if not self._has_audio(clip):
                clip.remove_record()
                return
            if not self._rebuild_facts(clip):
                self._give_up(clip, "its record is unreadable and its audio says nothing")
                return
        if clip.state != OPEN:
            return
        size = file_size(clip.audio_path)
        good_bytes = samples = crc = 0
        facts = []
        if size > 0:
            stored = codec.format_of(clip.record["codec"], clip.record["hz"])
            with open(clip.audio_path, "rb") as f:
                good_bytes, samples, crc, facts = await stored.scan(f, size, self._work)
        if samples == 0:
            self._store.discard(clip)
            self._log.info("clip discarded clip=%d bytes=%d", clip.number, max(0, size))
            return
        changes = {"bytes": good_bytes, "samples": samples, "crc": crc, "facts": facts}
        changes.update(state=CLOSED, cut=1, last=1)
        if samples < clip.record["hz"] and clip.record["index"] == 0:
            changes.update(state=QUARANTINED, why="too_short")
        self._store.save(clip, **changes)
        self.repaired += 1
        self._log.warning(
            "clip repaired clip=%d bytes=%d of=%d samples=%d",
            clip.number,
            good_bytes,
            size,
            samples,
        )
        self._notify()

    @staticmethod
    def _has_audio(clip):
        for extension in codec.NAMES:
            if file_size(clip.stem + "." + extension) >= 0:
                return True
        return False

    def _rebuild_facts(self, clip):
        """Make an `open` record from the audio file alone; False if there is none to make it
        from.
        """
        for extension in codec.NAMES:
            path = clip.stem + "." + extension
            if file_size(path) < 0:
                continue
            with open(path, "rb") as f:
                rate_hz = codec.rate_of(extension, f.read(64))
            if rate_hz:
                n = clip.number
                clip.record = {"n": n, "state": OPEN, "codec": extension, "hz": rate_hz}
                clip.record.update(samples=0, bytes=0, crc=0, take=n, index=0, first=0)
                clip.record.update(boot=0, up=0, epoch=0, last=1)
                return True
        return False
