"""Is somebody speaking? A level gate with hysteresis, a minimum, a hang-over, and a noise floor
that it learns.

States: closed → (loud for the minimum) → open → (quiet for the hang-over) → closed. Loud is above
the set level and above the floor by the set distance; quiet is 6 dB below that.
"""

from device.compat import const

_FLOOR_RISE_S = const(64)  # the floor falls at once and rises e-fold (4.3 dB) in so long
_HYSTERESIS = const(4)  # 6 dB
_FINE = const(256)


def mean_square(dbfs):
    """The mean square of a level in dBFS."""
    return int(10 ** (dbfs / 10) * (1 << 30))


class Gate:
    """level_dbfs: at least so loud; above_floor_db: and so far above the floor; minimum_ms,
    hang_over_s: see above.
    """

    def __init__(self, rate_hz, level_dbfs, above_floor_db, minimum_ms, hang_over_s):
        self._rate_hz = rate_hz
        self._level = max(1, mean_square(level_dbfs))
        self._ratio_x16 = int(16 * 10 ** (above_floor_db / 10))
        self.minimum_samples = minimum_ms * rate_hz // 1000
        self._hang_over_samples = hang_over_s * rate_hz
        self._floor = 0  # in 1/256; 0: not known
        self._for = 0  # samples for which it has been loud (closed) or quiet (open)
        self.is_open = False
        self.is_active = False  # the last block was loud

    def close(self):
        """Begin anew; what was learnt of the floor stays."""
        self.is_open = False
        self._for = 0

    def update(self, level, frames):
        """Take the mean square of a block; returns is_open."""
        fine = max(1, level * _FINE)
        if not self._floor or fine < self._floor:
            self._floor = fine
        else:
            self._floor += max(1, self._floor * frames // (_FLOOR_RISE_S * self._rate_hz))
        loud = max(self._level, self._floor * self._ratio_x16 // (16 * _FINE))
        self.is_active = level >= loud
        if self.is_open:
            self._for = self._for + frames if level * _HYSTERESIS < loud else 0
            if self._for >= self._hang_over_samples:
                self.close()
        else:
            self._for = self._for + frames if self.is_active else 0
            if self._for and self._for >= self.minimum_samples:
                self.is_open = True
                self._for = 0
        return self.is_open
