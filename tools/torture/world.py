"""One world: a recorder, its medium, the cloud, the weather, and the history of all of it."""

import errno
import hashlib
import json
import random
from binascii import crc32
from email.utils import formatdate

from tools.torture import blocks, clockwork, costs, parts, wire
from tools.torture.cloud_model import CloudModel
from tools.torture.history import History, Kept, Recording
from tools.torture.medium import Medium
from tools.torture.parts import RATE_HZ

CAPACITY_BYTES = 320 * 1024
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
_CHECKED_IN_MS = 600_000  # the longest time that a task may ask for while it works
_STALLS_OF_A_SLOW_CARD = 20
_FULL_BYTES = 68 * 1024  # the reserve and what a clip in hand may take of it
START_UNIX_MS = 1_795_000_000_000
# After the last fault: an hour of cool-down, half of it again for jitter, then the work itself.
REST_BOUND_MS = 3 * 3600 * 1000
REQUEST_LIMIT_MS = 200_000
_FOREIGN = {"/flash/photo.jpg": b"somebody's photo", "/flash/clips/notes.txt": b"notes"}
_STATES_OF_ALL = {
    "no_coverage": False, "portal": False, "dns": False, "outage": "", "throttle": None,
    "slow_ms": 0, "ntp": "", "ntp_step_s": 0, "card_slow": 0, "url_refused": False,
}  # fmt: skip


class PowerCut(SystemExit):
    """Passes every handler of the device's code and asyncio, as the end of the power does."""


class Reboot(PowerCut):
    pass


class Finished(SystemExit):
    pass


