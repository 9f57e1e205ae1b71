"""Feeds spoilt inputs to all that the device parses: python -m host_tests.fuzz [--inputs 100000]

Inputs are shared out evenly among the targets. Exits with 1 if one raised anything but its
declared errors, took more memory than declared, or called done what is not; the input is printed,
and `--only TARGET --seed N` makes it again. `--guided S` spends S seconds on each target with
coverage guidance (pip install atheris).
"""

import argparse
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from host_tests.fuzz.engine import Result, Target, fuzz
from host_tests.fuzz.targets import TARGETS
from tools.torture import summary

_SHOWN_BYTES = 400


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="how many, of all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="TARGET", help="this one (repeatable)")
    parser.add_argument("--guided", type=int, metavar="S", help="seconds a target, with atheris")
    options = parser.parse_args(argv)
    chosen = [t for t in TARGETS if not options.only or t.name in options.only]
    if not chosen:
        parser.error("no such target; there are: " + ", ".join(t.name for t in TARGETS))
    if options.guided:
        return _guided(chosen, options.guided)
    each = max(1, options.inputs // len(chosen))
    results = [fuzz(target, each, options.seed) for target in chosen]
    console = Console(width=110)
    console.print(table(results, options.seed))
    for result in results:
        for data, words in result.failures:
            console.print(f"{result.name}: {words}\n  {data[:_SHOWN_BYTES]!r}", markup=False)
    inputs = sum(result.inputs for result in results)
    failures = sum(len(result.failures) for result in results)
    summary.add("spoilt inputs", inputs=inputs, broken=failures)
    return 1 if failures else 0


def table(results: list[Result], seed: int) -> Table:
    shown = Table("target", "inputs", "outcomes", "most KiB", "failed", title=f"seed {seed}")
    for r in results:
        outcomes = ", ".join(f"{name} {n}" for name, n in r.outcomes.most_common(4))
        row = (r.name, r.inputs, outcomes, r.peak_bytes // 1024, len(r.failures))
        shown.add_row(*map(str, row))
    return shown


def _guided(chosen: list[Target], seconds: int) -> int:
    """Each target in a process of its own: the fuzzer ends the process that it runs in."""
    worst = 0
    for target in chosen:
        command = [sys.executable, "-m", "host_tests.fuzz.guided", target.name, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = (done.stdout + done.stderr).strip().splitlines()
        print(f"{target.name}: {'ok' if done.returncode == 0 else 'FAILED'}")
        print("\n".join("  " + line for line in lines[-3 if done.returncode == 0 else -25 :]))
        worst = max(worst, done.returncode)
    return 1 if worst else 0


if __name__ == "__main__":
    sys.exit(main())
