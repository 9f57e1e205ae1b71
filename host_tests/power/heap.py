"""The whole recorder at every heap from 24 KiB up, in steps of one.

    python -m host_tests.power.heap

Each start ends with a sentence and a reset, or runs; then everything arrives (the test says how).
Prints the smallest heap that ran and the largest that ended. Exits with 1 if a promise was broken.
"""

import ast
import os
import re
import subprocess
import sys
import time

from host_tests.conftest import ROOT
from tools.torture import summary

TEST = ROOT / "host_tests" / "system" / "test_heap_sizes.py"
_OUTCOMES = re.compile(r"^\.?(\{\d+: .*\})$", re.MULTILINE)


def main() -> int:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(TEST)],
        env=os.environ | {"HEAP_STEP_KB": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    found = _OUTCOMES.search(done.stdout)
    outcomes = ast.literal_eval(found[1]) if found else {}
    if done.returncode:
        print(done.stdout[-4000:], file=sys.stderr)
    print(said(outcomes))
    summary.add(
        "heap sizes",
        faults=len(outcomes),
        broken=int(done.returncode != 0),
        took_s=round(time.monotonic() - began),
    )
    return 1 if done.returncode else 0


def said(outcomes: dict[int, str]) -> str:
    """One sentence: heap in KiB -> "runs" or "ends"."""
    runs = [heap_kb for heap_kb, how in outcomes.items() if how == "runs"]
    ends = [heap_kb for heap_kb, how in outcomes.items() if how == "ends"]
    if not runs or not ends:
        return f"{len(outcomes)} heap sizes tried, and none told the two apart"
    return (
        f"{len(outcomes)} heap sizes from {min(outcomes)} to {max(outcomes)} KiB: "
        f"the smallest that ran is {min(runs)}, the largest that ended with a reason {max(ends)}"
    )


if __name__ == "__main__":
    sys.exit(main())
