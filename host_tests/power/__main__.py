"""The whole torture of power cuts, with counts.

    python -m host_tests.power [--media lfs fat] [--pairs sample|all|none] [--every-call N]

Every operation torn and not, every event of the network, every operation failing once, every N-th
call of the block device (reads too) failing once; operations and events again for clips that go in
chunks while they are recorded. Then pairs of cuts on the path of one clip, the second one at each
operation of the boot after the first: on littlefs after every first cut, on FAT after every fifth
(`all`: every one, as `make torture` does). Exits with 1 if a promise was broken.
"""

import argparse
import dataclasses
import sys
import time

from host_tests.power import cuts
from tools.torture import summary

_FAT_PAIRS_EVERY = 5


@dataclasses.dataclass
class Row:
    """What came of one kind of cut."""

    what: str
    runs: int = 0
    cuts: int = 0
    faults: int = 0
    lost: int = 0  # clips
    twice: int = 0  # clips
    missing: int = 0  # samples, of all runs
    most: float = 0  # samples a cut
    clips: int = 0
    took_s: float = 0

    def add(self, run: dict) -> str | None:
        """Count a run; returns its fault."""
        dead = run["ends"].count("dead")
        fault = cuts.fault(run)
        self.runs += 1
        self.cuts += dead
        self.faults += fault is not None
        self.lost += sum(f"{name} clip" in (fault or "") for name in ("S1", "S3"))
        self.twice += "S4 clip" in (fault or "")
        self.missing += max(0, run["missing"])
        self.most = max(self.most, run["missing"] / max(1, dead))
        self.clips += run["recordings"]
        return fault

    def __str__(self) -> str:
        return (
            f"{self.what:<16}{self.runs:>7} runs {self.cuts:>7} cuts {self.faults:>4} faults "
            f"{self.lost:>3} clips lost {self.twice:>3} twice, "
            f"{self.missing / cuts.RATE_HZ:8.1f} s lost, "
            f"at most {self.most / cuts.RATE_HZ:.2f} s a cut"
        )


def count(medium: str, kind: str, *words) -> Row:
    """Run and print one row."""
    row = Row(f"{medium} {kind}{' pairs' if len(words) > 3 else ''}")
    began = time.monotonic()
    for run in cuts.runs(medium, kind, *words):
        fault = row.add(run)
        if fault:
            replay = [medium, kind, run["cut"], run["cut"], run["second"], run["second"]]
            print("FAULT", fault, "replay: flash_cuts.py CODE", *replay, "-v", file=sys.stderr)
    row.took_s = time.monotonic() - began
    print(row, flush=True)
    return row


def torture(medium: str, pairs: str, every_call: int) -> list[Row]:
    """Every row of one medium."""
    whole = cuts.measure(medium)
    operations, events = whole["operations"], whole["events"]
    rows = [count(medium, kind, 1, operations) for kind in ("clean", "torn", "fails")]
    rows.append(count(medium, "net", 1, events))
    rows.append(count(medium, "calls", 1, whole["calls"], f"every={every_call}"))
    (live,) = cuts.runs(medium, "live-clean", 0, 0)
    rows.append(count(medium, "live-torn", 1, live["operations"]))
    rows.append(count(medium, "live-net", 1, live["events"]))
    if pairs != "none":
        (one,) = cuts.runs(medium, "one-clean", 0, 0)
        # A boot after a cut has fewer operations than this; where none is left it goes on.
        last = 2 * one["operations"]
        step = _FAT_PAIRS_EVERY if medium == "fat" and pairs == "sample" else 1
        for kind in ("one-clean", "one-torn"):
            rows.append(count(medium, kind, 1, one["operations"], 1, last, f"every={step}"))
        rows.append(count(medium, "one-net", 1, one["events"], 1, last))
    return rows


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.power", description=__doc__.split("\n")[0])
    parser.add_argument("--media", nargs="+", choices=cuts.MEDIA, default=cuts.MEDIA)
    parser.add_argument("--pairs", choices=("none", "sample", "all"), default="sample")
    parser.add_argument("--every-call", type=int, default=5, metavar="N")
    options = parser.parse_args(argv)
    broken = 0
    for medium in options.media:
        rows = torture(medium, options.pairs, options.every_call)
        broken += sum(row.faults for row in rows)
        summary.add(
            f"power cuts, {medium}",
            cuts=sum(row.cuts for row in rows),
            faults=sum(row.runs for row in rows if row.what.endswith(("fails", "calls"))),
            clips=sum(row.clips for row in rows),
            clips_lost=sum(row.lost for row in rows),
            duplicates=sum(row.twice for row in rows),
            seconds_lost=round(sum(row.missing for row in rows) / cuts.RATE_HZ, 1),
            most_lost_s=round(max(row.most for row in rows) / cuts.RATE_HZ, 2),
            broken=sum(row.faults for row in rows),
            took_s=round(sum(row.took_s for row in rows)),
        )
    print(f"promises broken {broken}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
