"""A day of recording in virtual time: places and times of every sample agree with the truth.

The board's ticks and its microphone's clock both drift; the loop stands still now and then, so
that samples are lost; the time comes late, steps, and drifts; takes of every kind, with reboots
between. Nothing is encoded: the codec keeps the first sample and the length of what it was given,
and a sample's value is its place in the microphone's own stream (modulo CYCLE, plus one).
"""

import asyncio
import random
import struct

import fakes
import numpy as np

from device.capture import signal
from device.capture.gate import Gate
from device.capture.level import Meter
from device.capture.pace import Pace
from device.capture.preroll import PreRoll
from device.capture.recorder import Recorder
from device.capture.ring import BlockRing
from device.capture.schedule import Schedule
from device.capture.take import Take
from device.link.clock import Clock
from device.store.medium import Quota
from device.store.slots import Slots

RATE_HZ = 8000
BLOCK = RATE_HZ  # a second: the day has 86,400 of them
RING_BLOCKS = 3
DRIVER = RATE_HZ // 2
TICK_PPM = 35  # true time passes so much faster than the ticks
MICROPHONE_PPM = -60
CYCLE = 65535  # values of samples; 0 is silence only
MIDNIGHT = fakes.T0 // 86400 * 86400
HOUR_S = 3600
QUIET = 30  # samples of a quiet room lie below, of speech above


