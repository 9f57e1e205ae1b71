"""The chip of a virtual board: files beside it are its registers (device/hal/sim/registers.py),
the simulator reads them and is its watchdog.
"""

import json
import os
import sys

from rescue.chip import is_reason, numbers_in


def hardware():
    """The folder of the virtual hardware."""
    return os.getenv("RECORDER_HARDWARE") or os.getcwd()


def read_board():
    """board.json (tools/sim/board.py has its keys)."""
    with open(hardware() + "/board.json") as f:
        return json.load(f)


class Chip:
    def __init__(self):
        spec = read_board()
        self.device_id = spec["device_id"]
        self._cause = os.getenv("RECORDER_CAUSE") or spec.get("cause", "power_on")
        self._memory = hardware() + "/rtc_memory"
        self._folder = hardware() + "/registers"
        try:
            os.mkdir(self._folder)
        except OSError:
            pass  # it is there already
        self._marked = ""
        if self._cause != "power_on":  # else RTC memory has lost it
            try:
                with open(self._memory) as f:
                    self._marked = f.read()
            except OSError:
                pass  # nothing was marked yet

    def cause(self):
        if self._cause == "reset" and is_reason(self._marked):
            return "planned"
        return self._cause

    def in_hand(self):
        return numbers_in(self._marked)

    def mark(self, text):
        with open(self._memory, "w") as f:
            f.write(text)

    def guard(self, limit_ms):
        self._put("watchdog", json.dumps({"limit_ms": limit_ms}))

    def feed(self):
        self._put("fed", "{}")

    def reset(self):
        sys.exit(3)  # the simulator starts the board again

    def say(self, text):
        sys.stdout.write(text + "\n")
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()

    def _put(self, name, text):
        with open(self._folder + "/" + name, "w") as f:
            f.write(text)
