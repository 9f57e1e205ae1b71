"""Runs flash_cuts.py on the unix port and judges each run it reports."""

import json
import subprocess
from collections.abc import Iterator

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build
from tools.torture import invariants
from tools.torture.history import History

RATE_HZ = 8000
MEDIA = ("lfs", "fat")
# What witness.py brings whole: the moments it counts are no times.
JUDGED = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S12")
# Printed for a file that a cut left open: EIO when it is collected on the dead medium, EINVAL when
# FatFs finds that its volume was mounted anew (ff.c, validate): nothing is written then.
_LEFT_OPEN = ("OSError: [Errno 5] EIO", "OSError: [Errno 22] EINVAL")


def runs(*arguments) -> Iterator[dict]:
    """One dict a run, as they come; arguments as flash_cuts.py says, without CODE."""
    code = build(ROOT / "build" / "device")
    script = ROOT / "host_tests" / "power" / "flash_cuts.py"
    words = [find_micropython(), "-X", "heapsize=24M", script, code, *arguments]
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
                elif line.strip() not in ("", *_LEFT_OPEN):
                    raise AssertionError(line + process.stdout.read()[:2000])
        finally:
            process.kill()
    assert process.returncode in (0, -9), process.returncode


def fault(run: dict) -> str | None:
    """What must not be, in words; None for a run that kept every promise."""
    ends = run["ends"]
    if ends[-1] != "done" or not set(ends) <= {"dead", "done", "reset"}:
        return f"it did not come to rest: {ends}"
    if run["faults"]:
        return "; ".join(run["faults"])
    if run["left"]:
        return f"left behind without a reason: {run['left']}"
    # A write that fails without a cut may cost as much as a cut does.
    if not 0 <= run["missing"] <= max(1, ends.count("dead")) * RATE_HZ:
        return f"{run['missing']} samples are missing"
    if "history" in run:
        found = invariants.judge(History.from_json(run["history"]), JUDGED)
        return "; ".join(f"{v.name} {v.text}" for v in found) or None
    return None


def measure(medium: str) -> dict:
    """The run that nobody cuts: how many operations and network events there are to cut."""
    (whole,) = runs(medium, "clean", 0, 0)
    assert fault(whole) is None and whole["missing"] == 0 and whole["recordings"] == 2, whole
    return whole
