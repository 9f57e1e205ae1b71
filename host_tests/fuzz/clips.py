"""Targets: a clip on the flash. Its record, its chunks' progress, its audio.

JSON that stands in slots (device/store/slots.py) is given a right CRC: another firmware, or a
person, may have written it.
"""

import contextlib
import hashlib
import json
import os

from device import codec as codecs
from device.api import chunks, dialect
from device.errors import DeviceError
from device.field import clips as listing
from device.field import requeue
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.store import repair, slots
from device.store.clip import ASIDE, CHUNKS, DONE, MAGIC
from device.transfer import aside
from device.transfer.choice import Strategies
from device.transfer.chunked import Chunked
from device.transfer.whole_file import WholeFile
from host_tests.fuzz.disk import DISK, sealed, unsynced
from host_tests.fuzz.engine import Target, drive
from host_tests.unit import fakes
from rescue import clips as rescue_clips


class Cloud:
    """Takes everything; says what is proved: a recording whose bytes it has, with their hash."""

    def __init__(self):
        self.objects = {}

    def has_token(self):
        return True

    async def create(self, body, key):
        json.loads(bytes(body))
        assert key and not set("\r\n") & set(key)
        return "rec_1"

    async def upload_url(self, rid, content_type, size_bytes):
        return "https://s3.example/k", [], None

    async def chunk_url(self, rid, number, content_type, size_bytes):
        return "https://s3.example/k", [], None

    async def put(self, url, headers, source):
        source.rewind()
        data, out = bytearray(), memoryview(bytearray(4096))
        while len(data) < source.length:
            n = source.readinto(out[: min(len(out), source.length - len(data))])
            if not n:
                raise DeviceError("damaged", "file ended early")
            data += out[:n]
        self.objects["stored"] = bytes(data)

    async def complete(self, rid, sha256_hex):
        stored = self.objects.get("stored")
        if stored is not None and hashlib.sha256(stored).hexdigest() == sha256_hex:
            return dialect.PROOF
        return dialect.NOT_PENDING

    async def finalize(self, rid, total_chunks, duration_ms, md5_hex):
        return chunks.ACCEPTED


def record(data: bytes) -> str:
    """Whatever the record says, the lane, the list, requeue and rescue live with it."""
    DISK.put(".r1", sealed(MAGIC, data))
    rescue_clips.Clip(DISK.root, DISK.clip.number)
    store = fakes.make_store(DISK.root)
    clip = store.after(0)
    if clip.record is None:
        with contextlib.suppress(ValueError, DeviceError):
            drive(repair.look_at(store, clip, memoryview(bytearray(2304)), DISK.log))
        return "unreadable"
    for name in listing._SHOWN:
        json.dumps(clip.record.get(name))
    cloud = Cloud()
    clock = Clock(fakes.ClockPort(), 1, DISK.log)
    backlog = Backlog(store, lambda: 0, lambda number: None)
    for flags in ({}, {"again": True, "other_epoch": True, "rebuild": True}):
        with contextlib.suppress(DeviceError):
            requeue._plan(store, clip, 0, flags)
    clip = backlog.next()
    if clip is None:
        return "passed over"
    begun = clip.state
    whole = WholeFile(store, cloud, clock, "d", "s", DISK.log)
    chunked = Chunked(store, cloud, clock, "d", "s", 8192, whole.note_put, DISK.log)
    strategy = Strategies(store, whole, chunked, CHUNKS, False, lambda: 0, DISK.log)
    for _ in range(40):
        if clip.state == DONE:
            break
        try:
            drive(strategy.advance(clip))
        except DeviceError as e:
            aside.verdict(e)
            return "not sent"
    if begun != DONE and not clip.record.get("via"):
        assert cloud.objects.get("stored"), "done, and nothing was stored"
    store.free(clip)
    return "sent"


def progress(data: bytes) -> str:
    """How far a clip's chunks are; the record is right."""
    DISK.put(".r1", slots.encode(MAGIC, 1, DISK.record))
    with open(DISK.clip.stem + ".p1", "wb") as f:
        f.write(sealed("chunk1", data))
    with open(DISK.clip.stem + ".c", "wb") as f:
        f.write(b"key\n{}")
    return _way_of_chunks()


