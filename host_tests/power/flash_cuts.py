"""Runs on MicroPython's unix port: the power goes at every step of a whole run.

    micropython flash_cuts.py CODE MEDIUM KIND FIRST LAST [SECOND_FIRST SECOND_LAST]

MEDIUM: lfs (littlefs), fat. For each step from FIRST to LAST: a fresh medium, record two clips,
deliver and free them with the real recorder, store, recovery and lane; at that step, by KIND:

    clean, torn   the medium dies at that write or erase; torn: half of it is still done
    fails         that write or erase fails, once, and all goes on without a boot
    net           the power goes at that event of the network: each call to the cloud has four,
                  before it is sent, when it is sent, after the commit, after the answer

with "live-" before it: the clips go in chunks while they are recorded.

Then boots again and goes on to the end. SECOND_FIRST to SECOND_LAST: the medium also dies at each
of these operations after the first boot, so that recovery is cut itself. Prints one JSON line a
run, the faults of the volume's structure after each cut among them.
"""

import asyncio
import gc
import hashlib
import json
import os
import sys

sys.path.insert(0, sys.argv[1])

from ram_flash import Card, Flash, Secrets, Storage

from device import codec
from device.api import chunks, dialect
from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.recorder import Recorder
from device.capture.ring import BlockRing
from device.capture.take import Take
from device.compat import hex_digest
from device.errors import DeviceError
from device.link.clock import Clock
from device.log import Log
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import MAGIC
from device.store.medium import Quota
from device.store.recovery import Recovery
from device.store.slots import Slots, parse
from device.store.store import ClipStore
from device.transfer.choice import Strategies
from device.transfer.chunked import Chunked
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

RATE_HZ = 8000
CLIP_SAMPLES = RATE_HZ * 2
TOTAL_SAMPLES = RATE_HZ * 3 + 1234  # one clip that is cut, one that ends with the take
BLOCK_FRAMES = 512
CHUNK_BYTES = 12_000  # three for the first clip, and a cut in the middle of blocks and frames
STEPS = 4000  # turns of the loop after which a run is stuck
KICK = 50  # turns after which a lane that waits is told to look again, as a person would
LIVE = False
REST = 40  # turns without anything to do after which it is done


class Server:
    """Recordings by key and what storage holds, in place of transfer.cloud.Cloud.

    At network event number dies_at the power goes: pull() is called, nothing comes back.
    """

    def __init__(self, dies_at, pull):
        self.by_key = {}
        self.objects = {}
        self.proved = {}
        self.faults = []
        self.events = 0
        self.stored = {}  # recording -> {chunk: bytes}
        self.twice = 0  # chunks that were stored more than once
        self.live = 0  # chunks that were stored while a clip was open
        self.is_open = None
        self._dies_at = dies_at
        self._pull = pull

    def has_token(self):
        return True

    async def _event(self):
        await asyncio.sleep_ms(0)
        self.events += 1
        if self.events == self._dies_at:
            self._pull()
            await asyncio.Event().wait()

    async def _call(self, commit):
        await self._event()  # before it is sent
        await self._event()  # sent, and not carried out
        answer = commit()
        await self._event()  # carried out, the answer is on its way
        await self._event()  # the answer is here
        return answer

    async def create(self, body, key):
        body = bytes(body)

        def commit():
            if self.by_key.setdefault(key, body) != body:
                self.faults.append("another body for " + key)
            return "rec_" + "".join(key.split("-")[3:])  # the number, and s or w

        return await self._call(commit)

    async def upload_url(self, rid, content_type, size_bytes):
        return await self._call(lambda: (rid, [], None))

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

        rid, _, number = url.partition("/")

        def commit():
            if not number:
                self.objects[rid] = data
                return
            found = self.stored.setdefault(rid, {})
            self.twice += number in found
            self.live += self.is_open()
            found[number] = data

        await self._call(commit)

    async def chunk_url(self, rid, number, content_type, size_bytes):
        return await self._call(lambda: ("%s/%d" % (rid, number), [], None))

    async def finalize(self, rid, total_chunks, duration_ms, md5_hex):
        def commit():
            found = self.stored[rid]
            numbers = ["%d" % (number + 1) for number in range(total_chunks)]
            if sorted(found) != sorted(numbers):
                self.faults.append("%s: finalize of other chunks" % rid)
                return chunks.FAILED
            data = b"".join([bytes(found[number]) for number in numbers])
            if hex_digest(hashlib.md5(data).digest()) != md5_hex:
                self.faults.append("%s: its chunks are not the file" % rid)
                return chunks.FAILED
            self.objects[rid] = data
            self.proved[rid] = md5_hex
            return chunks.ACCEPTED

        return await self._call(commit)

    async def complete(self, rid, sha256_hex):
        def commit():
            if rid not in self.objects:
                self.faults.append("complete before the PUT of " + rid)
            self.proved[rid] = sha256_hex
            return dialect.PROOF

        return await self._call(commit)


