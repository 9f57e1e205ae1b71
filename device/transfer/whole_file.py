"""One clip from closed to done, as a whole file: create → URL → PUT → complete. Resumable at each
state.

The state in the record is written before the network step that depends on it:

    closed → creating     create body and key are frozen on flash; from here on only these are sent
    creating → created    the recording id is known
    created → stored      storage has taken all bytes (2xx); their SHA-256 and size are kept
    stored → completing   from here on only complete is sent, the same bytes each time
    completing → done     the cloud's proof; only now may the flash be freed
    completing → created  only if the cloud says integrity_failure: the bytes go up again

A crash after any network step and before its record repeats that step with the same bytes; the
one possible leftover is an empty pending recording, if the cloud ignores the Idempotency-Key.

S3 takes a PUT whole or not at all, so what a cut PUT had sent is sent again. Where the measured
link cannot bring a file up within the life of its URL, it is not tried (`link_too_slow`).
"""

from binascii import crc32

from device import codec
from device.api import dialect
from device.api.verdict import SetUpFault
from device.compat import (
    const,
    file_size,
    forget_module,
    sleep_ms,
    ticks_diff,
    ticks_ms,
)
from device.errors import DeviceError, Permanent, Transient, UrlRefused
from device.store.clip import CHUNKS, CLOSED, COMPLETING, CREATED, CREATING, DONE, OPEN, STORED
from device.store.medium import medium_error
from device.transfer.source import ClipSource

_BODY_MAX_BYTES = const(2048)
_POLL_FIRST_MS = const(1_000)
_POLL_CAP_MS = const(10_000)
_POLL_TOTAL_MS = const(120_000)
_INTEGRITY_TRIES = const(3)
_READS = const(5)  # the lane waits in between, so they are minutes apart
_ENOENT = const(2)
_URL_LIFE_S = const(3600)  # the documented one, where the answer or the clock does not tell
_LEAST_URL_LIFE_S = const(60)  # less: one of the two clocks is wrong
_RATE_LIFE_MS = const(6 * 3600 * 1000)  # a measured rate is believed for so long: then one try
_RATE_BYTES = const(65536)  # less than this says little of a link
_CUT_RATE_BYTES = const(262144)  # and so does a PUT that was cut before so many


def no_news():
    """For callers that are not watched."""


def check_audio(clip):
    """Raise Permanent for a clip that no way can deliver: its file is short, or it is no second
    long.
    """
    try:
        size = file_size(clip.audio_path)
    except OSError as e:
        raise medium_error(e, "stat")
    if size < clip.record["bytes"]:
        raise Permanent("file_missing", "file_bytes=%d" % size)
    # A short tail of a longer take goes all the same: without it the conversation has a hole.
    if clip.record["samples"] < clip.record["hz"] and clip.record["index"] == 0:
        raise Permanent("too_short", "samples=%d" % clip.record["samples"])


def check_known(clip):
    """Raise Permanent if the record does not know of the cloud what its state says."""
    record, state = clip.record, clip.state
    names = ("rid",) if state in (CREATED, STORED, COMPLETING) else ()
    if state in (STORED, COMPLETING):
        names = ("rid", "sha")
    if state == COMPLETING and record.get("via") == CHUNKS:
        names = ("rid", "md5", "parts")
    for name in names:
        if not isinstance(record.get(name), int if name == "parts" else str):
            raise Permanent("damaged", "record without " + name)


def unread(store, clip, errno):
    """The DeviceError to raise where clip's audio could not be read.

    A contact, a busy card or a flipped bit may be over at the next look; so it is read again, and
    the tries are counted in the record: also over reboots. What is not there at all is judged at
    once, and so is a clip whose record the recorder still owns (the way is tried again when it is
    closed). Raises DeviceError if the medium does not take the count: then it is the medium's.
    """
    detail = "read errno=%s" % errno if errno else "two readings differ"
    reads = clip.record.get("reads", 0) + 1
    if errno == _ENOENT or clip.state == OPEN:
        return Permanent("damaged", detail)
    if reads >= _READS:
        return Permanent("damaged", "%s tries=%d" % (detail, reads))
    store.save(clip, reads=reads)
    return Transient("read_failed", "%s tries=%d" % (detail, reads))


