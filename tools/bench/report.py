"""What a run of the benchmarks leaves: tables for people, and one JSON file to compare with."""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

from rich import box
from rich.console import Console
from rich.table import Table

from tools.bench.rows import MISSED, NOT_MEASURED, Change, Row, figure
from tools.sim.board import find_micropython
from tools.sim.build import ROOT

FORMAT = 1
BASELINES = ("raw socket", "asyncio streams", "requests", "aiohttp", "curl")
_STYLES = {MISSED: "bold red", NOT_MEASURED: "yellow", "worse": "bold red", "better": "green"}


class ReportError(Exception):
    """A sentence: which file cannot be compared with, and why."""


def host_facts() -> dict:
    """What a figure of this machine depends on. Names no person, host or folder."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "micropython": _said(find_micropython(), "-c", "import sys; print(sys.version)"),
        "valgrind": _said("valgrind", "--version"),
        "curl": " ".join(_said("curl", "--version").split()[:2]),
    }


def commit() -> str:
    """The commit measured, with + where files differ from it; empty outside a clone."""
    head = _said("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD")
    dirty = _said("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no")
    return head + ("+" if head and dirty else "")


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def _said(*command) -> str:
    """The first line that a command prints; empty if there is no such command."""
    if command[0] is None:
        return ""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else ""


def new_file(folder: pathlib.Path) -> pathlib.Path:
    """Where this run goes, named by the time."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d-%H%M%S}.json"


def save(rows: list[Row], path: pathlib.Path, host: dict) -> pathlib.Path:
    """Write what was measured so far; returns path."""
    value = {
        "format": FORMAT,
        "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "commit": commit(),
        "host": host,
        "rows": [row.to_json() for row in rows],
    }
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    return path


def load(path: pathlib.Path) -> tuple[dict, list[Row]]:
    """(facts, rows) of a file that save() wrote. Raises ReportError."""
    try:
        value = json.loads(path.read_text())
        if value["format"] != FORMAT:
            raise ReportError(f"{path} has format {value['format']}, this reads {FORMAT}.")
        return value, [Row.from_json(row) for row in value["rows"]]
    except OSError as e:
        raise ReportError(f"{path} cannot be read: {e.strerror}.") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ReportError(f"{path} is no file of `make bench`: name one from build/bench/.") from e


def show(rows: list[Row], console: Console) -> None:
    """The table: each figure beside its target and the baselines of the same run."""
    names = [name for name in BASELINES if any(name in row.baselines for row in rows)]
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Benchmarks: figures and targets")
    view.add_column("")
    view.add_column("figure", min_width=28)
    for name in ("is", "±", "target"):
        view.add_column(name, justify="right", no_wrap=True)
    view.add_column("", no_wrap=True)
    for name in names:
        view.add_column(name, justify="right")
    last = None
    for row in rows:
        spread = figure(row.spread) if row.spread else ""
        unit = f" {row.unit}" if row.unit and row.value is not None else ""
        view.add_row(
            row.metric if row.metric != last else "",
            row.what + (f" ({row.note})" if row.note else ""),
            figure(row.value) + unit,
            spread,
            row.target,
            row.verdict,
            *(figure(row.baselines[name]) if name in row.baselines else "" for name in names),
            style=_STYLES.get(row.verdict),
        )
        last = row.metric
    console.print(view)
    console.print(summary(rows))


def warning(host: dict) -> str:
    """What a reader must know of the machine; empty if it was quiet."""
    if host["load"] <= host["cores"] / 2:
        return ""
    return (
        f"The machine was busy (load {host['load']} on {host['cores']} cores): counts do not "
        "mind, wall clock does (M2, the milliseconds of M12)."
    )


def markdown(rows: list[Row]) -> str:
    """The table as a page of docs/ shows it."""
    names = [name for name in BASELINES if any(name in row.baselines for row in rows)]
    lines = [
        "| | figure | is | ± | target | | " + " | ".join(names) + " |",
        "| --- | --- | --- | --- | --- | --- |" + " --- |" * len(names),
    ]
    for row in rows:
        value = figure(row.value) + (f" {row.unit}" if row.unit and row.value is not None else "")
        cells = [row.metric, row.what, value, figure(row.spread) if row.spread else "", row.target]
        cells.append("**MISSED**" if row.verdict == MISSED else row.verdict)
        cells += [figure(row.baselines[name]) if name in row.baselines else "" for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: list[Row]) -> str:
    counts = {word: 0 for word in ("met", MISSED, NOT_MEASURED)}
    for row in rows:
        if row.verdict:
            counts[row.verdict] += 1
    return ", ".join(f"{count} {word}" for word, count in counts.items()) + " (rows with a target)"


def show_changes(changes: list[Change], old: dict, console: Console) -> None:
    """Old, new and difference; what changed beyond its noise is named."""
    title = f"Compared with {old.get('commit') or 'unknown'} of {old.get('made', '')}"
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title)
    view.add_column("")
    view.add_column("figure")
    for name in ("old", "new", "difference"):
        view.add_column(name, justify="right", no_wrap=True)
    view.add_column("", no_wrap=True)
    for change in changes:
        percent = change.percent
        view.add_row(
            change.metric,
            change.what,
            figure(change.old),
            figure(change.new),
            "" if percent is None else f"{percent:+.2f} %",
            change.word,
            style=_STYLES.get(change.word),
        )
    console.print(view)
    beyond = sum(bool(change.word) for change in changes)
    console.print(f"{len(changes)} figures compared, {beyond} changed beyond their noise")
