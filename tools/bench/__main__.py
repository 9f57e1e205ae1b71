"""Benchmarks of the recorder beside other clients, against targets: a table and a JSON file.

    python -m tools.bench                       all fourteen metrics, ten minutes or so
    python -m tools.bench --quick               shorter work, fewer baselines, two minutes
    python -m tools.bench --only M1,M4
    python -m tools.bench --compare FILE        and what changed since that run
    python -m tools.bench --against OLD NEW     two files, nothing is measured
    python -m tools.bench --markdown FILE       a file as a table for a page, nothing is measured

Counts repeat exactly, so any difference is a change; ratios of wall clock and of instructions have
a spread, and only what lies beyond it is called a change. A missed target is printed as MISSED and
is no failure of the run: the exit is 1 only if a metric could not be measured, 2 for wrong usage.
docs/benchmarks.md has the method. MICROPYTHON_LIB may name a checkout of micropython-lib: then its
aiohttp is compared as well.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from tools.bench import metrics, report
from tools.bench.rows import compare
from tools.bench.session import Session
from tools.sim.build import ROOT

_FOLDER = ROOT / "build" / "bench"


def _names(text: str) -> list[str]:
    wanted = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in metrics.TITLES]
    if unknown or not wanted:
        known = ", ".join(metrics.TITLES)
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown) or 'nothing'} is no metric: there are {known}"
        )
    return [name for name in metrics.TITLES if name in wanted]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, default=list(metrics.TITLES), metavar="M1,M4")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--compare", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--against", type=pathlib.Path, nargs=2, metavar=("OLD", "NEW"))
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="the rows on standard output")
    parser.add_argument("--folder", type=pathlib.Path, default=_FOLDER, help="where files go")
    return parser


def _console() -> Console:
    """Wide where nobody reads along: a table that goes to a file has no edge to keep to."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def main(argv=None) -> int:
    options = _parser().parse_args(argv)
    out, err = _console(), Console(stderr=True)
    try:
        if options.against:
            (old, before), (_, after) = map(report.load, options.against)
            report.show_changes(compare(before, after), old, out)
            return 0
        if options.markdown:
            print(report.markdown(report.load(options.markdown)[1]))
            return 0
        known = report.load(options.compare) if options.compare else None
    except report.ReportError as e:
        print(e, file=sys.stderr)
        return 2
    host = report.host_facts()
    path = report.new_file(options.folder)
    # After each metric: what a Ctrl-C ends is kept as far as it came.
    rows = _measure(options.only, options.quick, err, lambda rows: report.save(rows, path, host))
    if options.json:
        print(json.dumps([row.to_json() for row in rows], ensure_ascii=False))
    else:
        report.show(rows, out)
        if report.warning(host):
            out.print(report.warning(host))
    if known:
        old, before = known
        before = [row for row in before if row.metric in options.only]
        report.show_changes(compare(before, rows), old, err if options.json else out)
    err.print(f"written to {path}")
    return 1 if any(row.value is None for row in rows) else 0


def _measure(names: list[str], quick: bool, err: Console, keep: Callable[[list], Any]) -> list:
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        err.status("") as status,
        Session(pathlib.Path(folder), quick, lambda text: status.update(f"{name}: {text}")) as run,
    ):
        for name in names:
            begun_s = time.monotonic()
            status.update(f"{name}: {metrics.TITLES[name]}")
            rows += metrics.measure(name, run)
            keep(rows)
            took_s = time.monotonic() - begun_s
            err.print(f"{name:<4}{metrics.TITLES[name]}, {took_s:.0f} s")
    return rows


if __name__ == "__main__":
    sys.exit(main())
