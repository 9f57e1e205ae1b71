"""One world: a recorder, its medium and the cloud, in one virtual time, under one sky.

Who does what: sky.py makes the weather, wire.py and medium.py carry bytes, witness.py writes the
history. Here they are joined, time passes, and rest is waited for.
"""

import json
import time
from collections import deque

from tools.torture import audio, blocks, clockwork, costs, parts, wire
from tools.torture.cloud_model import CloudModel
from tools.torture.history import Event, History
from tools.torture.medium import Medium
from tools.torture.parts import RATE_HZ
from tools.torture.sky import Sky
from tools.torture.witness import FOREIGN, Witness

CAPACITY_BYTES = 320 * 1024
_FLAC_TIMES = 10  # so much more room does real audio need
SETTINGS = {
    "recording.codec": blocks.NAME,
    "recording.rate_hz": RATE_HZ,
    "recording.clip_length_s": 4,  # below what settings allow: so that short takes are cut, too
    "recording.block_ms": 256,
    "recording.ring_blocks": 8,
    "wifi.networks": ["home"],
    "cloud.api_url": "https://" + wire.API_HOST,
    "cloud.heartbeat_s": 43_200,
    "clock.ntp_server": wire.NTP_HOST,
    "storage.reserve_kb": 64,
    "watchdog.limit_s": 600,  # so that a sleep of days has few slices
}
# The same recorder with clips that go in chunks, also while they are recorded.
IN_CHUNKS = {
    "recording.clip_length_s": 8,
    "upload.strategy": "chunks",
    "upload.chunk_kb": 1,  # below what settings allow: three of a clip of the sized-block codec
    "upload.live": True,
}
START_UNIX_MS = 1_795_000_000_000
# After the last fault: an hour of cool-down, half of it again for jitter, then the work itself.
REST_BOUND_MS = 3 * 3600 * 1000
_REQUEST_LIMIT_MS = 200_000
_STALLS_OF_A_SLOW_CARD = 20
_LOOK_MS = 60_000
_LONG_STALL_MS = 100


class Finished(SystemExit):
    pass


