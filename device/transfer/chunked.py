"""One clip in numbered chunks: create → (URL → PUT) for each → finalize. Loaded only where the
settings ask for chunks; docs/uploads.md has the picture.

A chunk is a range of the stored file: [i * size, (i + 1) * size), the last one what is left. Its
size is frozen with the create body. How far it is stands in slots of its own beside the clip:

    c  CRC-32 of the frozen create body     n  chunks that storage has confirmed
    b  bytes of a chunk                     s  bytes that storage has confirmed
    r  recording id, "" before create

    open, closed    slots say how far; the record is as capture left it
    completing      all chunks are confirmed and hashed: from here on only finalize is sent

Each confirmed chunk is durable before the next one is sent, so a cut costs one chunk at most.
Whoever knows nothing of chunks finds a clip that is `closed` and sends it whole.
"""

from binascii import crc32

from device import codec
from device.api import dialect
from device.api.verdict import SetUpFault
from device.compat import const, ticks_ms
from device.errors import DeviceError, Permanent, UrlRefused
from device.store.clip import CHUNKS, COMPLETING, OPEN
from device.store.medium import medium_error
from device.transfer.chunk_calls import NotOffered
from device.transfer.finalize import prove
from device.transfer.stored import StoredRange, digests
from device.transfer.whole_file import check_audio, check_known, unread

_BODY = ".c"
_BODY_MAX_BYTES = const(2048)
_HEADER_ROOM_BYTES = const(64)
_LEAST_CHUNK_BYTES = const(1024)  # of what an older firmware may have begun


