"""Runs on MicroPython's unix port: the power goes at every flash operation of a whole run.

    micropython flash_cuts.py CODE FIRST LAST TORN [SECOND]

For each operation from FIRST to LAST: a fresh littlefs, record two clips, deliver and free them
with the real recorder, store, recovery and lane; at that operation the flash dies (TORN 1: half of
the operation is still done). Then boots again and goes on to the end. SECOND: the flash also dies
at that operation after the first boot, so that recovery is cut itself. Prints one JSON line a run.
"""

import asyncio
import gc
import json
import os
import sys

sys.path.insert(0, sys.argv[1])

import vfs
from ram_flash import MOUNT, Flash, Secrets, Storage

from device import codec
from device.api import dialect
from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.recorder import Recorder
from device.capture.ring import BlockRing
from device.capture.take import Take
from device.link.clock import Clock
from device.log import Log
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import MAGIC
from device.store.medium import Quota
from device.store.recovery import Recovery
from device.store.slots import Slots, parse
from device.store.store import ClipStore
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

RATE_HZ = 8000
CLIP_SAMPLES = RATE_HZ * 2
TOTAL_SAMPLES = RATE_HZ * 3 + 1234  # one clip that is cut, one that ends with the take
BLOCK_FRAMES = 512
STEPS = 4000  # turns of the loop after which a run is stuck
REST = 40  # turns without anything to do after which it is done


class Server:
    """Recordings by key and what storage holds, in place of transfer.cloud.Cloud."""

    def __init__(self):
        self.by_key = {}
        self.objects = {}
        self.proved = {}
        self.faults = []

    def has_token(self):
        return True

    async def create(self, body, key):
        known = self.by_key.setdefault(key, bytes(body))
        if known != bytes(body):
            self.faults.append("another body for " + key)
        return "rec_" + key.rsplit("-", 1)[1]

    async def upload_url(self, rid, content_type, size_bytes):
        return rid, [], None

    async def put(self, url, headers, source):
        if url in self.proved:
            self.faults.append("PUT after the proof of " + url)
        source.rewind()
        data = bytearray(source.length)
        view = memoryview(data)
        offset = 0
        while offset < len(data):
            n = source.readinto(view[offset : offset + 1024])
            if not n:
                raise OSError(5)
            offset += n
        self.objects[url] = data

    async def complete(self, rid, sha256_hex):
        if rid not in self.objects:
            self.faults.append("complete before the PUT of " + rid)
        self.proved[rid] = sha256_hex
        return dialect.PROOF


class Link:
    reason = "link_down"

    def is_up(self):
        return True

    def exchange_succeeded(self):
        pass

    exchange_failed = exchange_succeeded


class Microphone:
    """Hands over the samples of a ramp (sample i has the value i), as fast as they are taken."""

    rate_hz = RATE_HZ

    def __init__(self):
        self.position = 0
        self.ring = None

    def start(self, ring):
        self.ring = ring

    def stop(self):
        self.ring = None

    def step(self):
        """Fill one block; True if there is nothing more to hear."""
        block = None if self.ring is None else self.ring.slot()
        if block is not None and self.position < TOTAL_SAMPLES:
            n = min(BLOCK_FRAMES, TOTAL_SAMPLES - self.position)
            for i in range(n):
                value = self.position + i
                block[2 * i] = value & 0xFF
                block[2 * i + 1] = value >> 8 & 0xFF
            self.position += n
            self.ring.commit(n)
        return self.position == TOTAL_SAMPLES


class ClockPort:
    build_unix_s = 1_700_000_000

    def set_rtc(self, unix_s):
        pass


class Buffers:
    def __init__(self):
        self.preroll = None
        self.ring = BlockRing(4, BLOCK_FRAMES)
        self.codec = codec.encoder_of("wav", RATE_HZ)
        self.encoded = memoryview(bytearray(2 * BLOCK_FRAMES + 96))


