"""How fast the microphone's clock really runs, against uptime.

A block arrives late when the loop was busy, never early: so the least lag (uptime minus samples at
the stated rate) of a window is what its blocks really had, and its growth is the drift.
"""

from device.compat import const

_WINDOW_MS = const(16_000)
_PPM_AFTER_MS = const(600_000)  # a millisecond of doubt in ten minutes is under 2 ppm


class Pace:
    """Samples are counted with those that were lost: all that the microphone's clock made."""

    def __init__(self, rate_hz, clock):
        self._rate_hz = rate_hz
        self._clock = clock
        self.begin()

    def begin(self):
        """The microphone starts."""
        self._samples = 0
        self._start_up_ms = self._clock.uptime_ms()
        self._first_ms = None  # least lag of the first window
        self._first_up_ms = 0
        self._last_ms = 0  # and of the last whole one
        self._window_ms = None  # and so far of this one
        self._window_end_up_ms = 0

    def add(self, samples):
        """So many more samples have arrived now."""
        self._samples += samples
        up_ms = self._clock.uptime_ms()
        lag_ms = up_ms - self._samples * 1000 // self._rate_hz
        if self._window_ms is None:
            self._window_ms = lag_ms
            self._window_end_up_ms = up_ms + _WINDOW_MS
        elif lag_ms < self._window_ms:
            self._window_ms = lag_ms
        if up_ms >= self._window_end_up_ms:
            if self._first_ms is None:
                self._first_ms, self._first_up_ms = self._window_ms, up_ms
            self._last_ms, self._window_ms = self._window_ms, None

    def up_ms(self, samples_ago):
        """Uptime of the sample that came so many before the next one.

        By the count since the start: a block that arrives late says nothing of its time.
        """
        samples_ms = (self._samples - samples_ago) * 1000 // self._rate_hz
        return max(0, self._start_up_ms + samples_ms + self.drift_ms())

    def drift_ms(self):
        """How much more time has passed since the start than the samples say."""
        return 0 if self._first_ms is None else self._last_ms - self._first_ms

    def ppm(self):
        """How much faster than stated the microphone's clock runs; None in the first minutes."""
        passed_ms = self._clock.uptime_ms() - self._first_up_ms
        if self._first_ms is None or passed_ms < _PPM_AFTER_MS:
            return None
        # Against true time: the ticks have a drift of their own, which the clock may know.
        return (-self.drift_ms() * 1_000_000 // passed_ms) - (self._clock.drift_ppb or 0) // 1000
