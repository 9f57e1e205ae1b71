"""The whole recorder at every heap from far too small to enough: it says so, and loses nothing.

HEAP_STEP_KB=1 tries each size (the torture); by default every 32nd. HEAP_POWER_ON_S: how long each
has, more on a busy host.
"""

import os
import subprocess

import pytest

STEP_KB = int(os.environ.get("HEAP_STEP_KB", 32))
ENOUGH_KB = 384
POWER_ON_S = float(os.environ.get("HEAP_POWER_ON_S", 4))


def run_for_a_while(board, heap_kb: int) -> tuple[int | None, str]:
    """(exit code or None if it still ran when the power was pulled, what it said)."""
    board.heap_kb = heap_kb
    process = subprocess.Popen(
        board.command_line(),
        cwd=board.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=board._environment(),
        text=True,
        errors="replace",
    )
    try:
        said, _ = process.communicate(timeout=POWER_ON_S)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        said, code = process.communicate()[0], None
    with (board.folder / "serial.log").open("a") as f:
        f.write(said)  # the proof reads there what was delivered
    return code, said


@pytest.mark.timeout(4000 if STEP_KB < 16 else 600)
def test_too_little_memory_says_so_and_loses_nothing(bench):
    made = bench("micropython", 150)
    made.equip(recording={"mode": "continuous"}, speed=12, driver_ms=600_000)
    board = made.board
    board.start()  # writes what a start needs
    board.kill()
    sizes = range(24, ENOUGH_KB, STEP_KB)
    outcomes = {}
    for heap_kb in sizes:
        code, said = run_for_a_while(board, heap_kb)
        if code is None:
            outcomes[heap_kb] = "runs"
            continue
        outcomes[heap_kb] = "ends"
        # 3: the program resets the board itself. 1: its main file is too large for the heap.
        assert code in (1, 3), (heap_kb, code, said[-2000:])
        assert "MemoryError" in said or "low_memory" in said or "memory" in said, (heap_kb, said)
        if code == 3:
            assert "reset because" in said, (heap_kb, said[-2000:])
    print(outcomes)
    assert "ends" in outcomes.values()
    board.heap_kb = ENOUGH_KB
    board.start()
    board.control.wait_event("microphone_end", 60)
    board.command("record", on=False)
    made.wait_delivered(60)
    cuts = len(outcomes) + 1
    proofs, missing = made.prove(may_miss=2 * 16000)
    assert proofs and missing <= cuts * 16000
