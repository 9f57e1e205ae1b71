"""Sleep port: the loop stands still while the host's time goes on; what was slept is counted."""

import sys
import time

from device.compat import const, ticks_diff, ticks_ms

_LOOK_MS = const(5)


class Sleep:
    """is_called(): somebody moves the board's world (the control channel has input): a press, for
    instance, which is carried out when the loop goes on. event: of the parts.
    """

    wakes_by = ("time", "button")
    drift_ppm = 0

    def __init__(self, is_called, event):
        self._is_called = is_called
        self._event = event
        self.slept_ms = 0

    def light(self, limit_ms):
        begun = ticks_ms()
        why = "time"
        while ticks_diff(ticks_ms(), begun) < limit_ms:
            if self._is_called():
                why = "other"
                break
            time.sleep(_LOOK_MS / 1000)
        self.slept_ms += ticks_diff(ticks_ms(), begun)
        self._event("slept", ms=self.slept_ms)
        return why

    def deep(self, limit_ms):
        self._event("deep_sleep", limit_ms=limit_ms)
        sys.exit(5)  # the simulator switches it on again

    def wake_cause(self):
        return "other"
