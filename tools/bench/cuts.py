"""Bytes sent again when link or power fail at random, with the real lane in virtual time.

    python -m tools.bench.cuts --cuts 1000 [--chunks] [--seed 1]     prints one JSON line

Clips are recorded once, out of reach of any network. Each world then begins with them on its
medium, and again and again a step of the network (a piece on its way, a request sent, committed,
answered) is the last one before the link breaks or the power goes: at random within the length of
two clips, so that half the attempts end well. tools/torture has the world, its cloud and costs.
"""

import argparse
import dataclasses
import json
import random
import sys

from tools.torture import bend, month, sky, weather, world

CLIPS = 10
CLIP_S = 240
CHUNK_KB = 16
SETTINGS = {"recording.clip_length_s": CLIP_S}
CHUNKED = {"upload.strategy": "chunks", "upload.chunk_kb": CHUNK_KB, "upload.live": False}
_CAPACITY_BYTES = 4 * 1024 * 1024
_REST_MS = 20 * 86_400_000
_NETWORK = ("piece sent", "request sent", "request committed", "answer arrived")
_OUT_OF_REACH = {"at_s": 0, "what": "no_coverage", "for_s": 10 * CLIPS * CLIP_S}


class RecordingSky(sky.Sky):
    """Ends it when all clips lie there and none could leave."""

    def _end(self, event):
        super()._end(event)
        if event["what"] == "no_coverage":
            raise world.Finished


class CutWorld(world.World):
    def __init__(self, forecast, recorded, in_chunks):
        super().__init__(forecast, in_chunks)
        medium = self.medium
        medium.files = dict(recorded.files)
        medium.folders = {path: set(names) for path, names in recorded.folders.items()}
        medium.used_bytes = recorded.used_bytes
        self._in_chunks = in_chunks
        self._fate = random.Random(f"cuts {forecast.seed}")
        self._steps_a_clip = 0
        self._left = None
        self._answered = set()  # whose PUT was answered with a 2xx: clip, or chunk by its path
        self._stored = set()  # clips whose record says so
        self._asked = {}  # number of a request that is a PUT -> (whose, body bytes)
        self._target = ("", 0)
        self.result = Result()

    def limit(self, steps_a_clip):
        self._steps_a_clip = steps_a_clip
        self._draw()

    def _draw(self):
        self._left = self._fate.randint(1, 2 * self._steps_a_clip)

    def step(self, what):
        super().step(what)
        if what not in _NETWORK or not self.loop:
            return
        self.result.steps += 1
        if self._left is None:
            return
        self._left -= 1
        if self._left <= 0:
            self._strike()

    def _strike(self):
        self._draw()
        result = self.result
        result.cuts += 1
        # Of a body that is whole, texts_of_request has counted every byte.
        partial = [
            len(c._sent) - c._head[3] for c in self.net._open if c._head and c._head[0] == "PUT"
        ]
        result.put_bytes += sum(partial)
        if self._fate.random() < 0.5:
            result.power_cuts += 1
            self.sky._pending_cut = {"what": "cut", "off_s": 2}
            self.sky._cut()
        self.net.drop_all()

    def texts_of_request(self, route, target, body):
        if route == "put":
            self.result.puts += 1
            self.result.put_bytes += len(body)
            self._target = (target.partition("?")[0], len(body))

    def add(self, kind, **detail):
        super().add(kind, **detail)
        if kind == "record" and detail["state"] == "stored":
            self._stored.add(detail["clip"])
        elif kind == "request" and detail["route"] == "put":
            self._asked[detail["id"]] = detail["clip"]
            if detail["clip"] in self._stored:
                self.result.puts_after_stored += 1
            elif not self._in_chunks and detail["clip"] in self._answered:
                self.result.puts_after_answer += 1
        elif kind == "answer" and 200 <= detail["status"] < 300 and detail["id"] in self._asked:
            self._answered.add(self._asked[detail["id"]])


@dataclasses.dataclass
class Result:
    """Counts over all worlds. puts_after_answer: the answer had arrived, and the power went before
    the record could say so: nobody can know.
    """

    worlds: int = 0
    cuts: int = 0
    power_cuts: int = 0
    steps: int = 0
    clips: int = 0
    clip_bytes: int = 0  # of all clips, each once
    puts: int = 0
    put_bytes: int = 0
    puts_after_stored: int = 0
    puts_after_answer: int = 0

    def add(self, other: "Result") -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def on_medium(place: world.World) -> set[str]:
    """Clips of which anything lies on the medium, by their path without extension."""
    paths = place.medium.files
    return {path.rpartition(".")[0] for path in paths if path.startswith("/flash/clips/0")}


def record(seed: int, in_chunks: bool):
    """The medium with all clips on it."""
    take = {"at_s": 30, "what": "take", "for_s": CLIPS * CLIP_S}
    forecast = weather.Weather(seed, 0, [_OUT_OF_REACH, take])
    place = world.World(forecast, in_chunks)
    place.sky = RecordingSky(forecast, place)
    bend.Hook.world = place
    month.live(place)
    if len(on_medium(place)) < CLIPS:
        raise RuntimeError(f"{len(on_medium(place))} clips were recorded, not {CLIPS}")
    return place.medium


def deliver(seed: int, recorded, in_chunks: bool, steps_a_clip: int | None) -> Result:
    """One world to its end; steps_a_clip None: nothing goes wrong."""
    place = CutWorld(weather.Weather(seed, 0, []), recorded, in_chunks)
    if steps_a_clip:
        place.limit(steps_a_clip)
    bend.Hook.world = place
    month.live(place)
    if on_medium(place):
        raise RuntimeError(f"seed {seed}: {len(on_medium(place))} clips were never delivered")
    result = place.result
    result.worlds = 1
    for recording in place.model.recordings.values():
        if recording.status == "uploaded":
            result.clips += 1
            result.clip_bytes += len(place.model.object_of(recording))
    return result


def run(cuts: int, seed: int, in_chunks: bool) -> dict:
    """Worlds until so many cuts. Bends the device's code: once a process."""
    bend.install(world.SETTINGS | SETTINGS | (CHUNKED if in_chunks else {}))
    world.CAPACITY_BYTES, world.REST_BOUND_MS = _CAPACITY_BYTES, _REST_MS
    recorded = record(seed, in_chunks)
    undisturbed = deliver(seed, recorded, in_chunks, None)
    whole = Result()
    while whole.cuts < cuts:
        seed += 1
        whole.add(deliver(seed, recorded, in_chunks, undisturbed.steps // undisturbed.clips))
    if undisturbed.put_bytes != undisturbed.clip_bytes:
        raise RuntimeError(f"bytes are sent again with nothing wrong: {undisturbed}")
    again = whole.put_bytes - whole.clip_bytes
    clip = whole.clip_bytes / whole.clips
    return dataclasses.asdict(whole) | {
        "clip": clip,
        "again_a_cut": again / whole.cuts,
        "clips_again_a_cut": again / whole.cuts / clip,
    }


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chunks", action="store_true")
    options = parser.parse_args(argv)
    print(json.dumps(run(options.cuts, options.seed, options.chunks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
