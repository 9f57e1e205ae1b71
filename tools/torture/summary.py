"""The one table at the end of `make torture`: every part adds a row, the README quotes it.

A part calls `add` once, when it is done, whatever came out:

    from tools.torture import summary
    summary.add("power cuts, FAT", cuts=812, clips_lost=0, seconds_lost=3.1, broken=0)

It names what it counts (COUNTS) and leaves out the rest. Rows are JSON lines in a file of build/,
so a part may be a process of its own, and run alone adds to what is there:

    python -m tools.torture.summary            print the table; exit 1 if a promise was broken
"""

import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parents[2] / "build" / "torture" / "summary.jsonl"
# name -> head of its column. All are added up, but for MOST.
COUNTS = {
    "cuts": "cuts",
    "seeds": "seeds",
    "virtual_days": "virtual days",
    "inputs": "fuzz inputs",
    "faults": "faults made",  # calls that failed, answers bent
    "clips": "clips",
    "clips_lost": "clips lost",
    "clips_evicted": "evicted",  # where the settings ask for it: no loss
    "duplicates": "duplicates",
    "seconds_lost": "seconds lost",  # of what was heard; a power cut may cost one
    "most_lost_s": "most a cut, s",
    "broken": "promises broken",
    "took_s": "took, s",
}
MOST = ("most_lost_s",)
_BAD = ("clips_lost", "duplicates", "broken")


def begin(path: pathlib.Path = FILE) -> None:
    """Forget the rows of an earlier run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def add(part: str, path: pathlib.Path = FILE, **counts: float) -> None:
    """One row. Raises ValueError for a count that is none of COUNTS."""
    unknown = set(counts) - set(COUNTS)
    if unknown:
        raise ValueError(f"no such counts: {sorted(unknown)}; there are {', '.join(COUNTS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as f:
        f.write(json.dumps({"part": part, **counts}) + "\n")


def rows(path: pathlib.Path = FILE) -> list[dict]:
    """What was added, in order; the last row of a part stands for it."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found.pop(row["part"], None)
            found[row["part"]] = row
    return list(found.values())


def total(those: list[dict]) -> dict:
    """All rows as one."""
    whole = {"part": "all"}
    for name in COUNTS:
        values = [row[name] for row in those if name in row]
        if values:
            whole[name] = max(values) if name in MOST else sum(values)
    return whole


def table(those: list[dict]) -> str:
    """Rows and their total as a Markdown table, with the columns that somebody counted."""
    names = [name for name in COUNTS if any(name in row for row in those)]
    lines = [["part", *(COUNTS[name] for name in names)]]
    for row in [*those, total(those)]:
        lines.append([row["part"], *(_cell(row.get(name)) for name in names)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, rule)
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)
        ]) + " |"
        for line in lines
    )  # fmt: skip


def _cell(value):
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def is_good(those: list[dict]) -> bool:
    return bool(those) and not any(row.get(name) for row in those for name in _BAD)


def main() -> int:
    those = rows()
    if not those:
        print(f"no part has added a row to {FILE}; run `make torture` first", file=sys.stderr)
        return 1
    print(table(those))
    return 0 if is_good(those) else 1


if __name__ == "__main__":
    sys.exit(main())
