"""Planted defects: each one a change to a copy of device/ that the months must notice.

A defect that stays unseen says that the net has a hole. They are patches, never switches in the
code (planted/*.toml): a text that is no longer found once in its file fails the run, so that the
list follows the code.

    python -m tools.torture.defects [--only NAME ...] [--seeds 1000] [--jobs 1] [--shrink]

--shrink makes each history that notices one as short as it gets, and counts the faults of weather
that it still needs: a defect of two faults must need two.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

from tools.torture import weather

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLANTED = pathlib.Path(__file__).with_name("planted")


@dataclasses.dataclass(frozen=True)
class Defect:
    """changes: (file below device/, text that stands in it once, what comes in its place).

    caught_by: the invariants that may notice it; a crash does not count. faults: how many events
    of bad weather must coincide before it shows. in_chunks: it shows only where clips go so.
    with_cuts: it lies between two writes, and is hunted where the power goes in each take;
    with_refusals: where the medium takes no write for days; evicts: where the recorder may evict
    and its medium fills; with_silence: where it leaves silence out.
    """

    name: str
    caught_by: tuple[str, ...]
    faults: int
    changes: tuple[tuple[str, str, str], ...]
    in_chunks: bool = False
    with_cuts: bool = False
    with_refusals: bool = False
    evicts: bool = False
    with_silence: bool = False


def load(folder: pathlib.Path = PLANTED) -> tuple[Defect, ...]:
    """Every defect of the list, file by file."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        for row in tomllib.loads(path.read_text())["defect"]:
            changes = tuple((c["file"], c["old"], c["new"]) for c in row.pop("change"))
            row["caught_by"] = tuple(row["caught_by"])
            found.append(Defect(**row, changes=changes))
    return tuple(found)


def changed(defect: Defect) -> dict[str, str]:
    """File below device/ -> its text with the defect. Raises ValueError if it does not apply."""
    texts: dict[str, str] = {}
    for name, old, new in defect.changes:
        text = texts.get(name) or (ROOT / "device" / name).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{defect.name}: {name} holds the text {text.count(old)} times")
        texts[name] = text.replace(old, new)
    return texts


def plant(defect: Defect, folder: pathlib.Path) -> None:
    """A copy of device/ with the defect, in folder. Raises ValueError as `changed` does."""
    shutil.copytree(
        ROOT / "device", folder / "device", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, text in changed(defect).items():
        (folder / "device" / name).write_text(text)


@dataclasses.dataclass(frozen=True)
class Seen:
    """seed, text: which seed noticed a defect, and what; needs: faults of the shortest history."""

    seed: int
    text: str
    needs: int | None = None


def hunt(defect: Defect, seeds: int, days: int = 30, shrinks: bool = False) -> Seen | None:
    """What the first seed saw that notices the defect, None if none does."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plant(defect, folder)
        words = [sys.executable, "-W", "ignore", "-m", "tools.torture.month", "--count", seeds]
        words += ["--days", days, "--until", *defect.caught_by]
        words += ["--chunks"] if defect.in_chunks else []
        words += ["--cuts"] if defect.with_cuts else []
        words += ["--refusals"] if defect.with_refusals else []
        words += ["--evicts"] if defect.evicts else []
        words += ["--silence"] if defect.with_silence else []
        words += ["--shrink", folder / "short.json"] if shrinks else []
        result = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        for line in result.stdout.splitlines():
            seed, _, seen = line.partition(": ")
            if seed.startswith("seed ") and seen.split()[0] in defect.caught_by:
                return Seen(int(seed[5:]), seen, _faults_of(folder / "short.json"))
    if result.returncode not in (0, 1) or "Traceback" in result.stderr:
        raise RuntimeError(result.stderr[-2000:])
    return None


def _faults_of(path):
    if not path.exists():
        return None
    events = weather.Weather.from_json(path.read_text()).events
    return sum(event["what"] != "take" for event in events)


def main(argv=None) -> int:
    defects = load()
    parser = argparse.ArgumentParser(prog="tools.torture.defects", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[defect.name for defect in defects])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--shrink", action="store_true", help="count the faults that each needs")
    parser.add_argument("--jobs", type=int, default=1, help="so many hunts at the same time")
    options = parser.parse_args(argv)
    chosen = [d for d in defects if not options.only or d.name in options.only]
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda d: hunt(d, options.seeds, shrinks=options.shrink), chosen)
        for defect, seen in zip(chosen, found, strict=True):
            missed += seen is None
            where = "NOT SEEN" if seen is None else f"seed {seen.seed:>4}  {seen.text[:60]}"
            if seen and seen.needs is not None:
                where = f"needs {seen.needs}  {where}"
                missed += seen.needs < defect.faults
            print(f"{defect.name:<52} {defect.faults} fault  {where}", flush=True)
    coinciding = sum(defect.faults > 1 for defect in chosen)
    print(f"{len(chosen)} defects, {coinciding} of two faults at once, {missed} not as stated")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
