"""The whole torture, part by part, and one table at its end:  make torture  (ARGS=--help)

A part that fails does not keep the others from running. Each is a command of its own that adds a
row to the table (summary.py) and exits with 1 if a promise was broken; a new part is a line below.
Months take every core; the other parts then run side by side, one a core, each shown at its end.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys

from tools.torture import summary

# Those that take every core by themselves.
_WIDE = ("months", "chunks", "silence", "silence-chunks")
_SILENCE_OF = 10  # seeds of months: one that leaves silence out, each way of sending


def parts(seeds: int, jobs: int) -> dict[str, list[str]]:
    """name -> arguments of `python -m`."""
    months = ["tools.torture.months", "--count", str(seeds), "--jobs", str(jobs)]
    silence = [*months, "--count", str(-(-seeds // _SILENCE_OF)), "--silence"]
    return {
        "months": months,
        "chunks": [*months, "--chunks"],
        "silence": silence,
        "silence-chunks": [*silence, "--chunks"],
        "power-fat": ["host_tests.power", "--media", "fat", "--pairs", "all"],
        "power-lfs": ["host_tests.power", "--media", "lfs"],
        "hostile": ["host_tests.hostile"],
        "heap": ["host_tests.power.heap"],
        "update": ["host_tests.update"],
        "rescue": ["host_tests.rescue"],
        "fortnight": ["tools.torture.fortnight", "--check"],
        "fuzz": ["host_tests.fuzz"],
    }


def run(name: str, words: list[str], is_shown_at_its_end: bool = True) -> bool:
    """One part; True if it kept every promise."""
    command = [sys.executable, "-W", "ignore", "-m", *words]
    print(f"── {name}: python -m {' '.join(words)}", flush=True)
    if not is_shown_at_its_end:
        return subprocess.run(command).returncode == 0
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"── {name} {'failed' if done.returncode else 'is done'}\n{done.stdout}", flush=True)
    return done.returncode == 0


def main(argv=None) -> int:
    names = list(parts(0, 0))
    parser = argparse.ArgumentParser(prog="tools.torture", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="of months, each way of sending")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cores to use")
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=", ".join(names))
    options = parser.parse_args(argv)
    those = parts(options.seeds, options.jobs)
    chosen = [name for name in names if not options.only or name in options.only]
    summary.begin()
    kept = {name: run(name, those[name], False) for name in chosen if name in _WIDE}
    narrow = [name for name in chosen if name not in _WIDE]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        kept |= zip(narrow, pool.map(lambda name: run(name, those[name]), narrow), strict=True)
    failed = [name for name in chosen if not kept[name]]
    rows = summary.rows()
    if rows:
        print("\n" + summary.table(rows))
    if failed:
        print(f"failed: {', '.join(failed)}; what broke stands above, with how to replay it")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
