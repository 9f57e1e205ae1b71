"""Instructions that a program runs, counted by valgrind: the same on a busy machine as on a quiet
one. Only user space is counted; start-up cancels in the difference of two lengths of work.
"""

import os
import pathlib
import re
import shutil
import subprocess

from tools.bench.rows import NotMeasured
from tools.sim.board import find_micropython

_LIMIT_S = 900
# Repeats differ by so much of a count: random numbers of TLS, and when the heap is collected.
SPREAD = 0.003


def needed() -> None:
    """Raises NotMeasured where nothing can be counted."""
    if shutil.which("valgrind") is None:
        raise NotMeasured("valgrind is not installed")


def instructions(
    script: pathlib.Path, *words, heap_kb: int = 4096, path: str = ".frozen", cwd=None
) -> int:
    """Instructions of a script on MicroPython's unix port, which is itself a program of Python's.

    Raises NotMeasured without valgrind, RuntimeError if the script ends badly.
    """
    needed()
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [find_micropython(), "-X", f"heapsize={heap_kb}K", script, *words]
    env = {"MICROPYPATH": path, "PATH": os.defpath, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{pathlib.Path(script).name} under callgrind: {done.stderr[-400:]}")
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])
