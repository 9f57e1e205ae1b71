"""How loud it is: level of each block, the level report of each clip, and whether the microphone
works.

Levels are mean squares of samples (a step is 1); reports speak of dBFS, tenths of a decibel below
a full-scale square wave, so that all of it is whole numbers.
"""

import math
from array import array

from device.capture import signal
from device.compat import const

_FULL_SCALE_DB10 = 903  # 20 * log10(32768), in tenths
_SILENT_DB10 = const(-999)
_FLOOR_WINDOW_PER_S = const(2)  # the noise floor is the quietest half second
_DEAD_AFTER_S = const(3)  # no real microphone gives the same value for so long
_BLOCKED_AFTER_S = const(10)
_BLOCKED_SPAN = const(4)  # steps from lowest to highest: INMP441's own noise spans about 10


def dbfs_x10(mean_square):
    """Tenths of dBFS of a mean square; -999 for digital silence."""
    if mean_square < 1:
        return _SILENT_DB10 if not mean_square else -_FULL_SCALE_DB10
    return int(math.log10(mean_square) * 100 + 0.5) - _FULL_SCALE_DB10


class Meter:
    """Fed with every block that the microphone gave (never with what fills a gap)."""

    def __init__(self, rate_hz):
        self._rate_hz = rate_hz
        self._marks = array("I", bytes(4 * 5))
        self._same_for = self._narrow_for = 0  # samples
        self._same_value = -1
        self.fault = None  # a code of reasons.RECORDER while the microphone gives nothing useful
        self.begin()

    def begin(self):
        """Begin the report of a clip."""
        self._peak = self._energy = self._samples = self._clipped = self._active = 0
        self._floor = None
        self._window_energy = self._window_samples = 0
        self.had_fault = self.fault

    def measure(self, samples, frames):
        """The mean square of a block; also looks whether the microphone works."""
        marks = self._marks
        signal.measure(0, frames, samples, marks)
        self._watch(marks[0], marks[1], frames)
        return ((marks[3] << 15) + marks[2]) // frames

    def count(self, frames, is_active):
        """Put the block that was just measured into the clip's report."""
        marks = self._marks
        energy = (marks[3] << 15) + marks[2]
        self._peak = max(self._peak, marks[1] - 32768, 32768 - marks[0])
        self._energy += energy
        self._samples += frames
        self._clipped += marks[4]
        if is_active:
            self._active += frames
        self._window_energy += energy
        self._window_samples += frames
        if self._window_samples * _FLOOR_WINDOW_PER_S >= self._rate_hz:
            level = self._window_energy / self._window_samples
            if self._floor is None or level < self._floor:
                self._floor = level
            self._window_energy = self._window_samples = 0
        self.had_fault = self.had_fault or self.fault

    def report(self):
        """[peak, RMS, noise floor (tenths of dBFS), clipped samples, seconds of activity], or
        None.

        The floor is the quietest half second; of a shorter clip its RMS.
        """
        if not self._samples:
            return None
        rms = self._energy / self._samples
        return [
            dbfs_x10(self._peak * self._peak),
            dbfs_x10(rms),
            dbfs_x10(rms if self._floor is None else self._floor),
            self._clipped,
            (self._active + self._rate_hz // 2) // self._rate_hz,
        ]

    def _watch(self, low, high, frames):
        """Dead: always 0; stuck: always another value; blocked: hardly above the last step."""
        span = high - low
        if span == 0 and (low == self._same_value or not self._same_for):
            self._same_for += frames
            self._same_value = low
        else:
            self._same_for = 0
        self._narrow_for = self._narrow_for + frames if span <= _BLOCKED_SPAN else 0
        if self._same_for >= _DEAD_AFTER_S * self._rate_hz:
            self.fault = "microphone_dead" if low == 32768 else "microphone_stuck"
        elif self._narrow_for >= _BLOCKED_AFTER_S * self._rate_hz:
            self.fault = "microphone_blocked"
        elif span > _BLOCKED_SPAN:
            self.fault = None
