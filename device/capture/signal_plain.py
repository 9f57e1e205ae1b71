"""Loops over samples that measure and condition, in plain Python; twin of signal_viper.

x: memoryview of bytes, 16-bit little-endian signed samples; i and n count samples. Both twins give
the same values on every input.
"""


def measure(i, n, x, marks):
    """Measure x[i:n] into marks: 0 lowest, 1 highest (both + 32768), 2 and 3 energy, 4 clipped.

    The energy is marks[3] * 32768 + marks[2]; n - i at most 16384. Clipped are the samples at
    either end of the scale.
    """
    low, high, energy, clipped = 0xFFFF, 0, 0, 0
    while i < n:
        v = (x[2 * i] | x[2 * i + 1] << 8) ^ 0x8000
        if v < low:
            low = v
        if v > high:
            high = v
        if v == 0 or v == 0xFFFF:
            clipped += 1
        energy += (v - 0x8000) * (v - 0x8000)
        i += 1
    marks[0] = low
    marks[1] = high
    marks[2] = energy & 0x7FFF
    marks[3] = energy >> 15
    marks[4] = clipped


def condition(i, n, x, state):
    """High-pass and amplify x[i:n] in place, saturating.

    state: 0 the level that is taken away, in 1/16384 of a step, + 2**30; 1 and 2 how fast it
    follows (a sample moves it by state[1] / 2**(12 + state[2]) of the distance; state[1] 0: no
    high-pass, else below 2048); 3 and 4 gain as state[3] / 2**state[4], state[3] below 16384.
    """
    level = state[0] - 0x40000000
    rate, rate_shift, gain, gain_shift = state[1], state[2], state[3], state[4]
    half = 1 << (gain_shift - 1)
    while i < n:
        v = ((x[2 * i] | x[2 * i + 1] << 8) ^ 0x8000) - 0x8000
        if rate:
            before = level
            level += ((((v << 14) - level) >> 12) * rate) >> rate_shift
            v -= (before + level + 16384) >> 15
        v = (v * gain + half) >> gain_shift
        if v > 32767:
            v = 32767
        if v < -32768:
            v = -32768
        x[2 * i] = v & 0xFF
        x[2 * i + 1] = v >> 8 & 0xFF
        i += 1
    state[0] = level + 0x40000000