class World:
    def __init__(self, weather, in_chunks=False):
        self.seed = weather.seed
        self.weather = weather
        self.history = History(RATE_HZ)
        self.history.api_hosts = (wire.API_HOST,)
        self.history.storage_hosts = (wire.STORAGE_HOST,)
        self.history.rest_bound_ms = REST_BOUND_MS
        self.history.in_chunks = in_chunks
        self.history.limits = {
            "sockets": 2,
            "open_files": 4 if in_chunks else 3,  # a clip that is written is read as well
            "requests_an_hour": 60,
            "overrun_samples": 0,
            "request_ms": REQUEST_LIMIT_MS,
        }
        self.loop = None
        self.powered_ms = 0  # virtual time while no loop runs
        self.state = dict(_STATES_OF_ALL)
        self.active = []
        self.dice = {}
        self.model = CloudModel(weather.seed, wire.STORAGE_HOST)
        self.token = self._new_token()
        self.secrets = parts.Secrets(self, self.token)
        self.microphone = parts.Microphone(self)
        self.wifi = parts.Wifi(self)
        self.clock = parts.ClockPort(self)
        self.net = wire.Net(self)
        self.medium = Medium(CAPACITY_BYTES, self.step, self._cost, self._durable)
        self.medium.folders["/flash/clips"] = set()
        self.medium.folders["/flash"].add("clips")
        for path, data in _FOREIGN.items():
            self.medium.put(path, data)
        self.board = None
        self.sleep = None  # a sleep port: a board that can be put to sleep
        self.is_asleep = False
        self.skew_ms = 0.0  # of the board's ticks
        self.presses_ms = []  # when somebody comes to the button
        self.deadlines = None
        self.cut_in_steps = None
        self.pending_cut = None
        self.is_calm = False
        self.boot = 0
        self._requests = 0
        self._opened = set()
        self._closed = {}
        self._heard = []
        self._last_record = {}
        self._waiting = None
        self._said = []
        self._card_writes = 0
        self.counts = {"cuts": 0, "reboots": 0, "steps": 0}

    # Time.

    @property
    def now_ms(self):
        return int(self.loop.now_ms) if self.loop else self.powered_ms

    def unix_ms(self):
        return START_UNIX_MS + self.now_ms

    def http_date(self):
        return formatdate(self.unix_ms() // 1000, usegmt=True)

    def stall(self, ms):
        if self.loop and ms:
            self.loop.stall(ms)

    def is_quiet(self):
        return self.microphone.ring is None and not self.net._open_requests()

    # The history.

    def add(self, kind, **detail):
        self.history.add(self.now_ms, kind, **detail)
        if kind == "request":
            self._look_at_wait(detail)

    def history_most(self, kind, count):
        if count > self.history.limits[kind]:
            self.add(kind, count=count)

    def heard(self, first, count):
        heard = self._heard
        if heard and heard[-1][0] + heard[-1][1] == first:
            heard[-1][1] += count
        else:
            heard.append([first, count])

    def said(self, text):
        self._said.append(text)
        self.history.add(self.now_ms, "log", text=text)
        if text.startswith("E recording ended reason=storage_full"):
            if self.medium.room() < _FULL_BYTES:  # what was in hand has no place: it said why
                self.history.add(self.now_ms, "failure", heard=self.microphone.position)
        elif text.startswith("E task is overdue"):
            # Not where the harness itself let the polls come late.
            if self.now_ms - self.loop.late_at_ms > _CHECKED_IN_MS:
                self.history.add(self.now_ms, "overdue", task=text.rpartition("=")[2])
        elif text.startswith("W lane waits") or text.startswith("E lane waits"):
            wait_s = int(text.rpartition("wait_s=")[2])
            self.history.add(self.now_ms, "failed", wait_s=wait_s, code=text)
            self._waiting = (self.now_ms, wait_s)
        elif text.startswith("I link up") or "token is accepted" in text:
            self._waiting = None

    def _look_at_wait(self, detail):
        if self._waiting is None or detail["route"] == "heartbeat":
            return
        since_ms, wait_s = self._waiting
        self._waiting = None
        self.history.add(
            self.now_ms, "resumed", wait_s=wait_s, waited_s=(self.now_ms - since_ms) / 1000
        )

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

    # The medium.

    def _cost(self, what, size):
        if not self.loop:
            return
        if what == "sync":
            self._card_writes += 1
            ms = costs.ERASE * (-(-size // 4096)) + costs.PROGRAM_PER_KIB * size / 1024
            every = _STALLS_OF_A_SLOW_CARD if self.state["card_slow"] else costs.CARD_STALL_EVERY
            if self._card_writes % every == 0:
                ms += costs.CARD_STALL
            self.stall(int(ms) + costs.COMMIT + self.state["card_slow"])
        elif what == "commit":
            self.stall(costs.COMMIT + self.state["card_slow"])

    def step(self, what):
        """An operation of medium or network, before or after which the world may end."""
        self.counts["steps"] += 1
        if self.cut_in_steps is not None and self.loop:
            self.cut_in_steps -= 1
            if self.cut_in_steps < 0:
                self._cut()
        if self.active and what in ("read", "write", "create", "sync", "remove", "mkdir"):
            self._fail_card(what)

    def _fail_card(self, what):
        for event in self.active:
            if event["what"] != "card_fails" or (event["on"] == "read") != (what == "read"):
                continue
            if self.dice[id(event)].random() * 100 < event["chance_pct"]:
                self.add("failure", heard=self.microphone.position)
                raise OSError(errno.EIO, "the card fails")

    def _durable(self, what, path, data):
        stem, _, extension = path.rpartition(".")
        name = stem.rpartition("/")[2]
        if extension in ("r0", "r1") and len(name) == 8:
            if what == "write":
                self._record_written(int(name, 16), stem, data)
            elif not {stem + ".r0", stem + ".r1"} & set(self.medium.files):
                self.add("remove", clip=int(name, 16), what="record")
        elif extension == blocks.NAME and len(name) == 8:
            self._audio_changed(int(name, 16), what, data)
        elif what == "remove" and path in _FOREIGN:
            self.add("remove", clip=0, what=path)

    def _audio_changed(self, clip, what, data):
        if what == "remove":
            self.add("remove", clip=clip, what="audio")
        elif clip in self._closed and hash(data) != self._closed[clip]:
            self.add("damage", clip=clip)

    def _record_written(self, clip, stem, data):
        line = parse_line(data)
        if line is None:
            return
        sequence, record = line
        state = record["state"]
        self.add("record", clip=clip, state=state, why=record.get("why", ""), sequence=sequence)
        if state == "open":
            if clip not in self._opened or self._last_record.get(clip) is None:
                self.add("open", clip=clip)
                self._opened.add(clip)
        elif clip not in self._closed:
            stored = self.medium.files.get(stem + "." + record["codec"], b"")
            stored = stored[: record["bytes"]]
            whole = blocks.upload_of(stored, RATE_HZ)
            sha = hashlib.sha256(whole).hexdigest()
            runs = blocks.runs(stored)
            self._closed[clip] = hash(stored)
            ours = hashlib.sha256(stored).hexdigest()
            self.add("closed", clip=clip, sha=sha, stored_sha=ours, size=len(whole), runs=runs)
        self._last_record[clip] = state

    # The weather.

    def dice_of(self, event):
        return random.Random(f"{self.seed} {sorted(event.items())}")

    def schedule(self):
        """(at ms, what to do) of everything that is to come, in order."""
        plan = []
        for event in self.weather.events:
            at_ms = event["at_s"] * 1000
            plan.append((at_ms, lambda event=event: self._begin(event)))
            if "for_s" in event:
                ends_ms = at_ms + event["for_s"] * 1000
                plan.append((ends_ms, lambda event=event: self._end(event)))
            if event["what"] == "flapping":
                for n in range(1, min(40, event["for_s"] // event["every_s"])):
                    turn_ms = at_ms + n * event["every_s"] * 1000
                    plan.append((turn_ms, lambda on=n & 1: self._reach(not on)))
        calm_ms = self.weather.end_s() * 1000 + 1000
        plan.append((calm_ms, self._calm))
        plan.sort(key=lambda entry: entry[0])
        return plan

    def _begin(self, event):
        what = event["what"]
        if what in ("cut", "reboot"):
            if self.loop and self.cut_in_steps is None:
                self.pending_cut = event
                self.cut_in_steps = event["steps"]
            return
        if what == "take":
            self._press(True)
            return
        self.active.append(event)
        self.dice[id(event)] = self.dice_of(event)
        if what == "revoked":
            self.model.tokens.clear()
        elif what == "rtc_step":
            self.clock.step(event["step_s"])
        elif what == "card_full":
            room = self.medium.room() - event["room_kb"] * 1024
            if room > 0 and "/flash/movie.mp4" not in self.medium.files:
                self.medium.put("/flash/movie.mp4", bytes(room))
        self._update()

    def _end(self, event):
        what = event["what"]
        if what == "take":
            self._press(False)
            return
        if event not in self.active:
            return
        self.active.remove(event)
        if what == "revoked" and not any(e["what"] == "revoked" for e in self.active):
            self.token = self._new_token()
            self.secrets.provision(self.token)
        elif what == "card_full" and not any(e["what"] == "card_full" for e in self.active):
            if "/flash/movie.mp4" in self.medium.files:
                self.medium.take("/flash/movie.mp4")
        elif what == "flapping":
            self._reach(True)
        self._update()

    def _new_token(self):
        self._tokens = getattr(self, "_tokens", 0) + 1
        token = f"dtok_{self.seed}_{self._tokens}_secretsecret"
        self.model.tokens[token] = "dev_month"
        self.history.secrets.append(token)
        return token

    def _press(self, is_on):
        """The button, by somebody who looks at the light: it is pressed only where it helps."""
        if self.board and self.is_taking() != is_on:
            self.board.button.press()

    def is_taking(self):
        return bool(self.recorder and self.recorder._wanted)

    def _update(self):
        state = dict(_STATES_OF_ALL)
        self.model.verification_polls = 0
        for event in self.active:
            what = event["what"]
            if what in ("no_coverage", "portal", "dns", "url_refused"):
                state[what] = True
            elif what == "outage":
                state["outage"] = event["how"]
            elif what == "throttle":
                state["throttle"] = event
            elif what == "slow":
                state["slow_ms"] = event["delay_ms"]
            elif what == "pending":
                self.model.verification_polls = event["polls"]
            elif what == "ntp":
                state["ntp"] = event["how"]
                state["ntp_step_s"] = event["step_s"] if event["how"] == "wrong" else 0
            elif what == "card_slow":
                state["card_slow"] = event["stall_ms"]
        was_away = self.state["no_coverage"]
        self.state = state
        if state["no_coverage"] and not was_away:
            self._reach(False)

    def _reach(self, is_in_reach):
        if not is_in_reach:
            self.wifi.drop()
            self.net.drop_all()
        self.state["no_coverage"] = not is_in_reach

    def weather_of_request(self, route):
        state = self.state
        if state["portal"]:
            return {"before": True, "kind": "reset"}
        if state["outage"]:
            if state["outage"] == "error":
                return {"before": True, "kind": "status", "status": 503}
            kind = "silence" if state["outage"] == "black_hole" else "reset"
            return {"before": True, "kind": kind}
        if state["throttle"] and route != "put":
            after = state["throttle"]["retry_after_s"]
            headers = [("Retry-After", after)] if after else []
            return {"before": True, "kind": "status", "status": 429, "headers": headers,
                    "is_json": True, "code": "rate_limit_exceeded"}  # fmt: skip
        if state["url_refused"] and route == "put":
            return {"refuse": (403, "AccessDenied")}
        for event in self.active:
            dice = self.dice[id(event)]
            if event["what"] == "corrupt" and route == "put":
                return {"corrupt": dice.random() * 100 < event["chance_pct"]}
            if event["what"] == "lossy" and dice.random() * 100 < event["chance_pct"]:
                return self._way(dice)
        return {}

    def _way(self, dice):
        from tools.torture.weather import WAYS

        way = dice.choice(WAYS)
        if way == "status":
            return {"before": True, "kind": "status", "status": dice.choice((500, 502, 408))}
        if way == "page":
            return {"before": True, "kind": "status", "status": 200}
        kind, _, when = way.partition("_")
        if when in ("before", "after"):
            return {when: True, "kind": kind}
        return {"kind": way}

    def weather_in_body(self, connection, host):
        """A piece of a request has gone, more is to come."""
        self.step("piece sent")
        for event in self.active:
            if event["what"] == "lossy":
                if self.dice[id(event)].random() * 300 < event["chance_pct"]:
                    connection.die()

    def _cut(self):
        event, self.pending_cut, self.cut_in_steps = self.pending_cut, None, None
        self.last_cut = event
        self.medium.power_on()  # files that are open are dead from here on
        raise (PowerCut if event["what"] == "cut" else Reboot)()

    def _calm(self):
        """Everything is well again, and stays so."""
        self.active.clear()
        self.is_calm = True
        self.cut_in_steps = self.pending_cut = None
        if not self.model.tokens:
            self.token = self._new_token()
            self.secrets.provision(self.token)
        if "/flash/movie.mp4" in self.medium.files:
            self.medium.take("/flash/movie.mp4")
        self._update()
        self.state["no_coverage"] = False
        self.calm_ms = self.now_ms
        self.add("calm", until_ms=self.now_ms)
        self._press(False)
        if self.loop:
            self._watch_rest()

    def _watch_rest(self):
        if self.is_at_rest():
            self.history.rest_after_ms = self.now_ms - self.calm_ms
            raise Finished
        if self.now_ms - self.calm_ms > REST_BOUND_MS:
            raise Finished
        self.loop.call_at_ms(self.now_ms + 60_000, self._watch_rest)

    def is_at_rest(self):
        if self.microphone.ring is not None:
            return False
        states = [self.state_of(stem) for stem in self.stems()]
        return all(state in ("parked", "quarantined") for state, _ in states)

    def stems(self):
        found = set()
        for path in self.medium.files:
            stem = path.rpartition(".")[0]
            if path.startswith("/flash/clips/0"):
                found.add(stem)
        return sorted(found)

    def state_of(self, stem):
        """(state, why) of a clip by its records."""
        best = (0, {"state": None})
        for slot in ("0", "1"):
            line = parse_line(self.medium.files.get(stem + ".r" + slot, b""))
            if line and line[0] > best[0]:
                best = line
        return best[1]["state"], best[1].get("why", "")

    # The end.

    def finish(self):
        """Put what is left into the history."""
        history = self.history
        for first, count in self._heard:
            history.add(self.now_ms, "heard", first=first, count=count)
        for stem in self.stems():
            number = int(stem.rpartition("/")[2], 16)
            state, why = self.state_of(stem)
            data = self.medium.files.get(stem + "." + blocks.NAME)
            closed = self._closed.get(number)
            intact = None if closed is None else data is not None and hash(data) == closed
            runs = blocks.runs(data) if data else []
            history.kept[number] = Kept(state, why, intact, runs)
        for recording in self.model.recordings.values():
            data = self.model.object_of(recording)
            sha = hashlib.sha256(data).hexdigest() if data is not None else None
            history.recordings.append(
                Recording(
                    recording.rid,
                    recording.metadata.get("clip", 0),
                    recording.status,
                    sha,
                    len(data or b""),
                    recording.status == "uploaded",
                    blocks.runs(data) if data else [],
                )
            )
        for path, data in _FOREIGN.items():
            if self.medium.files.get(path) != data:
                history.foreign_changed.append(path)
        history.texts += [("the log: " + text[:60], text) for text in self._said]
        for path, data in self.medium.files.items():
            if not path.endswith(blocks.NAME) and path.startswith(("/flash/clips/0", "/flash/st")):
                history.texts.append((path, data.decode(errors="replace")))
        history.secrets += list(self.model.urls)
        if self.lane:
            history.rest_code = self.lane.reason.code
        if self.medium.most_open > history.limits["open_files"]:
            history.add(self.now_ms, "open_files", count=self.medium.most_open)
        return history

    def journal(self):
        """All that was said and done, as text: the same seed gives the same bytes."""
        lines = [f"{e.at_ms} {e.kind} {json.dumps(e.detail)}" for e in self.history.events]
        return "\n".join(lines) + "\n"

    lane = recorder = heartbeat = None


def parse_line(data):
    """(sequence, value) of a slot's line, or None. Our own reader: the device's is on trial."""
    words = data.decode(errors="replace").split(" ", 3)
    if len(words) != 4 or not words[3].endswith("\n") or not words[1].isdigit():
        return None
    checked = f"{words[1]} {words[3][:-1]}"
    if f"{crc32(checked.encode()):08x}" != words[2]:
        return None
    return int(words[1]), json.loads(words[3])


def new_loop(world, at_ms, next_event_ms):
    def advance(now_ms):
        world.microphone.pump(int(now_ms))

    return clockwork.Loop(at_ms, advance, world.is_quiet, next_event_ms)
