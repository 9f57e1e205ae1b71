"""Audio lost while a board records without end and uploads, under what each operation costs it.

    python -m tools.bench.losses --hours 10 --medium sd|flash [--seed 1]     prints one JSON line

The device's own recorder, ring, store, lane and HTTP run in virtual time (tools/torture, whose
costs.py is the table). Here the microphone has a driver behind the ring, as on the board; flash
and card have costs of their own; a block of FLAC holds the processor as long as its instructions
take. The server closes each connection after a clip, so every clip pays two handshakes: eight
times what the default settings do in an hour. What stops the flash alone (three erases at most,
160 ms) is less than what the DMA alone holds, so the driver has one figure here, not two.
"""

import argparse
import json
import random
import sys

from tools.bench import cuts
from tools.bench.codec import ASSUMED_CYCLES_PER_IR, S3_HZ
from tools.torture import bend, blocks, costs, month, parts, weather, world

RATE_HZ = 16000
BLOCK_MS = 64
RING_BLOCKS = 8
CLIP_S = 60
# docs/hardware.md, esp32-s3-sd: what buffers and DMA hold while the interpreter is busy in C.
DRIVER_MS = 496
COVER_KIB = 2 * 16 + 32 + 16  # two buffers, DMA, ring
ENCODE_IR_A_SAMPLE = 800  # M10's target
_CAPACITY_BYTES = 16 * 1024 * 1024
_HOUR_S = 3600
_HOURS_A_WORLD = 20  # the loop takes one that goes on much longer for one that spins
_NEARLY_H = 0.01
_REST_MS = 6 * _HOUR_S * 1000
SETTINGS = {
    "recording.rate_hz": RATE_HZ,
    "recording.block_ms": BLOCK_MS,
    "recording.clip_length_s": CLIP_S,
}
MEDIA = ("sd", "flash")