class PlaceCodec:
    """Keeps (first sample, length) of each call: 8 bytes."""

    name, content_type, header_bytes, held, is_counting = "wav", "audio/wav", 4, 0, True

    def max_encoded_bytes(self, frames):
        return 8

    def begin(self, keep_held=False):
        pass

    def write_header(self, out):
        out[:4] = b"day\n"
        return 4

    def encode(self, pcm, out):
        struct.pack_into("<HxxI", out, 0, int.from_bytes(pcm[:2], "little"), len(pcm) // 2)
        return 8 if len(pcm) else 0

    def renumber(self, frame, out):
        out[:8] = frame
        return 8

    def finish(self, out):
        return 0

    def facts(self):
        return []


class World:
    """True time, and the microphone that hears by its own clock."""

    rate_hz = RATE_HZ

    def __init__(self, time):
        self.time = time
        self._boot_s, self._boot_true_s = 0.0, float(MIDNIGHT)
        self._task = None
        self.heard_at = []  # (place in the stream at a start, true Unix s of it)
        self.speaks = lambda unix_s: True
        self.place = 0
        self.lost = 0

    def true_s(self):
        return self._boot_true_s + (self.time.seconds - self._boot_s) * (1 + TICK_PPM / 1e6)

    def reboot(self, pause_s):
        self._boot_true_s = self.true_s() + pause_s
        self.time.seconds = self._boot_s = 0.0

    def true_start_ms(self, place):
        """True Unix ms of the sample at a place of the stream."""
        at, unix_s = max(row for row in self.heard_at if row[0] <= place)
        return 1000 * (unix_s + (place - at) / (RATE_HZ * (1 + MICROPHONE_PPM / 1e6)))

    def start(self, ring):
        self.heard_at.append((self.place, self.true_s()))
        self._task = asyncio.create_task(self._run(ring))

    def stop(self):
        self._task.cancel()

    async def _run(self, ring):
        begun_at, begun_s = self.heard_at[-1]
        delivered = 0
        while True:
            made = int((self.true_s() - begun_s) * RATE_HZ * (1 + MICROPHONE_PPM / 1e6))
            while made - delivered >= BLOCK:
                slot = ring.slot()
                if slot is None:
                    break
                unix_s = begun_s + delivered / RATE_HZ
                slot[:] = self._block(begun_at + delivered, self.speaks(unix_s))
                ring.commit(BLOCK)
                delivered += BLOCK
            lost = made - delivered - DRIVER - BLOCK
            if lost > 0:
                ring.overrun(lost)
                self.lost += lost
                delivered += lost
            self.place = begun_at + delivered
            await asyncio.sleep(max(0.001, (BLOCK - (made - delivered)) / RATE_HZ))

    def _block(self, place, speaks):
        """Values are places; the level is told to the meter by the first sample's neighbour."""
        block = (np.arange(place, place + BLOCK, dtype=np.int64) % CYCLE + 1).astype("<u2")
        self.is_loud[int(block[0])] = speaks
        return block.tobytes()

    is_loud: dict = {}


def measure_by_place(i, n, x, marks):
    """In place of the loop over samples: a block is as loud as the world said."""
    loud = World.is_loud.get(int.from_bytes(x[:2], "little"), True)
    level = 3000 if loud else QUIET
    marks[0], marks[1], marks[4] = 32768 - level, 32768 + level, 0
    energy = n * level * level // 2
    marks[2], marks[3] = energy & 0x7FFF, energy >> 15


class Board:
    """One boot: a new clock and a new recorder over the same store."""

    def __init__(self, world, store, boot, mode="button", windows=None, has_gate=False):
        log, self.lines = fakes.make_log()
        self.world = world
        self.has_gate = has_gate
        self.clock = Clock(fakes.ClockPort(MIDNIGHT - 86_400), boot, log)
        self.clock.attach(Slots("boots2", store.root + "/state/boots"))
        self.codec, self.preroll = PlaceCodec(), PreRoll(4096, 4 * RATE_HZ, 512)
        self.encoded = memoryview(bytearray(64))
        ring = BlockRing(RING_BLOCKS, BLOCK)
        meter, pace = Meter(RATE_HZ), Pace(RATE_HZ, self.clock)
        quota = Quota(store._storage, 65536, log)
        settings = {"rate_hz": RATE_HZ, "clip_samples": 480 * RATE_HZ, "boot": boot, "snr_db": 0}
        callbacks = {"epoch": lambda: 1, "closed": lambda: None, "torn": self.fail}
        take = Take(self, meter, pace, store, quota, self.clock, settings, callbacks, log)
        gate = Gate(RATE_HZ, -50, 9, 500, 20) if has_gate else None
        schedule = Schedule(windows, 0) if windows else None
        self.recorder = Recorder(
            world,
            ring,
            take,
            (meter, pace, gate, None, schedule),
            self.clock,
            quota,
            {"mode": mode, "skip_samples": 0},
            log,
        )

    def fail(self, number):
        raise AssertionError(f"clip {number} is torn: {self.lines[-5:]}")

    def ask_time(self, chance, error_s=0):
        error_ms = chance.randint(-25, 25)
        unix_ms = round(1000 * (self.world.true_s() + error_s)) + error_ms
        self.clock.witness(unix_ms, 30, "ntp")

    def run(self, seconds, *events):
        """events: (second of this boot, function)."""

        async def main():
            task = asyncio.create_task(self.recorder.run(lambda within_ms: None))
            for at_s, event in sorted(events, key=lambda row: row[0]):
                await asyncio.sleep(max(0, at_s - self.world.time.seconds))
                event()
            await asyncio.sleep(max(0, seconds - self.world.time.seconds))
            self.recorder.want(False)
            await asyncio.sleep(5)
            fakes.stop(task)
            await asyncio.wait([task])

        fakes.run(main(), self.world.time)
        assert not [line for line in self.lines if line.startswith("E")], self.lines[-5:]


def stalls(world, chance, begin_s, end_s, count):
    """The loop stands still for up to 9 s, so many times."""

    def stand():
        world.time.advance(1000 * chance.uniform(0.5, 9))

    return [(chance.uniform(begin_s, end_s), stand) for _ in range(count)]


def a_day(world, store, chance):
    """Yields each boot's Board when it is over."""
    board = Board(world, store, 1)  # button: takes of 2 h, 20 s and 0.4 h; known from the start
    press = board.recorder.toggle
    takes = [(60, press), (60 + 2 * HOUR_S, press), (8000, press), (8020, press), (9000, press)]
    takes += [(9000 + 1440, press), (5, lambda: board.ask_time(chance))]
    takes += [(6 * HOUR_S, lambda: board.ask_time(chance))]
    board.run(6.1 * HOUR_S, *takes, *stalls(world, chance, 100, 7000, 12))
    yield board
    world.reboot(240)
    # Schedule, the time unknown for its first half hour; a false witness in the middle.
    board = Board(world, store, 2, "schedule", ["06:30-07:30", "08:00-09:15"])
    truths = [(1800, 0), (5000, 3600), (5600, 0), (7000, 0)]
    asks = [(at, lambda e=error: board.ask_time(chance, e)) for at, error in truths]
    board.run(3.2 * HOUR_S, *asks, *stalls(world, chance, 2000, 8000, 6))
    yield board
    world.reboot(4000)
    # Continuous for 5 h, the time known only after 3 h: its clips are corrected afterwards.
    board = Board(world, store, 3, "continuous")
    asks = [(hours * HOUR_S, lambda: board.ask_time(chance)) for hours in (3, 5)]
    board.run(5.1 * HOUR_S, *asks, *stalls(world, chance, 100, 18_000, 40))
    yield board
    world.reboot(20)
    # Whoever speaks is recorded: some minutes of every quarter of an hour.
    board = Board(world, store, 4, "activity", has_gate=True)
    world.speaks = lambda unix_s: unix_s % 900 < 60 + (unix_s // 900 % 4) * 70
    asks = [(3, lambda: board.ask_time(chance)), (2 * HOUR_S, lambda: board.ask_time(chance))]
    board.run(4 * HOUR_S, *asks, *stalls(world, chance, 100, 14_000, 12))
    yield board
    world.reboot(20)
    # One long take without its silence, to the end of the day.
    board = Board(world, store, 5, "button", has_gate=True)
    rest_s = MIDNIGHT + 86_400 - world.true_s() - 30
    asks = [(at, lambda: board.ask_time(chance)) for at in (4, 2 * HOUR_S)]
    board.run(rest_s, *asks, (10, board.recorder.toggle), *stalls(world, chance, 100, rest_s, 12))
    yield board


def pieces(clip):
    """[(first value, length)] of a clip's file."""
    data = open(clip.audio_path, "rb").read()
    assert data[:4] == b"day\n" and (len(data) - 4) % 8 == 0
    return list(struct.iter_unpack("<HxxI", data[4:]))


def check_places(world, clip, start_place):
    """Every piece is where the clip says; gaps are zero; returns (kept, lost, left out)."""
    record = clip.record
    at, place = 0, start_place
    skips = dict(record.get("skips", []))
    gaps = record.get("gaps", [])
    filled = 0
    for value, length in pieces(clip):
        place += skips.get(at, 0)
        if value != place % CYCLE + 1:
            assert value == 0 and any(b <= at < b + span for b, span, _ in gaps), (record, at)
            filled += length
        at += length
        place += length
    assert at == record["samples"]
    assert filled == record.get("lost", 0) == sum(gap[2] for gap in gaps)
    return at - filled, filled, sum(skips.values())


def test_a_day(tmp_path, monkeypatch):
    from device import compat

    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    time = fakes.Time()
    monkeypatch.setattr(compat, "time", time)
    monkeypatch.setattr(signal, "measure", measure_by_place)
    world = World(time)
    store = fakes.make_store(tmp_path)
    store._storage.free = 10**9
    done, kinds, worst_ms = 0, set(), 0
    kept = filled = left_out = 0
    for board in a_day(world, store, chance):
        filled_before = filled
        while (clip := store.after(done)) is not None:
            done, record = clip.number, clip.record
            assert record["state"] == "closed" and record["boot"] == board.clock._boot
            start_ms, doubt_ms = board.clock.start_of(record)
            # Where in the stream it begins: the place with its first value nearest to its time.
            first = next((at, v) for at, v in offsets(clip) if v is not None)
            near = nearest_place(world, first[1], start_ms + 1000 * first[0] / RATE_HZ)
            start_place = near - first[0]
            error_ms = abs(world.true_start_ms(start_place) - start_ms)
            assert error_ms <= doubt_ms + 5, (seed, clip.number, error_ms, doubt_ms, record)
            worst_ms = max(worst_ms, error_ms)
            sums = check_places(world, clip, start_place)
            kept, filled, left_out = kept + sums[0], filled + sums[1], left_out + sums[2]
            kinds.add((record["boot"], record["index"] > 0, "gaps" in record, "skips" in record))
            if record["first"] > 1800 * RATE_HZ:
                assert abs(record["ppm"] - MICROPHONE_PPM) <= 45, "measured against these ticks"
        if not board.has_gate:
            assert filled - filled_before == world.lost, "all that was lost has its place"
        world.lost = 0
    assert world.true_s() > MIDNIGHT + 86_300
    print(
        f"clips {done}, kept {kept / RATE_HZ / HOUR_S:.2f} h, filled {filled / RATE_HZ:.1f} s, "
        f"left out {left_out / RATE_HZ / HOUR_S:.2f} h, worst start {worst_ms:.0f} ms"
    )
    assert kept > 11 * HOUR_S * RATE_HZ and left_out > 2 * HOUR_S * RATE_HZ
    assert {boot for boot, *_ in kinds} == {1, 2, 3, 4, 5}
    assert any(gaps for _, _, gaps, _ in kinds) and any(skips for *_, skips in kinds)


def offsets(clip):
    """(offset on the clip's axis, value or None if filled) of each piece."""
    at = place = 0
    skips = dict(clip.record.get("skips", []))
    gaps = clip.record.get("gaps", [])
    for value, length in pieces(clip):
        place += skips.get(at, 0)
        is_filled = value == 0 and any(b <= at < b + span for b, span, _ in gaps)
        yield place, None if is_filled else value
        at, place = at + length, place + length


def nearest_place(world, value, unix_ms):
    """The place of the stream with this value (16 bits, 8 s) whose true time is nearest."""
    begun = [row for row in world.heard_at if 1000 * row[1] <= unix_ms + 3000]
    at, unix_s = max(begun)
    guess = at + int((unix_ms / 1000 - unix_s) * RATE_HZ)
    base = guess - (guess - (value - 1)) % CYCLE
    return min((base, base + CYCLE), key=lambda place: abs(place - guess))