class World:
    """weather: weather.Weather. The ports of the board are parts of it, by their names."""

    lane = recorder = heartbeat = keeper = None  # of the program that runs, if one does
    board_of = parts.Board

    def __init__(self, weather, in_chunks=False, codec=blocks.NAME):
        self.seed = weather.seed
        self.audio = audio.of(codec, RATE_HZ)
        # Over those of bend.install.
        self.settings = {"recording.codec": codec} | weather.settings
        self.leaves_out = self.settings.get("recording.leave_out_silence", False)
        self.history = History(RATE_HZ)
        self.history.api_hosts = (wire.API_HOST,)
        self.history.storage_hosts = (wire.STORAGE_HOST,)
        self.history.rest_bound_ms = REST_BOUND_MS
        self.history.in_chunks = in_chunks
        self.history.evict_order = self.settings.get("storage.evict", "never")
        self.history.limits = {
            "sockets": 2,
            "open_files": 4 if in_chunks else 3,  # a clip that is written is read as well
            "requests_an_hour": 60,
            "overrun_samples": 0,
            "request_ms": _REQUEST_LIMIT_MS,
        }
        self.loop = None
        self.pause = clockwork.sleeper(lambda: self.loop)  # so many ms of virtual time
        self.powered_ms = 0  # virtual time while no loop runs
        self.model = CloudModel(weather.seed, wire.STORAGE_HOST)
        self.sky = Sky(weather, self)
        self.witness = Witness(self)
        self.secrets = parts.Secrets(self, self.sky.new_token())
        self.microphone = parts.Microphone(self)
        self.wifi = parts.Wifi(self)
        self.clock = parts.ClockPort(self)
        self.net = wire.Net(self)
        capacity_bytes = CAPACITY_BYTES * (1 if codec == blocks.NAME else _FLAC_TIMES)
        self.medium = Medium(capacity_bytes, self.step, self._cost, self.witness.durable)
        self.medium.folders["/flash/clips"] = set()
        self.medium.folders["/flash"].add("clips")
        for path, data in FOREIGN.items():
            self.medium.put(path, data)
        self.board = None
        self.sleep = None  # a sleep port: a board that can be put to sleep
        self.is_asleep = False
        self.skew_ms = 0.0  # of the board's ticks
        self.presses_ms = []  # when somebody comes to the button
        self.boot = 0
        self.counts = {"cuts": 0, "reboots": 0}
        self._requests = 0
        self._card_writes = 0
        self._stalls = deque(maxlen=64)  # (when, ms) that nothing else could go on

    # Time.

    @property
    def now_ms(self):
        return int(self.loop.now_ms) if self.loop else self.powered_ms

    def unix_ms(self):
        return START_UNIX_MS + self.now_ms

    def http_date(self):
        return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.unix_ms() // 1000))

    def stall(self, ms):
        if self.loop and ms:
            if ms >= _LONG_STALL_MS:
                self._stalls.append((self.now_ms, ms))
            self.loop.stall(ms)

    def is_quiet(self):
        """Polls may come late; not once faults have stopped: how soon there is rest is judged."""
        if self.sky.is_calm or self.microphone.ring is not None:
            return False
        return not self.net._open_requests()

    # What happens.

    def add(self, kind, **detail):
        loop = self.loop
        at_ms = int(loop.now_ms) if loop else self.powered_ms
        self.history.events.append(Event(at_ms, kind, detail))
        if kind == "request":
            self.witness.request(detail["route"])

    def add_most(self, kind, count):
        """count of kind at one time: an event only where it is too much."""
        if count > self.history.limits[kind]:
            self.add(kind, count=count)

    def add_cut(self):
        """The power went. stalled_ms: for so long the slow card, or the processor (a step of a
        handshake), had stood still in the last second of work.
        """
        stalled_ms = 0
        for _ in range(2):
            since_ms = self.now_ms - 1000 - stalled_ms
            stalled_ms = sum(ms for at_ms, ms in self._stalls if at_ms >= since_ms)
        self.add("cut", heard=self.microphone.position, stalled_ms=stalled_ms)

    def texts_of_request(self, route, target, body):
        if route == "heartbeat":
            self.history.texts.append(("a heartbeat", body.decode()))
        self.history.texts.append(("a request line", target))

    def next_request(self):
        self._requests += 1
        return self._requests

    def clip_of(self, rid):
        recording = self.model.recordings.get(rid)
        return recording.metadata.get("clip", 0) if recording else 0

    def step(self, what):
        """An operation of medium or network, before or after which the world may end."""
        sky = self.sky
        if sky.minds_steps:
            sky.step(what)

    def _cost(self, what, size):
        """The medium's: what an operation costs in virtual time."""
        loop = self.loop
        if not loop:
            return
        slow_ms = self.sky.state["card_slow"]
        ms = costs.COMMIT + slow_ms
        if slow_ms:
            self._stalls.append((self.now_ms, slow_ms))
        if what == "sync":
            self._card_writes += 1
            ms += int(costs.ERASE * (-(-size // 4096)) + costs.PROGRAM_PER_KIB * size / 1024)
            every = _STALLS_OF_A_SLOW_CARD if slow_ms else costs.CARD_STALL_EVERY
            if self._card_writes % every == 0:
                ms += costs.CARD_STALL
        loop.stall(ms)

    def press(self, wants_take):
        """The button, by somebody who looks at the light: it is pressed only where it helps."""
        if self.board and bool(self.recorder and self.recorder._wanted) != wants_take:
            self.board.button.press()

    def ask_for(self, dice):
        """Somebody who sees the list asks for a clip of it."""
        records = [record for _, record in self.witness.clips() if record]
        clips = [record["n"] for record in records if record["state"] != "open"]
        if self.loop and self.lane and clips:
            clip = dice.choice(clips)
            self.add("asked", clip=clip)
            self.lane.send_first(clip)

    # Rest.

    def watch_rest(self):
        """From the last fault on: the end, as soon as nothing is left to do, or it takes too long.

        Raises Finished.
        """
        since_ms = self.now_ms - self.sky.calm_ms
        if self.is_at_rest():
            self.history.rest_after_ms = since_ms
            raise Finished
        if since_ms > REST_BOUND_MS:
            raise Finished
        self.loop.call_at_ms(self.now_ms + _LOOK_MS, self.watch_rest)

    def is_at_rest(self):
        if self.microphone.ring is not None:
            return False
        return all(
            record.get("state") in ("parked", "quarantined") or self.witness.is_of_another(record)
            for _, record in self.witness.clips()
        )

    def finish(self):
        """The history, with what is left at the end."""
        self.witness.finish()
        if self.lane:
            self.history.rest_code = self.lane.reason.code
        return self.history

    def journal(self):
        """All that was said and done, as text: the same seed gives the same bytes."""
        lines = [f"{e.at_ms} {e.kind} {json.dumps(e.detail)}" for e in self.history.events]
        return "\n".join(lines) + "\n"


def new_loop(world, at_ms, next_event_ms):
    microphone = world.microphone

    def advance(now_ms):
        if microphone.ring is not None:
            microphone.pump(int(now_ms))

    return clockwork.Loop(at_ms, advance, world.is_quiet, next_event_ms)
