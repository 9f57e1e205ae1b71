"""A month of the real device code in virtual time: no promise is broken, the same seed is the same
history, and a planted defect is caught (tools/torture/).
"""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT

SEEDS = 25


def month(*options, root: pathlib.Path = ROOT) -> subprocess.CompletedProcess:
    """Run in a process of its own: the simulation replaces clocks and files."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.torture.month", *map(str, options)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=110)


def test_no_promise_is_broken():
    done = month("--seed", 1, "--count", SEEDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{SEEDS} seeds, 0 with a violation" in done.stdout


def test_no_promise_is_broken_where_clips_go_in_chunks():
    """Also while they are recorded, and among the same weather."""
    done = month("--seed", 1, "--count", 15, "--chunks")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "15 seeds, 0 with a violation" in done.stdout


def test_a_board_that_sleeps_between_takes_breaks_none_either():
    """Its ticks are 0.5 % ahead after a sleep: a wait that the cloud asked for is no shorter."""
    done = month("--seed", 1, "--count", 6, "--sleeps-ppm", 5000)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "6 seeds, 0 with a violation" in done.stdout


def test_the_same_seed_is_the_same_history(tmp_path):
    journals = []
    for turn in (1, 2):
        path = tmp_path / f"journal{turn}"
        assert month("--seed", 7, "--journal", path).returncode == 0
        journals.append(path.read_bytes())
    assert journals[0] == journals[1] and len(journals[0]) > 10_000
    assert month("--seed", 8, "--journal", tmp_path / "other").returncode == 0
    assert (tmp_path / "other").read_bytes() != journals[0]


PLANTED = {
    "freed before proof": (
        "device/transfer/whole_file.py",
        "            await self._complete(clip, alive)\n",
        "            self._store.save(clip, state=DONE)\n",
    ),
    "another key at each attempt": (
        "device/transfer/whole_file.py",
        "self._cloud.create(body, key.decode())",
        "self._cloud.create(body, key.decode() + str(self._clock.uptime_ms()))",
    ),
    "a number is used again": (
        "device/store/store.py",
        "        self._secrets.raise_counter(_COUNTER, number)\n",
        "",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_caught(tmp_path, name):
    path, line, defect = PLANTED[name]
    for folder in ("device", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (tmp_path / path).read_text()
    assert text.count(line) == 1, "the defect no longer fits the code"
    (tmp_path / path).write_text(text.replace(line, defect))
    done = month("--seed", 1, "--count", 60, root=tmp_path)
    assert done.returncode == 1, done.stdout[-2000:]
    assert re.search(r"^seed \d+: [SL]\d+ ", done.stdout, re.M), done.stdout[-2000:]
