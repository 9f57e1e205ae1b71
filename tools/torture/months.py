"""Months of many seeds, on every core, with counts: the months' part of `make torture`.

    python -m tools.torture.months --count 10000 [--chunks] [--jobs 2]

A seed that breaks a promise is named with the command that replays it. One seed, a weather file, a
journal: tools.torture.month.
"""

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import os
import sys
import time

from tools.torture import month, summary, weather
from tools.torture.invariants.ranges import minus

_SHOWN = 20  # seeds that are named one by one


@dataclasses.dataclass
class Tally:
    """What one seed counts; seconds_lost: of what was heard, nowhere at the end."""

    seed: int
    violations: list[str]
    virtual_days: float
    cuts: int
    clips: int
    clips_lost: int
    duplicates: int
    seconds_lost: float


def tally(seed: int, outcome: month.Outcome) -> Tally:
    history = outcome.history
    closed = {event.detail["clip"] for event in history.of("closed")}
    acknowledged = [r.clip for r in history.recordings if r.acknowledged]
    held = [run for r in history.recordings if r.acknowledged for run in r.runs or []]
    held += [run for kept in history.kept.values() for run in kept.runs or []]
    held = sorted((first, first + count) for first, count in held if first is not None)
    heard = sorted(
        (e.detail["first"], e.detail["first"] + e.detail["count"]) for e in history.of("heard")
    )
    missing = sum(end - first for first, end in minus(heard, held))
    kept = {n for n, clip in history.kept.items() if clip.intact}
    return Tally(
        seed,
        [f"{violation.name} {violation.text}" for violation in outcome.violations],
        outcome.virtual_ms / 86_400_000,
        outcome.cuts + outcome.reboots,
        len(closed),
        len(closed - set(acknowledged) - kept),
        len(acknowledged) - len(set(acknowledged)),
        missing / history.rate_hz,
    )


def one(seed: int, days: int, in_chunks: bool) -> Tally:
    return tally(seed, month.run(weather.generate(seed, days), in_chunks=in_chunks))


def every(seeds, days: int, in_chunks: bool, jobs: int):
    """A Tally for each seed, in their order; worker processes of its own."""
    context = multiprocessing.get_context("spawn")  # nothing of this process is bent
    with concurrent.futures.ProcessPoolExecutor(jobs, context) as pool:
        many = len(seeds)
        work = pool.map(one, seeds, [days] * many, [in_chunks] * many, chunksize=8)
        yield from work


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="tools.torture.months", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--chunks", action="store_true", help="clips go in chunks, live too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(argv)
    began = time.perf_counter()
    seeds = range(options.seed, options.seed + options.count)
    total = {"seeds": 0, "virtual_days": 0.0, "cuts": 0, "clips": 0, "clips_lost": 0}
    total |= {"duplicates": 0, "seconds_lost": 0.0, "broken": 0}
    for found in every(seeds, options.days, options.chunks, options.jobs):
        total["seeds"] += 1
        total["broken"] += bool(found.violations)
        for name in ("virtual_days", "cuts", "clips", "clips_lost", "duplicates", "seconds_lost"):
            total[name] += getattr(found, name)
        if found.violations and total["broken"] <= _SHOWN:
            report(found, options)
    took_s = time.perf_counter() - began
    total["virtual_days"] = round(total["virtual_days"])
    summary.add("months in chunks" if options.chunks else "months", took_s=took_s, **total)
    rate = total["seeds"] / took_s
    print(
        f"{total['seeds']} seeds, {total['broken']} with a violation, {rate:.1f} seeds a second "
        f"on {options.jobs} cores ({rate / options.jobs:.1f} a core; the target is 10)"
    )
    return 1 if total["broken"] else 0


def report(found: Tally, options) -> None:
    """Name a seed that broke a promise, and how to see it again."""
    for violation in found.violations:
        print(f"seed {found.seed}: {violation}")
    words = f"--seed {found.seed} --days {options.days}{' --chunks' * options.chunks}"
    print(f"  replay: python -m tools.torture.month {words} --journal history.txt", flush=True)


if __name__ == "__main__":
    sys.exit(main())
