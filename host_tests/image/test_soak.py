"""The heap after many clips is the heap after few (the thousand: python -m tools.bench.soak)."""

import copy

import pytest

from tools.bench import soak
from tools.sim.board import find_micropython

CLIPS = 24
APART = 6


@pytest.mark.skipif(find_micropython() is None, reason="no MicroPython unix port here")
def test_the_heap_holds_clip_after_clip(tmp_path, capsys):
    made = soak.run(CLIPS, tmp_path)
    with capsys.disabled():
        print()
        soak.show(made, CLIPS, APART)
    assert soak.judge(made, CLIPS, APART) == []
    assert [s.clip for s in made.samples][0] == 0 and len(made.samples) > CLIPS // 2
    # A heap that crumbles would be seen: here by 4 KiB a clip.
    leaking = copy.deepcopy(made)
    for sample in leaking.samples:
        sample.free_bytes -= 4096 * sample.clip
        sample.largest_bytes -= 4096 * sample.clip
    assert len(soak.judge(leaking, CLIPS, APART)) == 2


def test_a_run_that_ends_early_is_a_fault():
    said = "I start\nboom MemoryError\n"
    made = soak._read(said, 5, 3)
    assert "3 of 5 clips" in made.faults[0] and "short of memory" in made.faults[1]
    assert soak.judge(made, 5, 1) == made.faults
