"""What a cut costs, as a table: each way of sending, each kind of cut, at 1, 5, 10 … 99 %.

    python -m host_tests.resume [--mb 16]

Bytes are counted at the server's socket. Exits with 1 if a chunked clip sent more than one chunk
again for a cut. Some minutes.
"""

import argparse
import pathlib
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from host_tests.resume.cuts import CHUNK_BYTES, KINDS, delivery

PERCENTS = [1, *range(5, 100, 5), 99]
WAYS = ("chunks", "whole")


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.resume", description=__doc__.split("\n")[0])
    parser.add_argument("--mb", type=int, default=16, help="megabytes (10**6 bytes) of the clip")
    options = parser.parse_args(argv)
    size_bytes = options.mb * 1_000_000
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            for kind in KINDS:
                place = pathlib.Path(folder) / f"{way}-{kind}"
                place.mkdir()
                with delivery(place, size_bytes, way) as one:
                    columns[way, kind] = one.run(kind, PERCENTS)
    Console(width=100).print(table(size_bytes, columns))
    most = max(
        cut.again_bytes for (way, _), cuts in columns.items() if way == "chunks" for cut in cuts
    )
    print(f"chunked: at most {most} bytes again for a cut; a chunk has {CHUNK_BYTES}")
    return 0 if most <= CHUNK_BYTES else 1


def table(size_bytes: int, columns: dict) -> Table:
    view = Table(title=f"KiB sent again after a cut, clip of {size_bytes} bytes")
    view.add_column("cut at", justify="right")
    for way, kind in columns:
        view.add_column(f"{way}, {kind}", justify="right")
    for row, percent in enumerate(PERCENTS):
        again = (f"{cuts[row].again_bytes / 1024:.0f}" for cuts in columns.values())
        view.add_row(f"{percent} %", *again)
    return view


if __name__ == "__main__":
    sys.exit(main())