def _way_of_chunks() -> str:
    store = fakes.make_store(DISK.root)
    clock = Clock(fakes.ClockPort(), 1, DISK.log)
    whole = WholeFile(store, Cloud(), clock, "d", "s", DISK.log)
    cloud = Cloud()
    chunked = Chunked(store, cloud, clock, "d", "s", 8192, whole.note_put, DISK.log)
    strategy = Strategies(store, whole, chunked, CHUNKS, False, lambda: 0, DISK.log)
    clip = store.after(0)
    for _ in range(40):
        if clip.state == DONE:
            return "sent"
        try:
            drive(strategy.advance(clip))
        except DeviceError:
            return "not sent"
    raise AssertionError("it does not come to an end")


def torn_audio(data: bytes) -> str:
    """An open clip with such a file, and one whose record is gone."""
    for is_known in (True, False):
        opened = dict(DISK.record, state="open", samples=0, bytes=0, crc=0)
        DISK.put(".r1", slots.encode(MAGIC, 1, opened) if is_known else b"torn")
        with open(DISK.clip.stem + ".wav", "wb") as f:
            f.write(data)
        store = fakes.make_store(DISK.root)
        clip = store.after(0)
        with contextlib.suppress(ValueError):
            drive(repair.look_at(store, clip, memoryview(bytearray(2304)), DISK.log))
        if clip.record and os.path.exists(clip.stem + ".wav") and clip.state == "closed":
            assert 44 <= clip.record["bytes"] <= len(data)
            assert clip.record["samples"] == (clip.record["bytes"] - 44) // 2
    return "looked at"


def torn_flac(data: bytes) -> str:
    DISK.put(".r1", b"torn")
    os.remove(DISK.clip.stem + ".wav")
    path = DISK.clip.stem + ".flac"
    with open(path, "wb") as f:
        f.write(data)
    clip = fakes.make_store(DISK.root).after(0)
    with contextlib.suppress(ValueError):
        store = fakes.make_store(DISK.root)
        drive(repair.look_at(store, clip, memoryview(bytearray(2304)), DISK.log))
    if clip.record and clip.state in ("closed", *ASIDE):
        assert 0 < clip.record["bytes"] <= len(data) and clip.record["samples"] > 0
        stored = codecs.format_of("flac", clip.record["hz"])
        assert stored.fits(clip.record["samples"], clip.record["bytes"])
        return "repaired"
    return "left"


def _flac() -> bytes:
    encoder = codecs.encoder_of("flac", 8000)
    out = memoryview(bytearray(60_000))
    data = bytearray(out[: encoder.write_header(out)])
    pcm = fakes.pcm(4096)
    for start in range(0, len(pcm), 1024):
        data += out[: encoder.encode(memoryview(pcm)[start : start + 1024], out)]
    data += out[: encoder.finish(out)]
    return bytes(data)


_RECORD = json.dumps(DISK.record).encode()
_FULL = json.dumps(
    dict(
        DISK.record,
        state="created",
        rid="rec_1",
        start=1772366400000,
        doubt=20,
        nb=1772366400,
        gaps=[[10, 20, 20]],
        skips=[[100, 5000]],
        lev=[-100, -300, -600, 0, 1],
        snr=30,
        ppm=5,
        tries=1,
        reads=1,
        deaths=1,
        orid="rec_0",
        via="whole",
    )
).encode()
_COMPLETING = json.dumps(
    dict(
        DISK.record,
        state="completing",
        rid="rec_1",
        sha="ab" * 32,
        via="chunks",
        parts=4,
        md5="ab" * 16,
        late=1,
    )
).encode()
_ASIDE = json.dumps(
    dict(DISK.record, state="parked", why="collected", was="closed", said="x")
).encode()

TARGETS = tuple(
    unsynced(target)
    for target in (
        Target("clip record", (_RECORD, _FULL, _COMPLETING, _ASIDE), record, most_bytes=4 << 20),
        Target(
            "chunk progress",
            (b'{"c":1234,"b":8192,"r":"rec_1","n":2,"s":16384}',),
            progress,
            most_bytes=4 << 20,
        ),
        Target("torn WAV", (DISK.audio[:3000],), torn_audio, most_bytes=4 << 20),
        Target("torn FLAC", (_flac(),), torn_flac, most_bytes=4 << 20),
    )
)
