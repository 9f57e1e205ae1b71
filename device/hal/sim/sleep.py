"""Sleep port: the loop stands still while the host's time goes on; what was slept is counted."""

import select
import sys
import time

from device.compat import const, ticks_diff, ticks_ms

_LOOK_MS = const(5)


class Sleep:
    """line(): the socket of the control channel, or None. What comes there (a press, for instance)
    ends a sleep and is carried out when the loop goes on. event: of the parts.
    """

    wakes_by = ("time", "button")
    drift_ppm = 0

    def __init__(self, line, event):
        self._line = line
        self._event = event
        self.slept_ms = 0

    def light(self, limit_ms):
        begun = ticks_ms()
        why = "time"
        while ticks_diff(ticks_ms(), begun) < limit_ms:
            if self._has_input():
                why = "other"
                break
            time.sleep(_LOOK_MS / 1000)
        self.slept_ms += ticks_diff(ticks_ms(), begun)
        self._event("slept", ms=self.slept_ms)
        return why

    def _has_input(self):
        line = self._line()
        if line is None:
            return False
        poll = select.poll()
        poll.register(line, select.POLLIN)
        return bool(poll.poll(0))

    def deep(self, limit_ms):
        self._event("deep_sleep", limit_ms=limit_ms)
        sys.exit(5)  # the simulator switches it on again

    def wake_cause(self):
        return "other"
