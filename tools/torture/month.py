"""Runs the weather of one seed over the device's code, boot by boot, and judges what happened.

python -m tools.torture.month --seed 7            replay a seed
python -m tools.torture.month --weather file.json replay a weather file
"""

import argparse
import contextlib
import gc
import pathlib
import sys
import time

from tools.torture import bend, blocks, clockwork, invariants, parts, shrink, sky, weather, world
from tools.torture.history import Violation

BOOT_MS = 400
FLAC_S = 20  # of audio in a month that runs real FLAC
# A board comes again after seconds; in days without a card that would be all that happens.
_BUILD_AGAIN_MS = 1_800_000
_MAX_LIVES = 400
_is_bent = False


class Outcome:
    """violations, journal (text, made when it is asked for), and counts of one run."""

    def __init__(self, place, violations):
        self.violations = violations
        self.history = place.history
        self._journal = place.journal
        self.virtual_ms = place.now_ms
        self.cuts = place.counts["cuts"]
        self.reboots = place.counts["reboots"]
        self.evicted = len(place.history.of("evicted"))

    @property
    def journal(self):
        return self._journal()


def run(
    forecast: weather.Weather,
    sleeps_ppm: int | None = None,
    in_chunks: bool = False,
    codec: str = blocks.NAME,
) -> Outcome:
    """One history. sleeps_ppm: the board can be put to sleep, with ticks so far off meanwhile.
    in_chunks holds for all runs of a process: the settings are bent in once. codec: "flac" for the
    real one, which takes a second of work for three of audio.
    """
    global _is_bent
    if not _is_bent:
        bend.install(world.SETTINGS | (world.IN_CHUNKS if in_chunks else {}))
        _is_bent = True
    place = world.World(forecast, in_chunks, codec)
    if sleeps_ppm is not None:
        place.sleep = parts.Sleep(place, sleeps_ppm)
        for event in forecast.events:
            if event["what"] == "take":
                place.presses_ms += [1000 * event["at_s"], 1000 * (event["at_s"] + event["for_s"])]
        place.presses_ms.sort()
    bend.Hook.world = place
    gc.disable()
    try:
        live(place)
    finally:
        gc.enable()
    violations = invariants.judge(place.finish())
    return Outcome(place, violations)


def live(place):
    """Boot by boot to the end; place: a world.World whose sky has the plan."""
    plan = place.sky.schedule()
    cause = "power_on"
    for _ in range(_MAX_LIVES):
        # What happened while the power was off has happened.
        while plan and plan[0][0] <= place.powered_ms:
            plan.pop(0)[1]()
        ending = _one_life(place, plan, cause)
        if ending is None:
            return
        cause = ending
    place.add("reset", why="it never stops booting")


def _one_life(place, plan, cause):
    """One boot to its end; returns the next one's cause, None when all is over."""
    place.wifi.disconnect()
    place.medium.power_on()
    loop = world.new_loop(place, place.powered_ms, lambda: _next_deadline_ms(place))
    place.loop = loop
    place.boot += 1
    place.recorder = place.lane = place.board = None
    ending = None
    program = _program(place, plan, cause)
    try:
        place.add("boot", cause=cause)
        loop.run(program)
        ending = "reset"
    except world.Finished:
        return None
    except clockwork.Stuck as e:
        place.add("stuck", why=str(e))
        return None
    except sky.PlannedReset:
        ending = "reset"
    except sky.Reboot:
        place.counts["reboots"] += 1
        place.add_cut()
        ending = "watchdog"
    except sky.PowerCut:
        place.counts["cuts"] += 1
        place.add_cut()
        place.clock.power_off()
        ending = "power_on"
    finally:
        place.net.drop_all()
        place.net._open.clear()
        place.microphone.power_off()
        with contextlib.suppress(RuntimeError):
            program.close()  # its `finally` would wait for tasks; there is nobody left to wait
        off_ms = 0
        if ending == "power_on":
            off_ms = place.sky.last_cut["off_s"] * 1000
        place.powered_ms = int(loop.now_ms) + off_ms
        place.loop = None
        place.witness.life_ended()
    return ending


async def _program(place, plan, cause):
    """boot.py and main.py."""
    loop = place.loop
    for at_ms, act in list(plan):
        loop.call_at_ms(at_ms, _acting, plan, act)
    if place.sky.is_calm:
        place.watch_rest()
    secrets = place.secrets
    secrets.raise_counter("boot", secrets.counter("boot") + 1)
    loop.stall(BOOT_MS)
    board = place.board_of(place, cause)
    app = bend.module("app")
    try:
        supervisor = app.build(board, None)
    except Exception as e:  # noqa: BLE001  as main.py: a reset follows
        place.add("reset", why=f"build: {type(e).__name__} {e}")
        loop.stall(_BUILD_AGAIN_MS)
        return
    place.board = board
    tasks = {row[0]: row[1].__self__ for row in supervisor._table}
    place.recorder, place.lane = tasks["recorder"], tasks["lane"]
    place.heartbeat = tasks["heartbeat"]
    place.keeper = tasks.get("power")
    zero_ms = place.now_ms - place.lane._clock.uptime_ms()
    place.add("up", boot=secrets.counter("boot"), zero_ms=zero_ms)
    failed = await supervisor.run()
    place.add("reset", why=f"task {failed} ended")
    place.witness.said(f"E reset because task={failed} ended")


