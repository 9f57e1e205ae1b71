"""Loops over samples that measure and condition, as machine code; twin of signal_plain.

Viper's int has 32 bits on a board: every value stays within them (the host tests run this source
with integers that refuse more).
"""
# ruff: noqa: F821 - ptr16 and ptr32 are viper's words.

import micropython


@micropython.viper
def measure(i: int, n: int, x: ptr16, marks: ptr32):
    low = 0xFFFF
    high = 0
    fine = 0
    coarse = 0
    clipped = 0
    while i < n:
        v = int(x[i]) ^ 0x8000
        if v < low:
            low = v
        if v > high:
            high = v
        if v == 0:
            clipped += 1
        if v == 0xFFFF:
            clipped += 1
        v -= 0x8000
        v = v * v
        fine += v & 0x7FFF
        coarse += v >> 15
        i += 1
    marks[0] = low
    marks[1] = high
    marks[2] = fine & 0x7FFF
    marks[3] = coarse + (fine >> 15)
    marks[4] = clipped


@micropython.viper
def condition(i: int, n: int, x: ptr16, state: ptr32):
    zero = 1
    zero = zero << 30  # as a literal it would be no small int
    level = int(state[0]) - zero
    rate = int(state[1])
    rate_shift = int(state[2])
    gain = int(state[3])
    gain_shift = int(state[4])
    half = 1 << (gain_shift - 1)
    while i < n:
        v = (int(x[i]) ^ 0x8000) - 0x8000
        if rate:
            before = level
            level += ((((v << 14) - level) >> 12) * rate) >> rate_shift
            v -= (before + level + 16384) >> 15
        v = (v * gain + half) >> gain_shift
        if v > 32767:
            v = 32767
        if v < -32768:
            v = -32768
        x[i] = v
        i += 1
    state[0] = level + zero