class Chunked:
    """calls: ChunkCalls; chunk_bytes: for clips that begin now; note_put: WholeFile.note_put."""

    def __init__(self, store, calls, clock, device_id, store_id, chunk_bytes, note_put, log):
        self._store = store
        self._calls = calls
        self._clock = clock
        self._device_id = device_id
        self._store_id = store_id
        self.chunk_bytes = chunk_bytes
        self._note_put = note_put
        self._log = log
        self.forget()

    def forget(self):
        """Read the progress of the next clip in hand anew."""
        self._number = 0
        self._slots = None
        self._value = {}  # as above; empty: it was not begun
        self._is_saved = True

    def progress(self, clip):
        """How far clip is, as above; empty if it was not begun. Raises DeviceError (medium)."""
        if clip.number != self._number:
            slots = clip.progress()
            try:
                value = slots.read()
            except OSError as e:
                raise medium_error(e, "progress")
            self._value = value if value and _is_valid(value) else {}
            self._number, self._slots, self._is_saved = clip.number, slots, True
        return self._value

    def is_ready(self, clip, writer):
        """True if the open clip has a whole chunk to send; else the writer will tell of it."""
        value = self.progress(clip) or {"b": self.chunk_bytes, "s": 0}
        wanted = value["s"] + value["b"]
        if not value["s"]:
            # Under a second it may become nothing: then no recording is to be there.
            wanted = max(wanted, most_bytes_of_a_second(clip.record["hz"]))
        writer.tell_at_bytes = wanted
        return writer.settled_bytes >= wanted

    async def advance(self, clip, alive):
        """One step: the next chunk (with all that must be before it), or the end.

        Raises NotOffered (whole, then), Permanent, Transient, NeedsOperator.
        """
        if clip.state == COMPLETING:
            check_known(clip)
            await prove(self._store, self._calls, clip, alive, self._log)
            return
        if clip.state == OPEN:
            writer = self._store.opened[1]
            if not self.is_ready(clip, writer):
                return
            size = writer.settled_bytes
        else:
            check_audio(clip)
            size = clip.record["bytes"]
        value = self.progress(clip) or self._freeze(clip)
        self._save()
        start, step = value["s"], value["b"]
        if clip.state != OPEN and (start > size or start % step and start != size):
            raise NotOffered("integrity_failure", "sent=%d of=%d" % (start, size))
        if not value["r"]:
            await self._create(clip)
        if start < size:
            await self._send(clip, start, min(start + step, size), alive)
            return
        await self._hash(clip, alive)
        await prove(self._store, self._calls, clip, alive, self._log)

    def _freeze(self, clip):
        """Make what create will send durable, then that it is to be sent."""
        start = self._clock.start_of(clip.record)
        body = dialect.create_body(clip, self._device_id, self._store_id, start, True)
        key = "rec-%s-%s-%d-s" % (self._device_id, self._store_id, clip.number)
        frozen = key.encode() + b"\n" + body
        self._store.write_body(clip, frozen, _BODY)
        self._keep({"c": crc32(frozen), "b": self.chunk_bytes, "r": "", "n": 0, "s": 0})
        return self._value

    async def _create(self, clip):
        frozen = self._store.read_body(clip, _BODY_MAX_BYTES, _BODY)
        if frozen is None or crc32(frozen) != self._value["c"]:
            raise NotOffered("integrity_failure", "create body")
        key, _, body = frozen.partition(b"\n")
        rid = await self._calls.create(body, key.decode())
        self._keep(dict(self._value, r=rid))
        self._log.info("clip created clip=%d recording=%s chunks", clip.number, rid)

    async def _send(self, clip, start, end, alive):
        number = start // self._value["b"] + 1
        source = StoredRange(clip.audio_path, start, end, alive)
        try:
            try:
                await self._put(clip, number, source)
            except UrlRefused as e:
                self._log.info("chunk url refused clip=%d %s", clip.number, e.detail)
                try:
                    await self._put(clip, number, source)
                except SetUpFault as e:
                    raise NotOffered("refused", "chunk " + e.detail)
        except OSError as e:
            raise unread(self._store, clip, e.errno)
        finally:
            source.close()
        self._keep(dict(self._value, n=number, s=end))
        self._log.debug("chunk confirmed clip=%d chunk=%d bytes=%d", clip.number, number, end)

    async def _put(self, clip, number, source):
        content_type = self._format_of(clip).content_type
        url, headers, _ = await self._calls.chunk_url(
            self._value["r"], number, content_type, source.length
        )
        began_ticks_ms = ticks_ms()
        stored = False
        try:
            await self._calls.put(url, headers, source)
            stored = True
        except DeviceError as e:
            if e.code == "damaged":
                raise Permanent("damaged", e.detail)
            raise
        finally:
            self._note_put(source.sent_bytes, began_ticks_ms, stored)

    async def _hash(self, clip, alive):
        """All is confirmed: look at the flash once more, then nothing but finalize is sent."""
        record, value = clip.record, self._value
        stored = self._format_of(clip)
        if not stored.fits(record["samples"], record["bytes"]):
            raise Permanent("damaged", "samples and bytes disagree")
        for _ in range(2):  # one wrong reading does not condemn it
            try:
                md5, sha, crc = await digests(
                    clip.audio_path, record["bytes"], stored.header_bytes, alive
                )
            except OSError as e:
                raise unread(self._store, clip, e.errno)
            if crc == record["crc"]:
                break
        else:
            raise Permanent("damaged", "crc of the stored frames")
        facts = {"via": CHUNKS, "rid": value["r"], "sha": sha, "md5": md5, "parts": value["n"]}
        self._store.save(clip, state=COMPLETING, **facts)

    def _keep(self, value):
        """What the cloud has done counts even where it cannot be saved: it is not done again."""
        self._value = value
        self._is_saved = False
        self._save()

    def _save(self):
        if self._is_saved:
            return
        try:
            self._slots.write(self._value)
        except OSError as e:
            raise medium_error(e, "progress")
        self._is_saved = True

    def _format_of(self, clip):
        try:
            return codec.format_of(clip.record["codec"], clip.record["hz"])
        except ValueError:
            raise Permanent("damaged", "codec " + clip.record["codec"])


def most_bytes_of_a_second(rate_hz):
    """So many bytes hold a second of audio, however little it could be packed."""
    return 2 * rate_hz + _HEADER_ROOM_BYTES


def _is_valid(value):
    for name in ("c", "b", "n", "s"):
        if not isinstance(value.get(name), int):
            return False
    rid = value.get("r")
    if not isinstance(rid, str) or len(rid) > 64:
        return False
    return value["b"] >= _LEAST_CHUNK_BYTES and value["s"] >= 0
