"""The scripted fortnight: all rules held, and docs/fortnight.md shows this run."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT


def fortnight(*options: str, root: pathlib.Path = ROOT) -> subprocess.CompletedProcess:
    """Run in a process of its own: the simulation replaces clocks and files."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.torture.fortnight", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=110)


def test_every_byte_within_the_rules_every_wait_explained_and_the_page_shows_it():
    done = fortnight("--check")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-3000:]
    assert "10 Wed | home, 4G, portal" in done.stdout and "`cap_month`" in done.stdout


# name -> (days, what is said of it, file, lines, what stands there in their place)
PLANTED = {
    "a closed way is dialled": (
        1, "bytes over 4G out of hours",
        "device/joining.py", "    link.permits = planner.shut\n", "",
    ),
    "bytes are not counted": (
        3, "bytes over the daily cap",
        "device/queue/planner.py", "        if way is not None and size:\n", "        if False:\n",
    ),
    "it roams whatever the settings say": (
        6, "bytes over 4G abroad",
        "device/link/dialling.py", "            if may_roam:\n", "            if True:\n",
    ),
    "a wrong reason": (
        1, "waited",
        "device/transfer/lane.py",
        "            return self._shut_for(code, left_ms) if code else (self._link.reason, 0)\n",
        '            return "nothing_to_send", 0\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found(tmp_path, name):
    days, said, path, lines, defect = PLANTED[name]
    for folder in ("device", "rescue", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (tmp_path / path).read_text()
    assert text.count(lines) == 1, "the defect no longer fits the code"
    (tmp_path / path).write_text(text.replace(lines, defect))
    done = fortnight("--days", str(days), root=tmp_path)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    broken = [line for line in done.stdout.splitlines() if line.startswith("broken: ")]
    assert any(said in line for line in broken), broken[:5]