async def life(flash, secrets, server, microphone, buffers, work, lines):
    """One power cycle, to its end or to the death of the flash. Returns what it saw."""
    log = Log(lines.append)
    boot = secrets.counter("boot") + 1
    secrets.raise_counter("boot", boot)
    clock = Clock(ClockPort(), boot, log)
    clock.witness(1_800_000_000_000, 100, "test")
    storage = Storage()
    store = ClipStore(storage, secrets)
    store.prepare()
    clock.attach(Slots("boots2", "/cut/state/boots"))
    waits = Waits(1, 2, clock, lambda bits: 0)
    waits.attach(Slots("lane1", "/cut/state/lane"))
    recovery = Recovery(store, work, log, lambda: lane.notify())
    backlog = Backlog(store, lambda: 1, recovery.pend)
    strategy = WholeFile(store, server, clock, "dev", "store", log)
    lane = Lane(store, backlog, waits, strategy, server, Link(), clock, 0, log)
    rate_hz = microphone.rate_hz
    settings = {"rate_hz": rate_hz, "clip_samples": CLIP_SAMPLES, "boot": boot, "snr_db": 0}
    callbacks = {"epoch": lambda: 1, "closed": lane.notify}
    quota = Quota(storage, 16384, log)
    buffers.ring.clear()
    meter = Meter(rate_hz)
    pace = Pace(rate_hz, clock)
    take = Take(buffers, meter, pace, store, quota, clock, settings, callbacks, log)
    recorder = Recorder(
        microphone,
        buffers.ring,
        take,
        (meter, pace, None, None, None),
        clock,
        quota,
        {"mode": "button", "skip_samples": 0},
        recovery.pend,
        log,
    )
    tasks = [asyncio.create_task(t.run(lambda within: None)) for t in (recorder, recovery, lane)]
    recorder.want(microphone.position < TOTAL_SAMPLES)
    rested = 0
    try:
        for _ in range(STEPS):
            if microphone.step():
                recorder.want(False)
            await asyncio.sleep_ms(0)
            if flash.dead:
                return "dead"
            resting = recorder.reason.code == "idle" and lane.reason.code == "nothing_to_send"
            if microphone.position < TOTAL_SAMPLES or not resting:
                rested = 0
            rested += 1
            if rested > REST:
                return "done"
        return "stuck %s %s" % (recorder.reason.code, lane.reason.code)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.sleep_ms(0)


def power_cycle(flash, dies_at, torn, rest):
    flash.power_on(dies_at, torn)
    try:
        vfs.mount(vfs.VfsLfs2(flash, **MOUNT), "/cut")
    except OSError as e:
        return "dead" if flash.dead else "mount errno=%s" % e.errno
    try:
        return asyncio.run(life(flash, *rest))
    except Exception as e:  # noqa: BLE001  whatever a cut leads to is looked at here
        if flash.dead:
            return "dead"
        return "raised %s %s" % (type(e).__name__, e)
    finally:
        asyncio.new_event_loop()
        try:
            vfs.umount("/cut")
        except OSError:
            pass
        # Files that the cut left open are finalised now, on the dead flash: not in the next life.
        gc.collect()


def leftovers(path, kept):
    """Names of files of clips that are neither freed nor set aside with a reason; kept: samples of
    those set aside, by number.
    """
    found = []
    for entry in os.ilistdir(path):
        name = path + "/" + entry[0]
        if entry[1] == 0x4000:
            found += leftovers(name, kept)
            continue
        if entry[0][8:] in (".r0", ".r1"):
            with open(name, "rb") as f:
                line = parse(MAGIC, f.read())
            if line and line[1]["state"] == "quarantined" and line[1]["why"]:
                kept[int(entry[0][:8], 16)] = line[1]["samples"]
        found.append(entry[0])
    return [name for name in found if int(name[:8], 16) not in kept]


def judge(server, microphone, kept):
    """Missing samples; faults are put into server.faults."""
    position = missing = 0
    for rid in sorted(server.proved, key=lambda rid: int(rid[4:])):
        data = server.objects[rid]
        samples = (len(data) - 44) // 2
        first = data[44] | data[45] << 8
        for i in range(0, samples, 97):
            if data[44 + 2 * i] | data[45 + 2 * i] << 8 != (first + i) & 0xFFFF:
                server.faults.append("%s is not what was heard" % rid)
                break
        if first < position:
            server.faults.append("%s holds samples of another clip" % rid)
        missing += first - position
        position = first + samples
    return missing + microphone.position - position - sum(kept.values())


def run(flash, dies_at, torn, second, buffers, work):
    flash.data[:] = flash.blank
    secrets, server, microphone = Secrets(), Server(), Microphone()
    lines = []
    rest = (secrets, server, microphone, buffers, work, lines)
    ends = [power_cycle(flash, dies_at, torn, rest)]
    operations = flash.operations
    if ends[0] == "dead":
        ends.append(power_cycle(flash, second, torn, rest))
    if ends[-1] == "dead":
        ends.append(power_cycle(flash, 0, torn, rest))
    vfs.mount(vfs.VfsLfs2(flash, **MOUNT), "/cut")
    kept = {}
    left = leftovers("/cut/clips", kept)
    vfs.umount("/cut")
    result = {"cut": dies_at, "second": second, "operations": operations, "ends": ends}
    result["missing"] = judge(server, microphone, kept)
    result["faults"] = server.faults
    result["left"] = left
    result["recordings"] = len(server.proved)
    if "-v" in sys.argv:
        result["log"] = lines
    print(json.dumps(result))


def main():
    first, last, torn = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
    second = int(sys.argv[5]) if len(sys.argv) > 5 and sys.argv[5].isdigit() else 0
    flash = Flash()
    flash.format()
    buffers = Buffers()
    work = memoryview(bytearray(2304))
    for dies_at in range(first, last + 1):
        run(flash, dies_at, torn, second, buffers, work)


main()
