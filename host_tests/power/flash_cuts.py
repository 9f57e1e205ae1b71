"""Runs on MicroPython's unix port: the power goes at every step of a whole run.

    micropython flash_cuts.py CODE MEDIUM KIND FIRST LAST [SECOND_FIRST SECOND_LAST] [every=N]

MEDIUM: lfs (littlefs), fat. For each (or each N-th) step from FIRST to LAST: a fresh medium,
record two clips, deliver and free them with the real recorder, store, recovery and lane; at that
step, by KIND:

    clean, torn   the medium dies at that write or erase; torn: half of it is still done
    fails         that write or erase fails, once, and all goes on without a boot
    calls         that call of the block device fails, once, reads too
    net           the power goes at that event of the network: each call to the cloud has four,
                  before it is sent, when it is sent, after the commit, after the answer

with "live-" before it: the clips go in chunks while they are recorded; with "one-": a single clip.

Then boots again and goes on to the end. SECOND_FIRST to SECOND_LAST: the medium also dies at each
of these operations after the first boot, so that recovery is cut itself; it goes on with the next
step where no operation is left. Prints one JSON line a run: what came of it, the faults of the
volume's structure after each cut, and the history for tools/torture/invariants (witness.py).
"""

import asyncio
import gc
import json
import os
import sys

sys.path.insert(0, sys.argv[1])

import witness
from ram_flash import Card, Flash, Secrets, Storage
from surroundings import BLOCK_FRAMES, RATE_HZ, ClockPort, Link, Microphone, Server

from device import codec
from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.recorder import Recorder
from device.capture.ring import BlockRing
from device.capture.take import Take
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

CLIP_SAMPLES = RATE_HZ * 2
TOTAL_SAMPLES = RATE_HZ * 3 + 1234  # one clip that is cut, one that ends with the take
ONE_CLIP_SAMPLES = RATE_HZ + 2345
CHUNK_BYTES = 12_000  # three for the first clip, and a cut in the middle of blocks and frames
STEPS = 4000  # turns of the loop after which a run is stuck
KICK = 50  # turns after which a lane that waits is told to look again, as a person would
LIVE = ONE = False
SEEN = None  # who watches the run that goes on
REST = 40  # turns without anything to do after which it is done


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
    total = microphone.total_samples
    tasks = [asyncio.create_task(t.run(lambda within: None)) for t in (recorder, recovery, lane)]
    recorder.want(microphone.position < total)
    rested = 0
    try:
        for turn in range(STEPS):
            if microphone.step():
                recorder.want(False)
            await asyncio.sleep_ms(0)
            if flash.dead:
                return "dead"
            if flash.failed:
                SEEN.refused(microphone.position)
            if flash.failed and not turn % KICK:
                recorder.want(microphone.position < total)
                lane.look_again()
            resting = not recorder.is_recording() and lane.reason.code == "nothing_to_send"
            if microphone.position < total or not resting:
                rested = 0
            rested += 1
            # A folder that could not be read to its end looks empty (vfs_lfsx.c, ilistdir): the
            # lane, which looks again each minute, is told to.
            if rested > (2 * KICK if flash.failed else REST):
                return "done"
        return "stuck %s %s" % (recorder.reason.code, lane.reason.code)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.sleep_ms(0)
        server.is_open = None  # it must not hold what this life leaves
        if store.opened:
            # Closed on the dead flash, not by a collection in the next life.
            store.opened[1].abandon()


def power_cycle(flash, rest, faults):
    """One life, from the mount to "done" or "dead"; faults of the volume go into faults."""
    try:
        flash.mount()
    except OSError as e:
        if flash.once:
            return "reset"  # as main.py does where the board cannot be built
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
    """Names of files of clips that are neither freed nor set aside with a reason; kept: (stem,
    record) of those set aside, by number.
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
                kept[int(entry[0][:8], 16)] = name[: name.rindex(".")], line[1]
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
    aside = sum([record["samples"] for _, record in kept.values()])
    return missing + microphone.position - position - aside


def history(seen, server, microphone, kept):
    """What happened, as tools.torture.history.History.from_json takes it."""
    seen.add("heard", first=0, count=microphone.position)
    recordings = []
    for rid in seen.recordings:
        data = server.objects.get(rid)
        row = {
            "rid": rid,
            "clip": number_of(rid),
            "status": "",
            "acknowledged": rid in server.proved,
        }
        if data is not None:
            row.update(sha=seen.sha(data), size=len(data), runs=witness.runs_of(data[44:]))
        recordings.append(row)
    found = {}
    for number, (stem, record) in kept.items():
        whole, runs = seen.audio(stem, record)
        row = {"state": record["state"], "why": record["why"], "runs": runs}
        row["intact"] = seen.closed.get(number) == seen.sha(whole)
        found[str(number)] = row
    return {
        "rate_hz": RATE_HZ,
        "api_hosts": [""],
        "storage_hosts": [""],
        "events": seen.events,
        "recordings": recordings,
        "kept": found,
    }


def run(flash, kind, step, second, buffers, work):
    """One line of output: what a cut at step (and one at second) led to. False if the second cut
    found no operation any more.
    """
    global SEEN
    flash.renew()
    SEEN = seen = witness.Witness(RATE_HZ, flash)

    def pull():
        flash.dead = True

    server = Server(step if kind == "net" else 0, pull, seen)
    secrets, microphone = Secrets(), Microphone(ONE_CLIP_SAMPLES if ONE else TOTAL_SAMPLES)
    lines, faults = [], []
    rest = (secrets, server, microphone, buffers, work, lines)
    torn = kind == "torn"
    if kind == "calls":
        flash.power_on(0, False, fails_call=step)
    else:
        flash.power_on(0 if kind == "net" else step, torn, kind == "fails")
    ends = [power_cycle(flash, rest, faults)]
    tell_end(seen, flash, ends, microphone)
    result = {"cut": step, "second": second, "operations": flash.operations}
    result["calls"] = flash.calls
    result["events"] = server.events
    if ends[0] in ("dead", "reset"):
        flash.power_on(second, torn)
        ends.append(power_cycle(flash, rest, faults))
        tell_end(seen, flash, ends, microphone)
    if ends[-1] == "dead":
        flash.power_on(0, torn)
        ends.append(power_cycle(flash, rest, faults))
    kept = {}
    flash.power_on(0, torn)
    flash.mount()
    result["left"] = leftovers("/cut/clips", kept)
    if not LIVE:
        result["history"] = history(seen, server, microphone, kept)
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
    return not second or ends[:2] == ["dead", "dead"]


def tell_end(seen, flash, ends, microphone):
    """The power went, or a call was refused: the history knows when."""
    if ends[-1] == "dead":
        seen.add("cut", heard=microphone.position)
    elif flash.failed:
        seen.refused(microphone.position)


def main():
    global LIVE, ONE
    medium, kind = sys.argv[2:4]
    LIVE, ONE = kind.startswith("live-"), kind.startswith("one-")
    kind = kind.replace("live-", "").replace("one-", "")
    witness.install(lambda: SEEN)
    words = [word for word in sys.argv[4:] if word != "-v"]
    every = [int(word[6:]) for word in words if word.startswith("every=")] or [1]
    numbers = [int(word) for word in words if "=" not in word]
    first, last = numbers[:2]
    seconds = range(numbers[2], numbers[3] + 1) if len(numbers) == 4 else (0,)
    flash = Flash() if medium == "lfs" else Card()
    buffers = Buffers()
    work = memoryview(bytearray(2304))
    for step in range(first, last + 1, every[0]):
        for second in seconds:
            if not run(flash, kind, step, second, buffers, work):
                break


main()