def _acting(plan, act):
    plan.pop(0)
    act()


def _next_deadline_ms(place):
    """When the device itself wants to be awake: the end of a cool-down, a heartbeat."""
    lane = place.lane
    if lane is None:
        return float("inf")
    clock = lane._clock
    up_ms = clock.uptime_ms()
    coming = [lane._waits.until_up_ms, place.heartbeat._next_up_ms, lane._clock_wait_ms]
    coming = [at_ms - up_ms for at_ms in coming if at_ms > up_ms]
    return place.now_ms + min(coming) if coming else float("inf")


def shrink_to(path, forecast, names, in_chunks, sleeps_ppm=None, limit_s=60) -> None:
    """Write the shortest weather that breaks one of the same promises, and tell how to run it."""

    def fails(tried):
        found = run(tried, sleeps_ppm, in_chunks).violations
        return bool(names & {violation.name for violation in found})

    short = shrink.shrink(forecast, fails, limit_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(short.to_json() + "\n")
    print(f"  shortest that still fails: {len(short.events)} of {len(forecast.events)} events")
    for line in shrink.told(short):
        print(f"  {line}")
    print(f"  run it: {command(in_chunks, sleeps_ppm)} --weather {path}", flush=True)


def command(in_chunks, sleeps_ppm=None) -> str:
    """How this kind of month is run from a shell."""
    words = "python -m tools.torture.month" + " --chunks" * in_chunks
    return words if sleeps_ppm is None else f"{words} --sleeps-ppm {sleeps_ppm}"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="tools.torture.month", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1, help="so many seeds from there on")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--weather", type=pathlib.Path)
    parser.add_argument("--journal", type=pathlib.Path, help="write all that happened to a file")
    parser.add_argument("--chunks", action="store_true", help="clips go in chunks, live too")
    parser.add_argument(
        "--shrink", type=pathlib.Path, metavar="FILE", help="write the shortest weather that fails"
    )
    parser.add_argument("--flac", action="store_true", help="real FLAC, 20 s of audio in all")
    parser.add_argument("--cuts", action="store_true", help="the power goes in each take, too")
    parser.add_argument(
        "--refusals", action="store_true", help="a medium that takes no write for days"
    )
    parser.add_argument("--evicts", action="store_true", help="full media, and storage.evict")
    parser.add_argument("--silence", action="store_true", help="silence is left out of takes")
    parser.add_argument("--until", nargs="+", metavar="NAME", help="stop at such a violation")
    parser.add_argument("--sleeps-ppm", type=int, help="the board sleeps, its ticks go so wrong")
    options = parser.parse_args(argv)
    forecasts = (
        [weather.Weather.from_json(options.weather.read_text())]
        if options.weather
        else (weather.generate(options.seed + n, options.days) for n in range(options.count))
    )
    began, seeds, bad, evicted = time.perf_counter(), 0, 0, 0
    for forecast in forecasts:
        if options.evicts:
            forecast = weather.with_eviction(forecast)
        if options.silence:
            forecast = weather.with_silence(forecast)
        if options.cuts:
            forecast = weather.with_cuts(forecast)
        if options.refusals:
            forecast = weather.with_refusals(forecast)
        if options.flac:
            forecast = weather.with_audio(forecast, FLAC_S)
        codec = "flac" if options.flac else blocks.NAME
        outcome = run(forecast, options.sleeps_ppm, options.chunks, codec)
        seeds += 1
        bad += bool(outcome.violations)
        evicted += outcome.evicted
        for violation in outcome.violations:
            print(f"seed {forecast.seed}: {violation.name} {violation.text}")
        if options.journal:
            options.journal.write_text(forecast.to_json() + "\n" + outcome.journal)
        if options.shrink and outcome.violations:
            names = {violation.name for violation in outcome.violations}
            shrink_to(options.shrink, forecast, names, options.chunks, options.sleeps_ppm)
        if options.until and {v.name for v in outcome.violations} & set(options.until):
            break
    took_s = time.perf_counter() - began
    print(f"{seeds} seeds, {bad} with a violation, {seeds / took_s:.1f} seeds a second")
    if evicted:
        print(f"{evicted} clips evicted, as the settings ask for")
    return 1 if bad else 0


__all__ = ["Outcome", "Violation", "blocks", "run"]

if __name__ == "__main__":
    sys.exit(main())
