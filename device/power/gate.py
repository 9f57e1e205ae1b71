"""One threshold of the battery: what it permits ends below, and begins again well above it.

A cell sags while the radio sends, so one low reading says little: three in a row close the gate.
"""

from device.compat import const

_READINGS = const(3)


class Gate:
    """stop_pct: closed below, 0: never. hysteresis_pct: how far above it opens again by itself;
    a charger opens it at once.
    """

    def __init__(self, stop_pct, hysteresis_pct):
        self._stop_pct = stop_pct
        self._resume_pct = stop_pct + hysteresis_pct
        self._low = 0
        self.is_open = True

    def update(self, percent, is_charging):
        """Take a reading (percent may be None: not measured); returns True if the gate moved."""
        was_open = self.is_open
        if is_charging:
            self._low = 0
            self.is_open = True
        elif percent is None:
            pass  # a converter that fails now and then moves nothing
        elif percent < self._stop_pct:
            self._low += 1
            if self._low >= _READINGS:
                self.is_open = False
        else:
            self._low = 0
            if percent >= self._resume_pct:
                self.is_open = True
        return self.is_open != was_open
