"""Months of many seeds, on every core, with counts: the months' part of `make torture`.

    python -m tools.torture.months --count 10000 [--chunks] [--silence] [--jobs 2]

A seed that breaks a promise is named with the command that replays it, and the first ones are made
short (shrink.py). One seed, a weather file, a journal: tools.torture.month.
"""

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import os
import sys
import time

from tools.torture import blocks, month, summary, weather, world
from tools.torture.invariants.audio import nowhere

_BATCH = 8  # seeds that a worker takes at once: some seconds
_SILENT_S = 600  # a hundred times that, and the slowest seeds with the real codec
_FLAC_EVERY = 100  # seeds: one with the real codec, decoded by libsndfile
_SHOWN = 20  # seeds that are named one by one
_SAID_EVERY = 100  # seeds, or a twentieth of all: how far it is
_SHRUNK = 3  # the first of them; a minute each


@dataclasses.dataclass
class Tally:
    """What one seed counts; clips_lost, seconds_lost: of what was heard, nowhere at the end, and
    not evicted either. rest_ms: from the last fault until every clip was gone or set aside; None:
    never.
    """

    seed: int
    violations: list[str]
    virtual_days: float
    cuts: int
    clips: int
    clips_lost: int
    clips_evicted: int
    duplicates: int
    seconds_lost: float
    rest_ms: int | None


def tally(seed: int, outcome: month.Outcome) -> Tally:
    history = outcome.history
    closed = {event.detail["clip"] for event in history.of("closed")}
    acknowledged = [r.clip for r in history.recordings if r.acknowledged]
    missing = sum(end - first for first, end in nowhere(history))
    kept = {n for n, clip in history.kept.items() if clip.intact}
    evicted = {event.detail["clip"] for event in history.of("evicted")}
    return Tally(
        seed,
        [f"{violation.name} {violation.text}" for violation in outcome.violations],
        outcome.virtual_ms / 86_400_000,
        outcome.cuts + outcome.reboots,
        len(closed),
        len(closed - set(acknowledged) - kept - evicted),
        len(evicted - set(acknowledged)),
        len(acknowledged) - len(set(acknowledged)),
        missing / history.rate_hz,
        history.rest_after_ms,
    )


@dataclasses.dataclass(frozen=True)
class Kind:
    """Of months: in_chunks: clips go so, live too; silence: it is left out of takes."""

    days: int = 30
    in_chunks: bool = False
    silence: bool = False

    @property
    def name(self) -> str:
        return "months" + ", silence" * self.silence + " in chunks" * self.in_chunks

    @property
    def suffix(self) -> str:
        return "-silence" * self.silence + "-chunks" * self.in_chunks

    def weather(self, seed: int) -> weather.Weather:
        forecast = weather.generate(seed, self.days)
        if self.silence:
            return weather.with_silence(forecast)
        return weather.with_audio(forecast, month.FLAC_S) if self.is_flac(seed) else forecast

    def is_flac(self, seed: int) -> bool:
        return not self.in_chunks and not self.silence and seed % _FLAC_EVERY == 0


def one(seed: int, kind: Kind) -> Tally:
    codec = "flac" if kind.is_flac(seed) else blocks.NAME
    return tally(seed, month.run(kind.weather(seed), in_chunks=kind.in_chunks, codec=codec))


class WorkerLost(Exception):
    """A worker process died, or says nothing any more: what it had in hand is not known."""


def _batch(seeds, kind):
    return [one(seed, kind) for seed in seeds]


