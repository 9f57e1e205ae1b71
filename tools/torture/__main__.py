"""The whole torture, part by part, and one table at its end:  make torture  (ARGS=--help)

A part that fails does not keep the others from running. Each is a command of its own that adds a
row to the table (summary.py) and exits with 1 if a promise was broken; a new part is a line below.
"""

import argparse
import os
import subprocess
import sys

from tools.torture import summary


def parts(seeds: int, jobs: int) -> dict[str, list[str]]:
    """name -> arguments of `python -m`."""
    months = ["tools.torture.months", "--count", str(seeds), "--jobs", str(jobs)]
    return {
        "months": months,
        "chunks": [*months, "--chunks"],
        "fortnight": ["tools.torture.fortnight", "--check"],
        "power": ["host_tests.power"],
        "heap": ["host_tests.power.heap"],
        "update": ["host_tests.update"],
        "rescue": ["host_tests.rescue"],
        "hostile": ["host_tests.hostile"],
        "fuzz": ["host_tests.fuzz"],
    }


def main(argv=None) -> int:
    names = list(parts(0, 0))
    parser = argparse.ArgumentParser(prog="tools.torture", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="of months, each way of sending")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cores for the months")
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=", ".join(names))
    options = parser.parse_args(argv)
    failed = []
    summary.begin()
    for name, words in parts(options.seeds, options.jobs).items():
        if options.only and name not in options.only:
            continue
        print(f"── {name}: python -m {' '.join(words)}", flush=True)
        if subprocess.run([sys.executable, "-W", "ignore", "-m", *words]).returncode:
            failed.append(name)
    those = summary.rows()
    if those:
        print("\n" + summary.table(those))
    if failed:
        print(f"failed: {', '.join(failed)}; what broke stands above, with how to replay it")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