class Link:
    reason = "link_down"

    def is_up(self):
        return True

    def exchange_succeeded(self):
        pass

    def exchange_failed(self, code):
        pass


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
    storage = Storage(flash)
    store = ClipStore(storage, secrets)
    store.prepare()
    clock.attach(Slots("boots2", "/cut/state/boots"))
    waits = Waits(1, 2, clock, lambda bits: 0)
    waits.attach(Slots("lane1", "/cut/state/lane"))
    recovery = Recovery(store, work, log, lambda: lane.notify())
    backlog = Backlog(store, lambda: 1, recovery.pend)
    makers = (store, server, clock, "dev", "store")
    strategy = WholeFile(*makers, log)
    if LIVE:
        chunked = Chunked(*makers, CHUNK_BYTES, strategy.note_put, log)
        strategy = Strategies(store, strategy, chunked, "chunks", True, lambda: 1, log)
        store.follow = (lambda: lane.notify(), CHUNK_BYTES)
    lane = Lane(store, backlog, waits, strategy, server, Link(), clock, 0, log)
    rate_hz = microphone.rate_hz
    settings = {"rate_hz": rate_hz, "clip_samples": CLIP_SAMPLES, "boot": boot, "snr_db": 0}
    callbacks = {"epoch": lambda: 1, "closed": lane.notify, "torn": recovery.pend}
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
        log,
    )
    server.is_open = recorder.is_recording
    tasks = [asyncio.create_task(t.run(lambda within: None)) for t in (recorder, recovery, lane)]
    recorder.want(microphone.position < TOTAL_SAMPLES)
    rested = 0
    try:
        for turn in range(STEPS):
            if microphone.step():
                recorder.want(False)
            await asyncio.sleep_ms(0)
            if flash.dead:
                return "dead"
            if flash.failed and not turn % KICK:
                recorder.want(microphone.position < TOTAL_SAMPLES)
                lane.look_again()
            resting = not recorder.is_recording() and lane.reason.code == "nothing_to_send"
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
        if store.opened:
            # Closed on the dead flash, not by a collection in the next life.
            store.opened[1].abandon()


def power_cycle(flash, rest, faults):
    """One life, from the mount to "done" or "dead"; faults of the volume go into faults."""
    try:
        flash.mount()
    except OSError as e:
        return "dead" if flash.dead else "mount errno=%s" % e.errno
    try:
        return asyncio.run(life(flash, *rest))
    except Exception as e:  # noqa: BLE001  whatever a cut leads to is looked at here
        if flash.dead:
            return "dead"
        if flash.once and isinstance(e, DeviceError):
            return "reset"  # as main.py does with what the building of the recorder raises
        return "raised %s %s" % (type(e).__name__, e)
    finally:
        asyncio.new_event_loop()
        flash.unmount()
        # Files that the cut left open are finalised now, on the dead flash: not in the next life.
        gc.collect()
        faults += flash.walk()[0]


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


def number_of(rid):
    return int(rid[4:].rstrip("sw"))


def judge(server, microphone, kept):
    """Missing samples; faults are put into server.faults."""
    position = missing = 0
    for rid in sorted(server.proved, key=number_of):
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


def run(flash, kind, step, second, buffers, work):
    """One line of output: what a cut at step (and one at second) led to."""
    flash.renew()

    def pull():
        flash.dead = True

    server = Server(step if kind == "net" else 0, pull)
    secrets, microphone = Secrets(), Microphone()
    lines, faults = [], []
    rest = (secrets, server, microphone, buffers, work, lines)
    torn = kind == "torn"
    flash.power_on(0 if kind == "net" else step, torn, kind == "fails")
    ends = [power_cycle(flash, rest, faults)]
    result = {"cut": step, "second": second, "operations": flash.operations}
    result["events"] = server.events
    if ends[0] in ("dead", "reset"):
        flash.power_on(second, torn)
        ends.append(power_cycle(flash, rest, faults))
    if ends[-1] == "dead":
        flash.power_on(0, torn)
        ends.append(power_cycle(flash, rest, faults))
    kept = {}
    flash.power_on(0, torn)
    flash.mount()
    result["left"] = leftovers("/cut/clips", kept)
    flash.unmount()
    result["lost_clusters"] = flash.walk()[1]
    result["missing"] = judge(server, microphone, kept)
    result["faults"] = server.faults + faults
    result["ends"] = ends
    result["recordings"] = len(server.proved)
    result["twice"], result["live"] = server.twice, server.live
    result["anew"] = len([key for key in server.by_key if key.endswith("-w")])
    if "-v" in sys.argv:
        result["log"] = lines
    print(json.dumps(result))


def main():
    global LIVE
    medium, kind = sys.argv[2:4]
    LIVE = kind.startswith("live-")
    kind = kind.replace("live-", "")
    numbers = [int(word) for word in sys.argv[4:] if word != "-v"]
    first, last = numbers[:2]
    seconds = range(numbers[2], numbers[3] + 1) if len(numbers) == 4 else (0,)
    flash = Flash() if medium == "lfs" else Card()
    buffers = Buffers()
    work = memoryview(bytearray(2304))
    for step in range(first, last + 1):
        for second in seconds:
            run(flash, kind, step, second, buffers, work)


main()
