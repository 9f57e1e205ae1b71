"""The whole table of the hostile world, printed: python -m host_tests.hostile [ROUTE ...]

A recorder on the unix port, real sockets, TLS, every act on each route. Some ten minutes. Exits
with 1 if one reason is another than the table's, or a clip is not delivered once with proof.
"""

import argparse
import pathlib
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from host_tests.hostile.run import Outcome, World
from host_tests.hostile.world import ACTS, ROUTES
from tools.torture import summary


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.hostile", description=__doc__.split("\n")[0])
    parser.add_argument("routes", nargs="*", metavar="ROUTE", help=f"of {', '.join(ROUTES)}")
    options = parser.parse_args(argv)
    unknown = set(options.routes) - set(ROUTES)
    if unknown:
        parser.error(f"no route is called {', '.join(sorted(unknown))}: use {', '.join(ROUTES)}")
    console, outcomes = Console(width=100), []
    with tempfile.TemporaryDirectory() as folder, World.open(pathlib.Path(folder)) as world:
        for route in options.routes or ROUTES:
            outcomes.append(world.run(route))
            console.print(f"{route}: {outcomes[-1].acts} acts, {len(outcomes[-1].faults)} faults")
    console.print(reasons())
    console.print(counts(outcomes))
    faults = [f"{o.route}: {fault}" for o in outcomes for fault in o.faults]
    for fault in faults:
        console.print(fault, markup=False)
    acts = sum(o.acts for o in outcomes)
    summary.add("hostile world", faults=acts, clips=len(outcomes), broken=len(faults))
    return 1 if faults else 0


def reasons() -> Table:
    table = Table("act", "reason: API", "reason: storage", title="The hostile world")
    for act in ACTS:
        cells = ["-" if r is None else r or "no wait" for r in (act.api, act.storage)]
        table.add_row(act.name, *cells)
    return table


def counts(outcomes: list[Outcome]) -> Table:
    table = Table("route", "acts", "requests", "recordings", "seconds", "faults")
    for o in outcomes:
        row = (o.route, o.acts, o.requests, o.recordings, round(o.seconds), len(o.faults))
        table.add_row(*map(str, row))
    return table


if __name__ == "__main__":
    sys.exit(main())
