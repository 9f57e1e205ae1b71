"""Targets: what else lies on the flash. State files, settings, logs, bundles.

JSON that stands in slots (device/store/slots.py) is given a right CRC: another firmware, or a
person, may have written it.
"""

import json
import os
import pathlib
import shutil
from binascii import crc32

from device import config
from device.api import dialect
from device.config_kept import load_settings
from device.field import logs
from device.link.budget import Budget
from device.link.clock import BOOTS, Clock
from device.link.link import Link, Way
from device.log_file import seal
from device.queue.waits import Waits
from device.reasons import LANE, is_reason
from device.store.slots import Slots
from device.update import bundle as bundles
from device.update import note, signature
from host_tests.fuzz.disk import DISK, sealed, unsynced
from host_tests.fuzz.engine import Target
from host_tests.unit import fakes
from rescue import boot_record
from rescue import settings as rescue_settings

_CAP_S = 1800


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

TARGETS = tuple(
    unsynced(target)
    for target in (
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
)