async def poll(ask, alive):
    """Call ask() until it answers anything but None; bounded, and told alive() of.

    Raises Transient(verification_pending) at the end of patience.
    """
    waited_ms = 0
    pause_ms = _POLL_FIRST_MS
    while True:
        outcome = await ask()
        if outcome is not None:
            return outcome
        if waited_ms >= _POLL_TOTAL_MS:
            raise Transient("verification_pending", "polled=%ds" % (waited_ms // 1000))
        alive()
        await sleep_ms(pause_ms)
        waited_ms += pause_ms
        pause_ms = min(2 * pause_ms, _POLL_CAP_MS)


class WholeFile:
    """store, cloud, clock as in app.py; device_id and store_id make the clip's key unique."""

    def __init__(self, store, cloud, clock, device_id, store_id, log):
        self._store = store
        self._cloud = cloud
        self._clock = clock
        self._device_id = device_id
        self._store_id = store_id
        self._log = log
        self.unsaved = (0, {})  # what the cloud has done and no record says: (clip, changes)
        self.rate_bytes_s = None  # of the last PUTs; None: not known, or another link since
        self._rate_up_ms = 0
        self.cut_bytes = 0  # how far the last PUT came that was cut
        self.live = None  # nothing of the clip that is being recorded

    def as_dict(self):
        """The part of the status document: which way clips go, and how fast the link was."""
        state = {"strategy": "whole"}
        if self.rate_bytes_s is not None:
            state["rate_bytes_s"] = self.rate_bytes_s
        return state

    async def advance(self, clip, alive=no_news):
        """Take clip as far as it goes: to `done`, or raise. alive() is called while it moves.

        Raises Permanent (set aside), Transient, NeedsOperator (the lane waits).
        """
        if clip.number == self.unsaved[0]:
            self._keep(clip, **self.unsaved[1])
        check_known(clip)
        if clip.state == COMPLETING and clip.record.get("via") == CHUNKS:
            await self._complete_chunks(clip, alive)
        if clip.state == CLOSED:
            self.freeze(clip)
        if clip.state == CREATING:
            await self._create(clip)
        while clip.state != DONE:
            if clip.state == CREATED:
                await self._upload(clip, alive)
            if clip.state == STORED:
                self._store.save(clip, state=COMPLETING)
            await self._complete(clip, alive)

    def _keep(self, clip, **changes):
        """Save what the cloud has done. A full medium must not make it do that again: beyond the
        life of an Idempotency-Key each create makes another recording.
        """
        self.unsaved = (clip.number, changes)
        self._store.save(clip, **changes)
        self.unsaved = (0, {})

    def freeze(self, clip):
        """Make what create will send durable, so that every attempt sends the same bytes."""
        check_audio(clip)
        key = "rec-%s-%s-%d" % (self._device_id, self._store_id, clip.number)
        if clip.record.get("orid"):
            key += "-w"  # another recording than the one that was given up
        start = self._clock.start_of(clip.record)
        body = dialect.create_body(clip, self._device_id, self._store_id, start)
        frozen = key.encode() + b"\n" + body
        self._store.write_body(clip, frozen)
        self._store.save(clip, state=CREATING, body=crc32(frozen))

    async def _create(self, clip):
        frozen = self._store.read_body(clip, _BODY_MAX_BYTES)
        if frozen is None or crc32(frozen) != clip.record.get("body"):
            raise Permanent("damaged", "create body")
        key, _, body = frozen.partition(b"\n")
        rid = await self._cloud.create(body, key.decode())
        self._keep(clip, state=CREATED, rid=rid)
        self._log.info("clip created clip=%d recording=%s", clip.number, rid)

    async def _upload(self, clip, alive):
        codec_of_clip = self._codec_of(clip)
        if not codec_of_clip.fits(clip.record["samples"], clip.record["bytes"]):
            raise Permanent("damaged", "samples and bytes disagree")
        source = ClipSource(clip, codec_of_clip, alive)
        try:
            try:
                await self._put(clip, source)
            except UrlRefused as e:
                # Expired, or signed for something else: one fresh URL at once, then the lane
                # waits.
                self._log.info("upload url refused clip=%d %s", clip.number, e.detail)
                try:
                    await self._put(clip, source)
                except SetUpFault as e:
                    raise Permanent("refused", e.detail)
            if not source.is_intact():
                await self._look_again(clip, codec_of_clip, alive)
        except OSError as e:
            raise unread(self._store, clip, e.errno)
        finally:
            source.close()
        self._keep(clip, state=STORED, sha=source.sha256_hex)

    async def _look_again(self, clip, codec_of_clip, alive):
        """What left is not what was recorded: is the flash wrong, or was one reading of it?

        Raises Permanent(damaged) or Transient(read_failed): it is to be sent once more.
        """
        from device.transfer.stored import digests

        forget_module("device.transfer.stored")
        record = clip.record
        found = await digests(clip.audio_path, record["bytes"], codec_of_clip.header_bytes, alive)
        if found[2] != record["crc"]:
            raise Permanent("damaged", "crc of the stored frames")
        raise unread(self._store, clip, None)

    async def _put(self, clip, source):
        record = clip.record
        content_type = self._codec_of(clip).content_type
        url, headers, expires_unix_s = await self._cloud.upload_url(
            record["rid"], content_type, source.length
        )
        self._foresee(source.length, expires_unix_s)
        began_ticks_ms = ticks_ms()
        stored = False
        self.cut_bytes = 0
        try:
            await self._cloud.put(url, headers, source)
            stored = True
        except SetUpFault as e:
            names = ",".join(name for name, _ in headers)
            raise SetUpFault(e.code, "%s sent=%s" % (e.detail, names))
        except DeviceError as e:
            if e.code == "damaged":
                raise Permanent("damaged", e.detail)
            raise
        finally:
            if not stored:
                self.cut_bytes = source.sent_bytes
            self.note_put(source.sent_bytes, began_ticks_ms, stored)

    def note_put(self, size_bytes, began_ticks_ms, stored):
        """A PUT has moved so much since began_ticks_ms, to its end or to a cut."""
        if size_bytes < (_RATE_BYTES if stored else _CUT_RATE_BYTES):
            return
        bytes_s = size_bytes * 1000 // max(1, ticks_diff(ticks_ms(), began_ticks_ms))
        known = self.rate_bytes_s
        self.rate_bytes_s = max(1, bytes_s if known is None else (known + bytes_s) // 2)
        self._rate_up_ms = self._clock.uptime_ms()

    def seconds_for(self, size_bytes):
        """How long the measured link needs for so much, or None if no measure is of use."""
        if self.rate_bytes_s is None:
            return None
        if self._clock.uptime_ms() - self._rate_up_ms > _RATE_LIFE_MS:
            self.rate_bytes_s = None
            return None
        return size_bytes // self.rate_bytes_s

    def _foresee(self, size_bytes, expires_unix_s):
        """Raise Transient(link_too_slow) for what cannot be through before its URL expires."""
        needed_s = self.seconds_for(size_bytes)
        now = self._clock.unix_s()
        life_s = _URL_LIFE_S
        if expires_unix_s is not None and now is not None:
            life_s = max(expires_unix_s - now, _LEAST_URL_LIFE_S)
        if needed_s is not None and needed_s > life_s:
            raise Transient("link_too_slow", "needs_s=%d url_s=%d" % (needed_s, life_s))

    async def _complete_chunks(self, clip, alive):
        """Its chunks went up under earlier settings: end what was begun, load it for that."""
        from device.transfer import finalize
        from device.transfer.chunk_calls import ChunkCalls

        await finalize.prove(self._store, ChunkCalls(self._cloud), clip, alive, self._log)
        for name in ("transfer.finalize", "transfer.chunk_calls", "api.chunks"):
            forget_module("device." + name)

    async def _complete(self, clip, alive):
        record = clip.record

        async def ask():
            outcome = await self._cloud.complete(record["rid"], record["sha"])
            return None if outcome == dialect.PENDING else outcome

        outcome = await poll(ask, alive)
        if outcome == dialect.PROOF:
            self._store.save(clip, state=DONE)
        elif outcome == dialect.INTEGRITY:
            tries = record.get("tries", 0) + 1
            if tries >= _INTEGRITY_TRIES:
                raise Permanent("integrity_failure", "tries=%d" % tries)
            self._log.warning("integrity failure clip=%d tries=%d", clip.number, tries)
            self._store.save(clip, state=CREATED, tries=tries)
        else:
            # An earlier answer may have been lost: once more later, then somebody must look.
            if record.get("late"):
                raise Permanent("probably_uploaded")
            self._store.save(clip, late=1)
            raise Transient("bad_answer", "complete refused, asked again later")

    def _codec_of(self, clip):
        try:
            return codec.format_of(clip.record["codec"], clip.record["hz"])
        except ValueError:
            raise Permanent("damaged", "codec " + clip.record["codec"])