def every(seeds, kind: Kind, jobs: int, silent_s: float = _SILENT_S):
    """A Tally for each seed, in their order; worker processes of its own.

    silent_s: how long a batch may be waited for. Raises WorkerLost; no worker is left then.
    """
    context = multiprocessing.get_context("spawn")  # nothing of this process is bent
    before = multiprocessing.active_children()
    pool = concurrent.futures.ProcessPoolExecutor(jobs, context)
    batches = [seeds[at : at + _BATCH] for at in range(0, len(seeds), _BATCH)]
    waiting = [pool.submit(_batch, batch, kind) for batch in batches]
    try:
        for batch, future in zip(batches, waiting, strict=True):
            try:
                yield from future.result(silent_s)
            except TimeoutError:
                why = f"nothing was heard of it for {silent_s:.0f} s"
                raise WorkerLost(f"seeds {batch[0]} to {batch[-1]}: {why}") from None
            except concurrent.futures.process.BrokenProcessPool:
                why = "a worker process ended"
                raise WorkerLost(f"seeds {batch[0]} to {batch[-1]}: {why}") from None
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in before:
                child.kill()
        raise
    finally:
        # Not `with`: that waits for what is in hand, and so for a worker that hangs as well.
        pool.shutdown(wait=False, cancel_futures=True)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="tools.torture.months", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--chunks", action="store_true", help="clips go in chunks, live too")
    parser.add_argument("--silence", action="store_true", help="silence is left out of takes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(argv)
    kind = Kind(options.days, options.chunks, options.silence)
    began = time.perf_counter()
    seeds = range(options.seed, options.seed + options.count)
    total = {"seeds": 0, "virtual_days": 0.0, "cuts": 0, "clips": 0, "clips_lost": 0}
    total |= {"clips_evicted": 0, "duplicates": 0, "seconds_lost": 0.0, "broken": 0}
    longest_ms = 0
    for found in every(seeds, kind, options.jobs):
        total["seeds"] += 1
        total["broken"] += bool(found.violations)
        longest_ms = max(longest_ms, found.rest_ms or 0)
        for name in set(total) & {field.name for field in dataclasses.fields(found)}:
            total[name] += getattr(found, name)
        if found.violations and total["broken"] <= _SHOWN:
            report(found, kind, total["broken"] <= _SHRUNK)
        if total["seeds"] % max(_SAID_EVERY, options.count // 20) == 0:
            print(progress(total, options.count, time.perf_counter() - began), flush=True)
    took_s = time.perf_counter() - began
    total["virtual_days"] = round(total["virtual_days"])
    summary.add(kind.name, took_s=took_s, **total)
    rate = total["seeds"] / took_s
    print(
        f"at rest {longest_ms / 60_000:.0f} min after the last fault at the latest, "
        f"of {world.REST_BOUND_MS // 60_000} that are allowed"
    )
    print(
        f"{total['clips']} clips, {total['clips_lost']} lost, {total['clips_evicted']} evicted "
        "where the settings ask for it"
    )
    print(
        f"{total['seeds']} seeds, {total['broken']} with a violation, {rate:.1f} seeds a second "
        f"on {options.jobs} cores ({rate / options.jobs:.1f} a core; the target is 10)"
    )
    return 1 if total["broken"] else 0


def progress(total: dict, count: int, took_s: float) -> str:
    rate = total["seeds"] / took_s
    left_min = (count - total["seeds"]) / rate / 60
    done = f"{total['seeds']:,} of {count:,} seeds, {total['broken']} with a violation"
    return f"{done}, {rate:.1f} a second, {left_min:.0f} min left"


def report(found: Tally, kind: Kind, shrinks: bool) -> None:
    """Name a seed that broke a promise, and how to see it again; shrinks: as short as can be."""
    for violation in found.violations:
        print(f"seed {found.seed}: {violation}")
    words = f"--seed {found.seed} --days {kind.days}" + " --silence" * kind.silence
    words += " --flac" * kind.is_flac(found.seed) + " --journal history.txt"
    print(f"  replay: {month.command(kind.in_chunks)} {words}", flush=True)
    if shrinks and not kind.is_flac(found.seed):
        names = {violation.split()[0] for violation in found.violations}
        path = summary.FILE.with_name(f"seed-{found.seed}{kind.suffix}.json")
        month.shrink_to(path, kind.weather(found.seed), names, kind.in_chunks)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorkerLost as e:
        print(f"A worker was lost. {e}.", file=sys.stderr)
        print("Nothing is known of those and later seeds: run them again (--seed).", flush=True)
        sys.stderr.flush()
        os._exit(2)  # leaving as usual waits for the pool's threads, which wait for the worker
