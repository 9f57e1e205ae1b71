"""Two ways in namespaces of their own, and one of them taken down in the middle of a PUT: a table.

    python -m host_tests.ways [--seconds 90] [--at 40] [--seed 20] [--relays]

Each case is a whole run, record to proof, on MicroPython's unix port. A way that dies without a
word must be found out: some minutes. Exits with 1 where a case does not end as it should.
"""

import argparse
import pathlib
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from host_tests.ways import namespaces
from host_tests.ways.bench import CELLULAR, WIFI, two_ways
from host_tests.ways.failover import Outcome, fail_over

# Which way is first, and whether its driver notices that it went (PPP never does).
CASES = (("wifi", True), ("wifi", False), ("cellular", False))
_LIMIT_S = 600


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.ways", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=90, help="of speech, in clips of 30 s")
    parser.add_argument("--at", type=int, default=40, help="percent of the first clip's PUT")
    parser.add_argument("--seed", type=int, default=20, help="of the losses")
    parser.add_argument("--relays", action="store_true", help="as where namespaces are forbidden")
    options = parser.parse_args(argv)
    refusal = "asked for" if options.relays else namespaces.why_not()
    outcomes, failed = [], 0
    for first, is_told in CASES:
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            with two_ways(place, options.seconds, options.seed, refusal=refusal) as made:
                try:
                    outcome = fail_over(made, first, options.at, is_told, _LIMIT_S)
                except AssertionError as error:
                    failed += 1
                    print(f"{first}, told={is_told}: {error}", file=sys.stderr)
                    continue
        print(outcome.words(), flush=True)
        outcomes.append(outcome)
    Console(width=100).print(table(outcomes, refusal))
    print(f"seed {options.seed}; Wi-Fi {WIFI}; 4G {CELLULAR}; {failed} failed")
    return 1 if failed else 0


def table(outcomes: list[Outcome], refusal: str | None) -> Table:
    where = "network namespaces" if refusal is None else f"relays: {refusal}"
    view = Table(title=f"A way goes in the middle of a PUT ({where})")
    view.add_column("goes")
    names = ("cut at, KiB", "found in, s", "KiB first way", "KiB other way", "clips, KiB", "lost")
    for name in names:
        view.add_column(name, justify="right")
    for one in outcomes:
        view.add_row(
            f"{one.first}, {'noticed' if one.is_told else 'silently'}",
            str(one.cut_at_bytes // 1024),
            f"{one.found_s:.1f}",
            str(one.after[one.first] // 1024),
            str(one.after[one.other] // 1024),
            str(one.all_bytes // 1024),
            str(one.lost_packets),
        )
    return view


if __name__ == "__main__":
    sys.exit(main())
