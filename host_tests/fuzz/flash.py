"""Targets: what lies on the flash. Records, state files, settings, logs, bundles, audio.

JSON that stands in slots (device/store/slots.py) is given a right CRC: another firmware, or a
person, may have written it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
from binascii import crc32

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit"))

import fakes

from device import codec as codecs
from device import config
from device.api import chunks, dialect
from device.config_kept import load_settings
from device.errors import DeviceError
from device.field import clips as listing
from device.field import logs, requeue
from device.link.budget import Budget
from device.link.clock import BOOTS, Clock
from device.link.link import Link, Way
from device.log_file import seal
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.reasons import LANE, is_reason
from device.store import repair, slots
from device.store.clip import ASIDE, CHUNKS, DONE, MAGIC
from device.store.slots import Slots
from device.transfer import aside
from device.transfer.choice import Strategies
from device.transfer.chunked import Chunked
from device.transfer.whole_file import WholeFile
from device.update import bundle as bundles
from device.update import note, signature
from host_tests.fuzz.engine import Target, drive, replaced
from rescue import boot_record
from rescue import clips as rescue_clips
from rescue import settings as rescue_settings

SAMPLES = 16_000
_CAP_S = 1800


class Disk:
    """A folder with one clip that is put back before each input."""

    def __init__(self, codec="wav"):
        # Nobody closes it: it lives as long as the process, as the targets do.
        self._kept = tempfile.TemporaryDirectory(prefix="fuzz")
        self.root = self._kept.name
        store = fakes.make_store(self.root)
        self.clip = fakes.add_clip(store, SAMPLES)
        with open(self.clip.audio_path, "rb") as f:
            self.audio = f.read()
        self.record = self.clip.record
        self.folder = os.path.dirname(self.clip.stem)
        self.log, self.lines = fakes.make_log()

    def put(self, extension, data):
        """The clip's folder with the audio and one file more."""
        for name in os.listdir(self.folder):
            os.remove(f"{self.folder}/{name}")
        with open(self.clip.stem + ".wav", "wb") as f:
            f.write(self.audio)
        with open(self.clip.stem + extension, "wb") as f:
            f.write(data)

    def state(self, name, data):
        with open(f"{self.root}/state/{name}", "wb") as f:
            f.write(data)
        return f"{self.root}/state/{name[:-1]}"


def sealed(magic, data):
    """data as a slot keeps it, with the right CRC; or as it is where it is no JSON object."""
    try:
        value = json.loads(data)
        if isinstance(value, dict):
            return slots.encode(magic, 1, value)
    except (ValueError, RecursionError):
        pass
    return data


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


DISK = Disk()


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


def lane_state(data: bytes) -> str:
    base = DISK.state("lane1", sealed("lane1", data))
    clock = Clock(fakes.ClockPort(), 1, DISK.log)
    clock.witness(fakes.T0 * 1000, 20, "ntp")
    waits = Waits(30, _CAP_S, clock, lambda bits: 0)
    waits.attach(Slots("lane1", base))
    assert 0 <= waits.left_ms() <= 3600 * 1000 and is_reason(LANE, waits.code)
    return "waits" if waits.left_ms() else "no wait"


def boots(data: bytes) -> str:
    base = DISK.state("boots1", sealed(BOOTS, data))
    clock = Clock(fakes.ClockPort(), 2, DISK.log)
    clock.attach(Slots(BOOTS, base))
    clock.witness_rtc("reset") if hasattr(clock._port, "rtc_unix_s") else None
    start = clock.start_of(dict(DISK.record, boot=1, up=1000))
    if start:
        dialect.create_body(DISK.clip, "d", "s", start)
    clock.not_before_s()
    clock.witness(fakes.T0 * 1000, 20, "ntp")
    json.dumps(clock.as_dict())
    return "known" if start else "unknown"


def budget(data: bytes) -> str:
    base = DISK.state("budget1", sealed("budget1", data))
    clock = Clock(fakes.ClockPort(), 1, DISK.log)
    clock.witness(fakes.T0 * 1000, 20, "ntp")
    caps = {"cellular": [10**7, 10**8], "wifi": [None, 10**8]}
    kept = Budget(caps, Slots("budget1", base), clock, 3600, DISK.log)
    for way in caps:
        room = kept.room_bytes(way)
        assert 0 <= room <= 10**8
        kept.book(way, 1000)
        kept.spend(way, 1000)
        code, left_s = kept.reason(way)
        assert is_reason(LANE, code) and 0 < left_s <= 31 * 86_400
    json.dumps(kept.as_dict())
    return "room" if room else "spent"


def link_state(data: bytes) -> str:
    base = DISK.state("link1", sealed("link1", data))
    ways = [Way("wifi", name, None, None) for name in ("a", "b", "c")]
    link = Link(ways, None, DISK.log, lambda: True, None, lambda why: None, Slots("link1", base))
    link.current = link._rule("choose")
    assert link.current in ways
    link.proved = True
    link._rule("book")
    link._rule("died", ways[0], "timeout")
    return "chosen"


def settings_kept(data: bytes) -> str:
    base = DISK.state("config1", sealed("config1", data))
    found, faults, _ = load_settings(b"{", Slots("config1", base), {})
    assert set(found) == set(config.defaults()) and faults
    assert not config.validate(found, config.defaults())
    rescue_settings.read(DISK.root, f"{DISK.root}/none.json")
    return "in force" if found != config.defaults() else "defaults"