class Microphone(parts.Microphone):
    """As the parent, but blocks that find no room in the ring wait in the driver first."""

    rate_hz = RATE_HZ

    def __init__(self, place, driver_ms):
        super().__init__(place)
        self._driver_frames = RATE_HZ * driver_ms // 1000

    def pump(self, now_ms):
        if self.ring is None:
            return
        size = self.ring.frames_per_block
        while self._due(now_ms) - self.position >= size and self.ring.slot() is not None:
            self._fill(size)
        waiting = self._due(now_ms) - self.position
        self._world.most_waiting = max(self._world.most_waiting, waiting + size * len(self.ring))
        lost = waiting - self._driver_frames - size
        if lost > 0:
            self.ring.overrun(lost)
            self._world.lost_frames += lost
            self.position += lost

    def _arm(self):
        # After a loss blocks no longer begin at whole multiples of their length.
        needed = self.position + self.ring.frames_per_block - self._start_position
        at_ms = self._started_ms + -(-needed * 1000 // RATE_HZ)
        at_ms = max(at_ms, self._world.now_ms + 1)
        self._timer = self._world.loop.call_at_ms(at_ms, self._tick)

    def _due(self, now_ms):
        return self._start_position + int(now_ms - self._started_ms) * RATE_HZ // 1000

    def _fill(self, count):
        # Silence: what is said does not matter here, and names of samples need memory.
        block = self.ring.slot()
        if block is None:
            super()._fill(count)
            return
        block[: 2 * count] = bytes(2 * count)
        self.ring.commit(count)
        self.position += count


class LongWorld(world.World):
    def __init__(self, forecast, medium, driver_ms):
        super().__init__(forecast)
        self.microphone = Microphone(self, driver_ms)
        self.medium._watch = lambda what, path, data: None  # what is written is not judged here
        self._is_card = medium == "sd"
        self._luck = random.Random(f"losses {forecast.seed}")
        self.lost_frames = 0
        self.most_waiting = 0
        self.handshakes = 0
        self.delivered = 0

    def _cost(self, what, size):
        if not self.loop or what not in ("sync", "commit"):
            return
        pages = -(-size // 4096)
        if self._is_card:
            ms = costs.CARD_WRITE * max(1, pages)
            if self._luck.randrange(costs.CARD_STALL_EVERY) == 0:
                ms += costs.CARD_STALL
        else:
            ms = costs.COMMIT + costs.ERASE * pages + costs.PROGRAM_PER_KIB * size / 1024
        self.stall(int(ms))

    def add(self, kind, **detail):
        if kind == "commit" and detail["route"] == "complete" and detail["status"] == 200:
            self.delivered += 1
            self.loop.call_at_ms(self.now_ms + 2 * costs.ROUND_TRIP + costs.SERVER, self._part)
        # The history of many hours would only fill the memory.

    def _part(self):
        """The server closes what is open: the next clip shakes hands again."""
        self.handshakes += len(self.net._open)
        self.net.drop_all()

    def texts_of_request(self, route, target, body):
        pass


def _encode_ms(samples):
    return 1000 * samples * ENCODE_IR_A_SAMPLE * ASSUMED_CYCLES_PER_IR / S3_HZ


def _bend(ring_blocks):
    """Once a process: 16 kHz, blocks as large as FLAC's, and what encoding them costs."""
    bend.install(world.SETTINGS | SETTINGS | {"recording.ring_blocks": ring_blocks})
    world.CAPACITY_BYTES, world.REST_BOUND_MS = _CAPACITY_BYTES, _REST_MS
    bend.RATE_HZ = parts.RATE_HZ = world.RATE_HZ = RATE_HZ
    blocks._SAMPLES_A_BYTE = 1  # 128 kbit/s; speech in FLAC takes about that
    encode = blocks.BlockEncoder.encode

    def slow(self, pcm, out):
        bend.Hook.world.stall(round(_encode_ms(len(pcm) // 2)))
        return encode(self, pcm, out)

    blocks.BlockEncoder.encode = slow


def run(
    hours: float,
    seed: int,
    medium: str,
    driver_ms: int = DRIVER_MS,
    ring_blocks: int = RING_BLOCKS,
) -> dict:
    """So many virtual hours, in recorders that each record for _HOURS_A_WORLD without end. Once a
    process.
    """
    _bend(ring_blocks)
    whole = {"hours": 0.0, "lost_frames": 0, "most_behind_ms": 0.0, "clips": 0, "handshakes": 0}
    while whole["hours"] < hours - _NEARLY_H:
        place = _one(min(_HOURS_A_WORLD, hours - whole["hours"]), seed, medium, driver_ms)
        seed += 1
        whole["hours"] += place.microphone.position / RATE_HZ / _HOUR_S
        whole["lost_frames"] += place.lost_frames
        behind_ms = 1000 * place.most_waiting / RATE_HZ
        whole["most_behind_ms"] = max(whole["most_behind_ms"], behind_ms)
        whole["clips"] += place.delivered
        whole["handshakes"] += place.handshakes
    return whole


def _one(hours, seed, medium, driver_ms):
    """A world that heard so many hours, all of it delivered. Raises RuntimeError."""
    take = {"at_s": 20, "what": "take", "for_s": int(hours * _HOUR_S)}
    place = LongWorld(weather.Weather(seed, 0, [take]), medium, driver_ms)
    bend.Hook.world = place
    month.live(place)
    if cuts.on_medium(place):
        raise RuntimeError(f"{len(cuts.on_medium(place))} clips were never delivered")
    if place.microphone.position / RATE_HZ < hours * _HOUR_S - 10:
        raise RuntimeError(f"only {place.microphone.position / RATE_HZ:.0f} s were heard")
    return place


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.losses", description=__doc__)
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--medium", choices=MEDIA, default="sd")
    parser.add_argument("--driver-ms", type=int, default=DRIVER_MS, help="what the driver holds")
    parser.add_argument("--ring-blocks", type=int, default=RING_BLOCKS, help="of 64 ms each")
    options = parser.parse_args(argv)
    words = (options.seed, options.medium, options.driver_ms, options.ring_blocks)
    found = run(options.hours, *words)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
