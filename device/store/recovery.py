"""After a power cut: repair what was open, count what waits. Runs beside recording, never before
it.

At most one clip is open at a time, so only the last numbers can be torn; recovery looks at the
last leaf of the boot before. Every step is repeatable: a clip is torn until its record says
`closed`, and the record is written once, after the whole file was checked.

    record    audio                   becomes
    open      some whole frames       closed, cut=1
    open      under a second          quarantined(too_short)
    open      none                    removed: it never held a sample
    torn      any, no create body     the same as open; its facts come from the file itself
    torn      any, create body        left: the cloud may have it (quarantined(record_unreadable))
"""

from device import codec
from device.compat import const, file_size, sleep_ms
from device.store import paths
from device.store.clip import CLOSED, OPEN, QUARANTINED

_LOOK_BACK = const(8)
_EXTENSIONS = ("wav", "flac")


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
        self.repaired = 0
        self.unreadable = 0

    async def run(self):
        """Repair, then count. Ends by itself."""
        number = max(0, self._end - _LOOK_BACK)
        while True:
            clip = self._store.after(number)
            if clip is None or clip.number > self._end:
                break
            number = clip.number
            try:
                await self._look_at(clip)
            except OSError as e:
                self._log.error("recovery failed clip=%d errno=%s", number, e.errno)
        await self._count()

    async def _look_at(self, clip):
        if clip.record is None:
            if file_size(clip.body_path) >= 0 or not self._rebuild_facts(clip):
                self.unreadable += 1
                self._log.error("record unreadable clip=%d", clip.number)
                return
        if clip.state != OPEN:
            return
        size = file_size(clip.audio_path)
        good_bytes = samples = crc = 0
        facts = []
        if size > 0:
            encoder = codec.by_name(clip.record["codec"], clip.record["hz"])
            with open(clip.audio_path, "rb") as f:
                good_bytes, samples, crc, facts = await encoder.scan(f, size, self._work)
        if samples == 0:
            self._store.discard(clip)
            self._log.info("clip discarded clip=%d bytes=%d", clip.number, max(0, size))
            return
        changes = {"bytes": good_bytes, "samples": samples, "crc": crc, "facts": facts}
        changes.update(state=CLOSED, cut=1, last=1)
        if samples < clip.record["hz"] and clip.record["index"] == 0:
            changes.update(state=QUARANTINED, why="too_short", was=CLOSED)
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

    def _rebuild_facts(self, clip):
        """Make an `open` record from the audio file alone; False if there is none to make it
        from.
        """
        for extension in _EXTENSIONS:
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

    async def _count(self):
        for last_number, clips in paths.leaves(self._store.root, self._end):
            self._store.count_leaf(last_number, clips)
            await sleep_ms(0)
