"""Does a large backlog cost more than a small one? Block reads, counted, not seconds.

    python -m tools.bench.backlog [--media fat lfs] [--clips 10 100 1000 10000 20000] [--heap 256]

One medium fills up with clips that the store's own code makes; at each size it is mounted anew and
the reads of each step are counted (backlog_board.py), in a heap of so many KiB. Targets are M9's:
a slope of 0.05 (log reads over log clips), 10 reads to find the next clip, 0.5 a clip at boot.
census: counting what waits, which goes on beside recording, one folder at a time.

fat is the medium that thousands of clips lie on (a card): the verdicts are about it. lfs, the
chip's own flash, holds a hundred or two on a board; its steps are shown beside.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.sim.board import find_micropython
from tools.sim.build import ROOT, build

SCRIPT = Path(__file__).with_name("backlog_board.py")
OUTPUT = ROOT / "build" / "bench" / "backlog.json"
CLIPS = (10, 100, 1_000, 10_000, 20_000)
MEDIA = ("fat", "lfs")
HEAP_KB = 256
# A clip takes a cluster or a block, and its record and folders as much again.
_KB_A_CLIP = {"fat": 96, "lfs": 6}
_LEAST_KB = {"fat": 65_536, "lfs": 2_048}
MOST_SLOPE = 0.05
MOST_NEXT_READS = 10
MOST_BOOT_READS_A_CLIP = 0.5
MOST_GROWTH_BYTES = 256
STEPS = ("boot", "next", "state", "free", "close", "open")
_LIMIT_S = 540


def run(medium: str, clips=CLIPS, heap_kb: int = HEAP_KB) -> list[dict]:
    """One dict for each size: clips, reads by step, kept_bytes of the heap."""
    micropython = find_micropython()
    if micropython is None:
        raise RuntimeError("there is no MicroPython unix port for this platform")
    size_kb = max(_LEAST_KB[medium], _KB_A_CLIP[medium] * max(clips)) // 4 * 4
    code = build(ROOT / "build" / "device")
    words = [micropython, "-X", f"heapsize={heap_kb}K", SCRIPT, code, medium, size_kb, *clips]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
    if done.returncode:
        raise RuntimeError(f"backlog on {medium} in {heap_kb} KiB: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def slope(rows: list[dict], step: str) -> float:
    """How reads of a step grow with clips: 0 flat, 1 in step with them (log over log)."""
    points = [(math.log(row["clips"]), math.log(max(1, row["reads"][step]))) for row in rows]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def verdicts(rows: list[dict]) -> list[dict]:
    """M9 in rows {metric, value, unit, target, met}: worst slope, reads for the next, at boot."""
    slopes = {step: slope(rows, step) for step in STEPS}
    worst = max(slopes, key=slopes.get)
    most_next = max(row["reads"]["next"] for row in rows)
    largest = rows[-1]
    boot = largest["reads"]["boot"] / largest["clips"]
    heap = [row["kept_bytes"] for row in rows]
    found = [
        (f"worst slope of a step ({worst})", slopes[worst], "", MOST_SLOPE),
        ("reads to find the next clip, at most", most_next, "reads", MOST_NEXT_READS),
        ("reads to the first sample", boot, "a clip", MOST_BOOT_READS_A_CLIP),
        ("heap kept that grew with the clips", max(heap) - heap[0], "bytes", MOST_GROWTH_BYTES),
    ]
    return [
        {"metric": metric, "value": value, "unit": unit, "target": most, "met": value <= most}
        for metric, value, unit, most in found
    ]


def measure(media=MEDIA, clips=CLIPS, heap_kb: int = HEAP_KB) -> dict:
    """{"heap_kb", medium: {"rows": …, "verdicts": …}} for each medium."""
    found: dict = {"heap_kb": heap_kb}
    for medium in media:
        rows = run(medium, clips, heap_kb)
        found[medium] = {"rows": rows, "verdicts": verdicts(rows)}
    return found


def show(found: dict, console: Console) -> None:
    for medium in MEDIA:
        if medium not in found:
            continue
        table = Table(title=f"{medium}: block reads of each step, heap {found['heap_kb']} KiB")
        for name in ("clips", *STEPS, "census", "heap kept"):
            table.add_column(name, justify="right")
        for row in found[medium]["rows"]:
            values = [row["reads"][step] for step in (*STEPS, "census")]
            texts = [f"{value:,.1f}" if value % 1 else f"{value:,.0f}" for value in values]
            table.add_row(f"{row['clips']:,}", *texts, f"{row['kept_bytes']:,}")
        console.print(table)
        for verdict in found[medium]["verdicts"]:
            word = "met" if verdict["met"] else "MISSED"
            console.print(
                f"  {word:7} {verdict['metric']}: {verdict['value']:.3g} {verdict['unit']}"
                f" (target at most {verdict['target']:g})"
            )


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.backlog", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--media", nargs="+", choices=MEDIA, default=MEDIA)
    parser.add_argument("--clips", nargs="+", type=int, default=CLIPS)
    parser.add_argument("--heap", type=int, default=HEAP_KB, help="KiB")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the result is written")
    options = parser.parse_args(argv)
    found = measure(options.media, tuple(options.clips), options.heap)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    show(found, Console())
    return 0 if all(v["met"] for v in found.get("fat", {}).get("verdicts", ())) else 1


if __name__ == "__main__":
    sys.exit(main())
