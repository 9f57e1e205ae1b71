"""Gain and high-pass of the samples, in place. Made only where the settings ask for either."""

import math
from array import array

from device.capture import signal
from device.compat import const

_GAIN_LIMIT = const(16384)
_RATE_LIMIT = const(2048)
_LEVEL_ZERO = 0x40000000


def gain_parts(gain_db):
    """(mantissa below 16384, shift) of a gain in dB, -20 to 40."""
    gain = 10 ** (gain_db / 20)
    shift = 17
    while gain * (1 << shift) >= _GAIN_LIMIT - 0.5:
        shift -= 1
    return int(gain * (1 << shift) + 0.5), shift


def rate_parts(high_pass_hz, rate_hz):
    """(mantissa below 2048, shift) of the share of its distance that the level moves a sample.

    One pole by the bilinear transform: 2k / (1 + k), k = tan(pi f / rate). (0, 0): no high-pass.
    """
    if not high_pass_hz:
        return 0, 0
    k = math.tan(math.pi * high_pass_hz / rate_hz)
    share = 2 * k / (1 + k)
    shift = 18
    while share * (1 << (12 + shift)) >= _RATE_LIMIT - 0.5:
        shift -= 1
    return int(share * (1 << (12 + shift)) + 0.5), shift


class Conditioner:
    """gain_db: -20 to 40; high_pass_hz: 0 (off) to 400, 6 dB an octave; 20 takes an offset
    away."""

    def __init__(self, rate_hz, gain_db, high_pass_hz):
        self._state = array("I", [_LEVEL_ZERO, 0, 0, 0, 0])
        self._state[1], self._state[2] = rate_parts(high_pass_hz, rate_hz)
        self._state[3], self._state[4] = gain_parts(gain_db)

    def begin(self):
        """A take begins: nothing is known of its offset."""
        self._state[0] = _LEVEL_ZERO

    def apply(self, samples, frames):
        """Condition the first frames samples of a block."""
        signal.condition(0, frames, samples, self._state)
