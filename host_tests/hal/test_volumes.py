"""The storage ports of boards over real littlefs and FAT, on the unix port."""

import json
import subprocess

import pytest

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython

SCRIPT = """
import sys
for path in sys.argv[1:]:
    sys.path.insert(0, path)
import volume_checks
volume_checks.main()
"""
BOTH = (
    "root_is_a_folder_without_trailing_slash",
    "files_and_folders",
    "what_was_synced_is_there_for_another_reader",
    "writing_again_replaces",
    "room_is_within_bounds_and_follows_the_files",
)
CHECKS = [medium + " " + name for medium in ("flash", "card") for name in BOTH] + [
    "flash blocks_fill_as_littlefs_does",
    "flash code_is_still_there",
    "flash reads_are_few",
    "flash foreign_flash_is_not_formatted",
    "card foreign_card_is_not_formatted",
    "card blocks_are_whole_clusters",
    "card a_count_that_failed_is_no_full_card",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("there is no MicroPython unix port for this platform")
    script = tmp_path_factory.mktemp("volumes") / "run.py"
    script.write_text(SCRIPT)
    folders = [ROOT, ROOT / "host_tests" / "contract", ROOT / "host_tests" / "hal"]
    command = [micropython, "-X", "heapsize=16M", script, *folders]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("check", CHECKS)
def test_volume(results, check):
    assert results[check] == "ok"


def test_nothing_was_left_out(results):
    assert sorted(results) == sorted(CHECKS)
