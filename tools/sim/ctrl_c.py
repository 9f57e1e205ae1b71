"""Ctrl-C for a virtual board's process: a signal while it sleeps.

A board keeps Ctrl-C in mind until its interpreter comes to a place where it may be raised. The
unix port raises it out of the signal handler (MICROPY_ASYNC_KBD_INTR), wherever it is: out of the
middle of an allocation, which leaves the heap locked and ends in deaths that no board dies. In a
system call it holds nothing. What the kernel knows of a process is in proc(5).
"""

import pathlib
import signal
import subprocess
import time

_BUSY_S = 2.0  # what has not slept by then never sleeps: a loop, which is as good a place
_GAP_S = 2.0  # a second one before that shall not end what a program does about the first


class CtrlC:
    """child: the unix port. started: the file that says that it runs (serial_start.py)."""

    def __init__(self, child: subprocess.Popen, started: pathlib.Path):
        self._child = child
        self._started = started
        self._pressed_s = 0.0
        self._sent_s = 0.0

    @property
    def is_due(self) -> bool:
        return self._pressed_s > 0

    @property
    def was_sent(self) -> bool:
        """True from a signal until forget(): a process that ends now may have died of it."""
        return self._sent_s > 0

    def press(self) -> None:
        now_s = time.monotonic()
        if not self._pressed_s and not (self._sent_s and now_s - self._sent_s <= _GAP_S):
            self._pressed_s = now_s

    def forget(self) -> None:
        """The prompt is there: whatever was pressed has done its work."""
        self._pressed_s = self._sent_s = 0.0

    def tick(self) -> None:
        """Send what is due, if this is a place for it; called again and again."""
        if not self._pressed_s or not self.is_heard():
            return
        now_s = time.monotonic()
        if self._is_asleep() or now_s - self._pressed_s > _BUSY_S:
            self._pressed_s, self._sent_s = 0.0, now_s
            self._child.send_signal(signal.SIGINT)

    def is_heard(self) -> bool:
        """True if the process has a handler for SIGINT, which it has while Python code runs."""
        if not self._started.exists():
            return False  # the wheel's starter is a CPython, which would die of it
        for line in self._read("status").splitlines():
            if line.startswith("SigCgt"):
                return bool(int(line.split()[1], 16) & 1 << (signal.SIGINT - 1))
        return False

    def _is_asleep(self) -> bool:
        stat = self._read("stat")
        return stat[stat.rfind(")") + 2 :][:1] == "S"

    def _read(self, name: str) -> str:
        """A file of the kernel's about the process; "" once it has ended."""
        try:
            return pathlib.Path(f"/proc/{self._child.pid}/{name}").read_text()
        except OSError:
            return ""
