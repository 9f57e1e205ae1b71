"""How a clip that was left open becomes whole, or is taken away.

record    audio                   becomes
open      some whole frames       closed, cut=1
open      under a second          quarantined(too_short)
open      none                    removed: it never held a sample
torn      any, no create body     the same as open; its facts come from the file itself
torn      none, no create body    removed: the cut came before its first sample
torn      any, create body        left where it is: the cloud may have it (counted, logged)
evicted   any                     removed, as evict.py was about to
"""

from device import codec
from device.compat import file_size
from device.store.clip import CLOSED, EVICTED, OPEN, QUARANTINED


async def look_at(store, clip, work, log):
    """Repair clip if it is torn; True if it now waits to be sent (or is set aside as too short).

    work: a memoryview lent for reading. Raises ValueError for what cannot be repaired, OSError,
    DeviceError.
    """
    if clip.record is None:
        if file_size(clip.body_path) >= 0:
            raise ValueError("its record is unreadable and the cloud may have it")
        if not _has_audio(clip):
            store.forget_progress(clip)
            clip.remove_record()
            return False
        if not _rebuild_facts(clip):
            raise ValueError("its record is unreadable and its audio says nothing")
    if clip.state == EVICTED:
        # A cut may have come before it was said.
        log.error("clip evicted clip=%d", clip.number)
        store.free(clip)
    if clip.state != OPEN:
        return False
    size = file_size(clip.audio_path)
    good_bytes = samples = crc = 0
    facts = []
    if size > 0:
        stored = codec.format_of(clip.record["codec"], clip.record["hz"])
        with open(clip.audio_path, "rb") as f:
            good_bytes, samples, crc, facts = await stored.scan(f, size, work)
    if samples == 0:
        store.discard(clip)
        if store.ledger:
            store.ledger.repaired(clip.record)
        log.info("clip discarded clip=%d bytes=%d", clip.number, max(0, size))
        return False
    changes = {"bytes": good_bytes, "samples": samples, "crc": crc, "facts": facts}
    changes.update(state=CLOSED, cut=1, last=1)
    if samples < clip.record["hz"] and clip.record["index"] == 0:
        changes.update(state=QUARANTINED, why="too_short")
    store.save(clip, **changes)
    if store.ledger:
        store.ledger.repaired(clip.record)
    log.warning(
        "clip repaired clip=%d bytes=%d of=%d samples=%d",
        clip.number,
        good_bytes,
        size,
        samples,
    )
    return True


def _has_audio(clip):
    for extension in codec.NAMES:
        if file_size(clip.stem + "." + extension) >= 0:
            return True
    return False


def _rebuild_facts(clip):
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
