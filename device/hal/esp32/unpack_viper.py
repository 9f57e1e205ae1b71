"""From I2S slots to samples, as machine code; twin of unpack_plain.

Viper's int has 32 bits on a board: every value stays within them (the host tests run this source
with integers that refuse more). Slots are read as two halves: what ptr32 does with a sign differs
between the ports.
"""
# ruff: noqa: F821 - ptr16 and ptr32 are viper's words.

import micropython


@micropython.viper
def unpack(at: int, n: int, raw: ptr16, out: ptr16, state: ptr32):
    zero = 1
    zero = zero << 30  # as a literal it would be no small int
    level = int(state[0]) - zero
    shift = int(state[1]) - 8
    step = int(state[2]) * 2
    half = 1 << (shift - 1)
    k = at * step + int(state[3]) * 2
    i = 0
    while i < n:
        v = (((int(raw[k + 1]) ^ 0x8000) - 0x8000) << 8) + (int(raw[k]) >> 8)
        level += ((v << 6) - level + 1024) >> 11
        v = (v - (level >> 6) + half) >> shift
        if v > 32767:
            v = 32767
        if v < -32768:
            v = -32768
        out[i] = v
        k += step
        i += 1
    state[0] = level + zero


@micropython.viper
def mark(n: int, raw: ptr16, words: int):
    i = 0
    while i < n:
        k = i * words * 2
        raw[k] = 0x5AA5
        raw[k + 1] = 0x5AA5
        i += 30


@micropython.viper
def filled(n: int, raw: ptr16, words: int) -> int:
    i = 0
    while i < n:
        k = i * words * 2
        if int(raw[k]) == 0x5AA5:
            if int(raw[k + 1]) == 0x5AA5:
                return i
        i += 30
    return n
