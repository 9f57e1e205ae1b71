"""A week on battery in virtual time, the whole application (tools/bench/energy_week.py): nothing
is lost, no press is missed, and the board sleeps most of it.
"""

import json
import shutil
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT
from tools.torture.parts import Sleep

WAKE_TO_TAKE_MS = 100  # what docs/energy.md states, apart from what the hardware takes
BLOCK_MS = 256  # one that is awake begins at the end of a block


def week(*options):
    """In a process of its own: the simulation replaces clocks and files."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.energy_week", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(done.stdout)
    total_ms = sum(found["spent_ms"].values())
    found["share_pct"] = {name: 100 * ms / total_ms for name, ms in found["spent_ms"].items()}
    return found


@pytest.mark.parametrize("drift_ppm", ["3000", "-10000"])
def test_a_week_by_schedule(drift_ppm):
    found = week("--mode", "schedule", "--drift-ppm", drift_ppm)
    assert len(found["late_ms"]) == found["takes_due"] == 14
    # Ticks of a sleep are wrong by up to 1 %; the saver asks for the time at 20 s of doubt: 20.2 s
    # of the world where the ticks are slow, and joining and asking take another second.
    assert max(map(abs, found["late_ms"])) < 22_000, found["late_ms"]
    assert found["heard"] == found["delivered"] > 14 * 155 * 8000
    assert found["violations"] == []
    assert found["share_pct"]["asleep"] > 97
    assert found["beats"] >= 24 * 7 - 7
    assert found["longest_unfed_pct"] < 50


def test_a_week_by_the_button():
    found = week("--mode", "button", "--seed", "7")
    assert len(found["late_ms"]) == found["takes_due"] == 28, "no press was missed"
    assert found["woken_by_button"] >= 26, "but for a press that comes while a beat is sent"
    assert 0 <= min(found["late_ms"]) and max(found["late_ms"]) <= WAKE_TO_TAKE_MS + BLOCK_MS
    assert found["heard"] == found["delivered"] == 28 * 45 * 8000
    assert found["violations"] == []
    assert found["share_pct"]["asleep"] > 97
    assert found["share_pct"]["radio on"] < 1
    assert 24 * 7 - 7 <= found["beats"] <= 24 * 7 + 28


def test_where_nothing_happens_it_wakes_twelve_times_an_hour():
    """M13: ten slices, and a heartbeat."""
    found = week("--mode", "idle", "--days", "2")
    asleep_h = found["spent_ms"]["asleep"] / 3_600_000
    assert 40 < asleep_h and found["beats"] >= 45 and found["violations"] == []
    assert 10 <= found["wakes"] / asleep_h <= 12
    assert found["longest_unfed_pct"] < 50


def test_a_planted_defect_would_be_seen(tmp_path):
    """The board sleeps without asking whether a clip waits: then nothing is delivered in time."""
    for folder in ("device", "rescue", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "device" / "power" / "saver.py"
    text = path.read_text()
    line = "return max(0, min(self._lane.rests_ms(), beat_ms, max(sure_ms, self._slice_ms)))"
    assert text.count(line) == 1, "the defect no longer fits the code"
    path.write_text(text.replace(line, "return 86_400_000"))
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.energy_week", "--json"]
    command += ["--days", "2", "--mode", "button"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["delivered"] < found["heard"] and found["beats"] <= 1


def test_the_bench_holds_the_board_to_its_own_figures():
    text = (ROOT / "device" / "hal" / "esp32" / "sleep.py").read_text()
    assert f"drift_ppm = {Sleep.drift_ppm:_}\n" in text
