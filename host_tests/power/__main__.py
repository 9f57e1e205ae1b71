"""The whole torture of power cuts, with counts.

    python -m host_tests.power [--media lfs fat] [--pairs]

Every operation torn and not, every event of the network, every operation failing once; operations
and events again for clips that go in chunks while they are recorded; with
--pairs also every pair of cuts (the second one in the boot after the first): about 15 minutes for
littlefs and some two and a half hours for FAT. Exits with 1 if a promise was broken.
"""

import argparse
import sys

from host_tests.power import cuts


def count(medium: str, kind: str, *numbers: int) -> dict:
    """Run and print one row; returns its counts."""
    total = {"runs": 0, "cuts": 0, "faults": 0, "missing": 0}
    for run in cuts.runs(medium, kind, *numbers):
        total["runs"] += 1
        total["cuts"] += run["ends"].count("dead")
        total["missing"] = max(total["missing"], run["missing"])
        fault = cuts.fault(run)
        if fault:
            total["faults"] += 1
            words = [medium, kind, run["cut"], run["cut"], run["second"], run["second"]]
            print("FAULT", fault, "replay: flash_cuts.py CODE", *words, "-v", file=sys.stderr)
    print(
        f"{medium} {kind:<10}{' pairs' if len(numbers) == 4 else '':<7}"
        f"{total['runs']:>7} runs {total['cuts']:>7} cuts {total['faults']:>4} faults, "
        f"at most {total['missing'] / cuts.RATE_HZ:.2f} s missing",
        flush=True,
    )
    return total


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="host_tests.power", description=__doc__.split("\n")[0])
    parser.add_argument("--media", nargs="+", choices=cuts.MEDIA, default=cuts.MEDIA)
    parser.add_argument("--pairs", action="store_true", help="every pair of cuts too")
    options = parser.parse_args(argv)
    rows = []
    for medium in options.media:
        whole = cuts.measure(medium)
        operations, events = whole["operations"], whole["events"]
        for kind in ("clean", "torn", "fails"):
            rows.append(count(medium, kind, 1, operations))
        rows.append(count(medium, "net", 1, events))
        (live,) = cuts.runs(medium, "live-clean", 0, 0)
        rows.append(count(medium, "live-torn", 1, live["operations"]))
        rows.append(count(medium, "live-net", 1, live["events"]))
        if options.pairs:
            # No boot after a cut has more operations than the run that nobody cuts.
            for kind in ("clean", "torn"):
                rows.append(count(medium, kind, 1, operations, 1, operations))
            rows.append(count(medium, "net", 1, events, 1, operations))
    faults = sum(row["faults"] for row in rows)
    tried = sum(row["cuts"] for row in rows)
    seconds = max(row["missing"] for row in rows) / cuts.RATE_HZ
    # A clip lost, doubled or freed without proof is a fault of its run.
    print(f"power cuts tried {tried}, promises broken {faults}, most missing {seconds:.2f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
