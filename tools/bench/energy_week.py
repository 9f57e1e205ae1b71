"""A week of the whole recorder on battery, in virtual time: how long it spends in which state.

    python -m tools.bench.energy_week --mode schedule
    python -m tools.bench.energy_week --mode button --json

The real application over the torture's world (tools/torture), with a board that can be put to
sleep. Its ticks go wrong while it sleeps, by --drift-ppm, as an RC oscillator does.
"""

import argparse
import contextlib
import itertools
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field

from tools.torture import bend, clockwork, invariants, month, parts, weather, world

DAY_MS = 86_400_000
WINDOWS = ("08:00-08:03", "17:30-17:33")
TAKES_A_DAY = 4  # button mode: a press, 45 s, a press; idle: the button is never pressed
TAKE_MS = 45_000
STATES = ("recording", "recording, radio on", "radio on", "awake", "asleep")


@dataclass
class Week:
    """What a run gives. Times in ms; late_ms: from press or window to the take's first sample."""

    mode: str
    seed: int
    drift_ppm: int
    spent_ms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    takes_due: int = 0
    late_ms: list[int] = field(default_factory=list)
    heard: int = 0
    delivered: int = 0
    joins: int = 0
    beats: int = 0
    sleeps: int = 0
    wakes: int = 0  # slices of sleep that ended
    woken_by_button: int = 0
    longest_unfed_pct: float = 0.0  # of the watchdog's limit that was in force
    violations: list[str] = field(default_factory=list)

    def wakes_an_hour(self) -> float:
        """From sleep, of the time between takes."""
        return self.wakes * 3_600_000 / self.spent_ms["asleep"]

    def share_pct(self, state: str) -> float:
        return 100 * self.spent_ms[state] / sum(self.spent_ms.values())


def from_json(text: str) -> Week:
    return Week(**json.loads(text))


