"""A month of the real device code in virtual time: no promise is broken, the same seed is the same
history, and a planted defect is caught (tools/torture/).
"""

import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from host_tests.conftest import ROOT
from tools.torture import defects, months

SEEDS = 25
FOUND = pathlib.Path(__file__).with_name("found")


def month(*options, root: pathlib.Path = ROOT) -> subprocess.CompletedProcess:
    """Run in a process of its own: the simulation replaces clocks and files."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.torture.month", *map(str, options)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=110)


def test_no_promise_is_broken():
    done = month("--seed", 1, "--count", SEEDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{SEEDS} seeds, 0 with a violation" in done.stdout
    # Every fifth recorder may evict, and its medium fills.
    evicted = re.search(r"^(\d+) clips evicted", done.stdout, re.M)
    assert evicted and int(evicted[1]) >= 50


def test_no_promise_is_broken_where_clips_go_in_chunks():
    """Also while they are recorded, and among the same weather."""
    done = month("--seed", 1, "--count", 15, "--chunks")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "15 seeds, 0 with a violation" in done.stdout


@pytest.mark.parametrize("way", ["whole", "chunks"])
def test_a_recorder_that_leaves_silence_out_breaks_none_either(way):
    """With long takes, and pauses in each: what somebody says is there, and in its place."""
    done = month("--seed", 1, "--count", 6, "--silence", *["--chunks"] * (way == "chunks"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "6 seeds, 0 with a violation" in done.stdout


def test_a_board_that_sleeps_between_takes_breaks_none_either():
    """Its ticks are 0.5 % ahead after a sleep: a wait that the cloud asked for is no shorter."""
    done = month("--seed", 1, "--count", 6, "--sleeps-ppm", 5000)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "6 seeds, 0 with a violation" in done.stdout


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.stem)
@pytest.mark.parametrize("way", ["whole", "chunks"])
def test_a_history_that_broke_a_promise_once_breaks_none_now(path, way):
    """Made short by shrink.py; each failed one way before what it found was mended."""
    done = month("--weather", path, *["--chunks"] * (way == "chunks"))
    assert done.returncode == 0, done.stdout


def test_the_same_seed_is_the_same_history(tmp_path):
    journals = []
    for turn in (1, 2):
        path = tmp_path / f"journal{turn}"
        assert month("--seed", 7, "--journal", path).returncode == 0
        journals.append(path.read_bytes())
    assert journals[0] == journals[1] and len(journals[0]) > 10_000
    assert month("--seed", 8, "--journal", tmp_path / "other").returncode == 0
    assert (tmp_path / "other").read_bytes() != journals[0]


def test_a_month_of_real_flac_breaks_none():
    """What libsndfile decodes of each object is what was heard."""
    done = month("--seed", 300, "--flac")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "1 seeds, 0 with a violation" in done.stdout


@pytest.mark.parametrize(
    "end, said",
    [(signal.SIGKILL, "a worker process ended"), (signal.SIGSTOP, "nothing was heard")],
)
def test_a_worker_that_is_lost_ends_the_run_with_an_error(end, said):
    """Killed by the system for want of memory, say, or hanging: never waited for without end."""
    before = multiprocessing.active_children()
    found = months.every(range(1, 10_000), months.Kind(days=2), jobs=1, silent_s=15)
    assert next(found).seed == 1
    (worker,) = (p for p in multiprocessing.active_children() if p not in before)
    os.kill(worker.pid, end)
    with pytest.raises(months.WorkerLost, match=said):
        list(found)
    deadline = time.monotonic() + 30
    while any(p.pid == worker.pid for p in multiprocessing.active_children()):
        assert time.monotonic() < deadline, "it is left behind"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "name",
    (
        "done before the proof",
        "create is retried with a new body",
        "a clip leaves before the ledger knows it",
        "eviction takes the clip that the lane has in hand",
        "what was left out is durable only when the clip is closed",
    ),
)
def test_a_planted_defect_is_caught(name):
    defect = next(d for d in defects.load() if d.name == name)
    seen = defects.hunt(defect, seeds=60)
    assert seen is not None and seen.text.split()[0] in defect.caught_by


def test_every_planted_defect_still_fits_the_code():
    """The list follows the code: each text stands once where it says."""
    planted = defects.load()
    assert len(planted) >= 20 and sum(defect.faults > 1 for defect in planted) >= 5
    for defect in planted:
        assert defects.changed(defect)