def settings_file(data: bytes) -> str:
    found, faults = config.load(data, {"recording.ring_blocks": 16})
    assert not config.validate(found, config.defaults())
    assert all(len(fault) < 400 for fault in faults)
    path = f"{DISK.root}/config.json"
    pathlib.Path(path).write_bytes(data)
    names, api_url, server = rescue_settings.read(DISK.root, path)
    assert api_url.startswith("https://") and isinstance(server, str)
    assert all(isinstance(name, str) for name in names)
    return "faults" if faults else "taken"


def boots_of_release(data: bytes) -> str:
    with open(f"{DISK.root}/boot1", "wb") as f:
        f.write(b"boot1 %08x %s" % (crc32(data), data))
    _, release, trial, starts = boot_record.read(DISK.root + "/")
    assert {release, trial} <= {"a", "b", "-"} and isinstance(starts, int)
    return "read" if release != boot_record.NONE or starts else "none"


def update_note(data: bytes) -> str:
    with open(f"{DISK.root}/update1", "wb") as f:
        f.write(sealed("update1", data))
    json.dumps(note.as_dict("1.2.3", DISK.root + "/"))
    return "told"


def kept_log(data: bytes) -> str:
    folder = f"{DISK.root}/log"
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    half = len(data) // 2
    pathlib.Path(folder, "0").write_bytes(data[:half])
    pathlib.Path(folder, "1").write_bytes(data[half:])
    at, lines = None, 0
    for _ in range(400):
        part = logs.page(folder, at, b"")
        json.dumps(part)
        lines += len(part["lines"])
        at = part["next"]
        if at is None:
            return "lines" if lines else "none"
    raise AssertionError("pages without end")


def keys(data: bytes) -> str:
    path = f"{DISK.root}/keys"
    pathlib.Path(path).write_bytes(data)
    found = signature.read_keys(path)
    assert len(found) <= 4 and all(len(key) == 384 for key in found)
    return "%d keys" % len(found)


def bundle_head(data: bytes) -> str:
    """A head whose signature is right: what the maker's own tool might get wrong."""
    head = data.replace(b"\r", b"")[:4096] or b"\n"
    path = f"{DISK.root}/bundle"
    file = bundles.MAGIC + len(head).to_bytes(4, "big") + bytes(384) + head + b"body of a file"
    pathlib.Path(path).write_bytes(file)
    is_signed, signature.is_signed = signature.is_signed, lambda *details: True
    try:
        with open(path, "rb") as f:
            bundle = bundles.Bundle(f, memoryview(bytearray(256)))
            bundle.verify([b"key"])
            for name, size, _ in bundle.entries():
                assert ".." not in name and name[0] != "/"
                bundle.copy(size, None)
            bundle.finish()
    finally:
        signature.is_signed = is_signed
    return "taken"


def _flac() -> bytes:
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "codec"))
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
_LANE = b'{"failures":3,"until":1772366500,"wait_s":240,"code":"throttled"}'
_LOG = b"".join(seal(f"log1 {1 + i // 3}" if i % 3 == 0 else f"I line {i}") for i in range(6))
_HEAD = b"\n".join(
    json.dumps(line).encode()
    for line in (
        {
            "kind": "roots",
            "version": "1.2.3",
            "arch": "any",
            "downgrade": False,
            "files": 1,
            "bytes": 14,
        },
        ["roots", 14, "ab" * 32],
        "",
    )
)[:-2]
_SETTINGS = (pathlib.Path(__file__).parents[2] / "config.example.json").read_bytes()
_NOTE = b'{"id":"1","was":"1.2.2","kind":"release","version":"1.2.3","code":"","said":true}'

_TARGETS = (
    Target("clip record", (_RECORD, _FULL, _COMPLETING, _ASIDE), record, most_bytes=4 << 20),
    Target(
        "chunk progress",
        (b'{"c":1234,"b":8192,"r":"rec_1","n":2,"s":16384}',),
        progress,
        most_bytes=4 << 20,
    ),
    Target("torn WAV", (DISK.audio[:3000],), torn_audio, most_bytes=4 << 20),
    Target("torn FLAC", (_flac(),), torn_flac, most_bytes=4 << 20),
    Target("state/lane", (_LANE,), lane_state),
    Target("state/boots", (b'{"1":[1772366400000,1000,50,20],"2":[1,2,3,4]}',), boots),
    Target(
        "state/budget",
        (b'{"day":20517,"month":24315,"cellular":[1,2,0],"wifi":[5,6,7]}',),
        budget,
    ),
    Target("state/link", (b'{"good":"b","reset":"link_dead"}',), link_state),
    Target("state/config", (b'{"recording.mode":"continuous"}',), settings_kept),
    Target("config.json", (_SETTINGS, b'{"wifi":{"networks":["a"]}}'), settings_file),
    Target("boot record", (b"3 a b 2\n", b"1 - - 0\n"), boots_of_release),
    Target("update note", (_NOTE,), update_note),
    Target("kept log", (_LOG,), kept_log),
    Target("trust/keys", (b"rsa3072 " + b"c1" * 384 + b" maker\n",), keys),
    Target("bundle head", (_HEAD,), bundle_head, (bundles.BundleRefused,)),
)


def _unsynced(run):
    """Nobody pulls the plug here, and a sync of the host's disk takes longer than all the rest."""

    def quick(data):
        with replaced(os, fsync=lambda descriptor: None):
            return run(data)

    return quick


TARGETS = tuple(dataclasses.replace(target, run=_unsynced(target.run)) for target in _TARGETS)