class Run:
    """One week of one mode."""

    def __init__(self, mode: str, seed: int, drift_ppm: int, days: int):
        self.week = Week(mode, seed, drift_ppm)
        self._fed_ms = self._last_ms = 0
        self._was_recording = self._was_joined = False
        world.CAPACITY_BYTES = 4 << 20
        bend.install(
            {
                **world.SETTINGS,
                "recording.mode": "schedule" if mode == "schedule" else "button",
                "schedule.windows": list(WINDOWS) if mode == "schedule" else [],
                "recording.clip_length_s": 60,
                "watchdog.limit_s": 60,
                "cloud.heartbeat_s": 600,
            }
        )
        self.place = world.World(weather.Weather(seed, days, []))
        bend.Hook.world = self.place
        self.place.sleep = parts.Sleep(self.place, drift_ppm)
        self.loop = clockwork.Loop(0, self._advance, lambda: False, lambda: float("inf"))
        self.loop.lazy_ms = 0  # every look costs energy, and a late one makes a take late
        self.place.loop = self.loop
        self.place.boot = 1
        self._dues_ms = self._window_starts(days) if mode == "schedule" else []
        self.plan = self._presses(days) if mode == "button" else []
        self.plan.append((days * DAY_MS, self._end))
        self.week.takes_due = len(self._dues_ms)

    def _window_starts(self, days):
        midnight_ms = world.START_UNIX_MS // DAY_MS * DAY_MS - world.START_UNIX_MS
        starts = []
        for day, window in itertools.product(range(days + 1), WINDOWS):
            minutes = int(window[:2]) * 60 + int(window[3:5])
            starts.append(midnight_ms + day * DAY_MS + minutes * 60_000)
        return sorted(at for at in starts if 600_000 < at < days * DAY_MS - 1_800_000)

    def _presses(self, days):
        chance = random.Random(self.week.seed)
        slot_ms = DAY_MS // TAKES_A_DAY
        plan = []
        for number in range(days * TAKES_A_DAY):
            at_ms = number * slot_ms + chance.randrange(600_000, slot_ms - 1_800_000)
            self._dues_ms.append(at_ms)
            self.place.presses_ms += [at_ms, at_ms + TAKE_MS]
            plan += [(at_ms, self._press), (at_ms + TAKE_MS, self._press)]
        return plan

    def _press(self):
        self.place.board.button.press()

    def _end(self):
        raise world.Finished

    def _advance(self, now_ms):
        """Every step of the clock: who was in which state until now."""
        place, week = self.place, self.week
        is_recording = place.microphone.ring is not None
        is_on = place.wifi.status() in ("up", "joining")
        if place.is_asleep:
            state = "asleep"
        elif is_recording:
            state = "recording, radio on" if is_on else "recording"
        else:
            state = "radio on" if is_on else "awake"
        week.spent_ms[state] += now_ms - self._last_ms
        self._last_ms = now_ms
        if is_recording and not self._was_recording and self._dues_ms:
            week.late_ms.append(int(now_ms) - self._dues_ms.pop(0))
        if is_on and not self._was_joined:
            week.joins += 1
        self._was_recording, self._was_joined = is_recording, is_on
        place.microphone.pump(int(now_ms))

    def live(self) -> Week:
        place, week = self.place, self.week
        place.medium.power_on()
        place.add("boot", cause="power_on")
        watch = self

        class Watchdog:
            def start(self, limit_ms):
                self._limit_ms = limit_ms

            def feed(self):
                now_ms = int(watch.loop.now_ms)
                unfed_pct = 100 * (now_ms - watch._fed_ms) / self._limit_ms
                week.longest_unfed_pct = max(week.longest_unfed_pct, unfed_pct)
                watch._fed_ms = now_ms

        parts.Watchdog = Watchdog
        program = month._program(place, self.plan, "power_on")
        try:
            self.loop.run(program)
        except world.Finished:
            pass
        finally:
            with contextlib.suppress(RuntimeError):
                program.close()
            place.net.drop_all()
            place.loop = None
            place.powered_ms = int(self.loop.now_ms)
        saver = place.keeper._saver
        week.sleeps, week.wakes = saver._sleeps, place.sleep.count
        week.woken_by_button = place.sleep.ended_by_button
        history = place.finish()
        if place.is_at_rest():
            history.rest_after_ms = 0
        requests = [e.detail["route"] for e in history.events if e.kind == "request"]
        week.beats = requests.count("heartbeat")
        week.heard = sum(e.detail["count"] for e in history.events if e.kind == "heard")
        week.delivered = sum(
            count for r in history.recordings if r.acknowledged for _, count in r.runs
        )
        week.violations = [f"{v.name} {v.text}" for v in invariants.judge(history)]
        return week


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.bench.energy_week", description=__doc__)
    parser.add_argument("--mode", choices=("schedule", "button", "idle"), default="schedule")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drift-ppm", type=int, default=3000, help="of the ticks of a sleep")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    began = time.perf_counter()
    week = Run(options.mode, options.seed, options.drift_ppm, options.days).live()
    if options.json:
        print(json.dumps(asdict(week)))
        return 0
    print(f"{options.days} days, mode {week.mode}, {time.perf_counter() - began:.1f} s of work")
    for state in STATES:
        print(f"  {state:20} {week.share_pct(state):7.3f} %")
    print(f"  takes {len(week.late_ms)} of {week.takes_due}, begun late by {week.late_ms} ms")
    print(f"  samples heard {week.heard}, delivered {week.delivered}")
    print(f"  sleeps {week.sleeps}, ended by the button {week.woken_by_button}")
    print(f"  wake-ups an hour asleep {week.wakes_an_hour():.1f}")
    print(f"  radio joins {week.joins}, heartbeats {week.beats}")
    print(f"  watchdog not fed for at most {week.longest_unfed_pct:.0f} % of its limit")
    for violation in week.violations:
        print("  VIOLATION", violation)
    return 1 if week.violations else 0


if __name__ == "__main__":
    sys.exit(main())
