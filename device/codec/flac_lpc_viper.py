"""Prediction as machine code: choose a predictor, compute its residual; twin of flac_lpc_plain.

The rules for integers are in flac_viper.
"""

# ruff: noqa: F821, C901 - ptr8, ptr16 and ptr32 are viper's words; a call costs more than it clears.

import micropython
from micropython import const

_BIAS = const(0x3FFFFFFF)  # the largest bias that is still a small int on 32-bit boards
_TAPS = const(8)
_Q_COEF = const(20)  # fraction bits while coefficients are built: 70 << 20 still fits
_MAX_SHIFT = const(10)


@micropython.viper
def autocorrelate(i: int, y: int, x: ptr16, n: int, r: ptr32, narrow: int, shift: int):
    """Put the autocorrelation of x[:n] under a parabolic window into r[0..8], biased.

    i begins at n, y at 0. The window i * (n - i) >> narrow reaches at most 2**10, and shift is
    the bit length of the samples, so a windowed sample has 12 bits. Sums of 64 products stay
    within 2**30; their sixteenths are added up, so the whole does too.
    """
    y1 = y2 = y3 = y4 = y5 = y6 = y7 = y8 = 0
    stop = 0
    while stop <= _TAPS:
        r[stop] = _BIAS
        stop += 1
    while i:
        stop = i - 1 - ((i - 1) & 63)
        r0 = r1 = r2 = r3 = r4 = r5 = r6 = r7 = r8 = 0
        while i > stop:
            i -= 1
            y = ((((x[i] ^ 0x8000) - 0x8000) * ((i * (n - i)) >> narrow)) << 2) >> shift
            r0 += y * y
            r1 += y * y1
            r2 += y * y2
            r3 += y * y3
            r4 += y * y4
            r5 += y * y5
            r6 += y * y6
            r7 += y * y7
            r8 += y * y8
            y8 = y7
            y7 = y6
            y6 = y5
            y5 = y4
            y4 = y3
            y3 = y2
            y2 = y1
            y1 = y
        r[0] = int(r[0]) + (r0 >> 4)
        r[1] = int(r[1]) + (r1 >> 4)
        r[2] = int(r[2]) + (r2 >> 4)
        r[3] = int(r[3]) + (r3 >> 4)
        r[4] = int(r[4]) + (r4 >> 4)
        r[5] = int(r[5]) + (r5 >> 4)
        r[6] = int(r[6]) + (r6 >> 4)
        r[7] = int(r[7]) + (r7 >> 4)
        r[8] = int(r[8]) + (r8 >> 4)


@micropython.viper
def choose(r: ptr32, n: int, noise: int, bps: int, precision: int, refl: ptr32) -> int:
    """Return the predictor that should need the fewest bits: fixed order 0..4, or 8 + taps.

    Everything is judged by one model, n/2 * log2(energy), so that no pass over the samples is
    needed: a fixed predictor's energy follows from r, that of 1 to 8 taps from Schur's recursion,
    which also gives refl[1..8], the reflection coefficients (15-bit fractions, biased). Unlike
    Levinson's, its values never exceed r[0], here below 2**29. noise is the energy that rounding
    the prediction adds; a fixed predictor has none, and gets an eighth of a bit a sample for it.
    """
    top = int(r[0]) - _BIAS + noise
    up = 0
    while (top << up) < (1 << 28):
        up += 1
    down = 0
    if top >= (1 << 29):
        down = 1
    i = 0
    while i <= _TAPS:
        v = ((int(r[i]) - _BIAS) << up) >> down
        r[i] = v + _BIAS
        r[i + 16] = v + _BIAS
        i += 1
    noise = (noise << up) >> down
    top = int(r[0]) - _BIAS
    d1 = (int(r[0]) - int(r[1])) >> 7
    d2 = (int(r[1]) - int(r[2])) >> 7
    d3 = (int(r[2]) - int(r[3])) >> 7
    d4 = (int(r[3]) - int(r[4])) >> 7
    best = 1 << 24
    choice = 0
    m = 0
    while m < 5 and m < n:
        v = top >> 7
        if m == 1:
            v = d1 + d1
        if m == 2:
            v = 6 * d1 - 2 * d2
        if m == 3:
            v = 20 * d1 - 10 * d2 + 2 * d3
        if m == 4:
            v = 70 * d1 - 42 * d2 + 14 * d3 - 2 * d4
        if v < 0:
            v = 0
        v += (noise >> 7) + 64
        e = 0
        while (v >> e) > 127:
            e += 1
        cost = ((n * ((e << 6) + (v >> e))) >> 7) + ((27 * n) >> 3) + m * bps
        if cost < best:
            best = cost
            choice = m
        m += 1
    r[0] = top + noise + _BIAS
    r[16] = top + noise + _BIAS
    m = 1
    while m <= _TAPS:
        den = int(r[0]) - _BIAS
        a = int(r[1]) - _BIAS
        num = a
        if num < 0:
            num = 0 - num
        if num >= den:
            break
        k = 0
        i = 0
        while i < 15:
            num <<= 1
            k <<= 1
            if num >= den:
                num -= den
                k += 1
            i += 1
        if a < 0:
            k = 0 - k
        refl[m] = k + _BIAS
        den -= (a >> 15) * k + (((a & 0x7FFF) * k) >> 15)
        if den < 64:
            break
        r[0] = den + _BIAS
        i = 1
        while i <= _TAPS - m:
            a = int(r[i + 1]) - _BIAS
            b = int(r[i + 16]) - _BIAS
            r[i] = a - ((b >> 15) * k + (((b & 0x7FFF) * k) >> 15)) + _BIAS
            r[i + 16] = b - ((a >> 15) * k + (((a & 0x7FFF) * k) >> 15)) + _BIAS
            i += 1
        e = 0
        while (den >> e) > 127:
            e += 1
        cost = ((n * ((e << 6) + (den >> e))) >> 7) + m * (bps + precision) + 9
        if cost < best:
            best = cost
            choice = m + 8
        m += 1
    return choice


@micropython.viper
def quantise(refl: ptr32, coef: ptr16, order: int, precision: int, bits: int) -> int:
    """Build coef[0:order] of the given precision from refl and return their shift, or -1.

    -1: the predictor might leave 19 bits for samples of that many bits. refl[16:] is scratch.
    """
    i = 0
    while i < order:
        k = int(refl[i + 1]) - _BIAS
        j = 0
        while j < i - 1 - j:
            a = int(refl[16 + j]) - _BIAS
            b = int(refl[16 + i - 1 - j]) - _BIAS
            refl[16 + j] = a - ((b >> 15) * k + (((b & 0x7FFF) * k) >> 15)) + _BIAS
            refl[16 + i - 1 - j] = b - ((a >> 15) * k + (((a & 0x7FFF) * k) >> 15)) + _BIAS
            j += 1
        if j == i - 1 - j:
            a = int(refl[16 + j]) - _BIAS
            refl[16 + j] = a - ((a >> 15) * k + (((a & 0x7FFF) * k) >> 15)) + _BIAS
        refl[16 + i] = (k << (_Q_COEF - 15)) + _BIAS
        i += 1
    top = 0
    i = 0
    while i < order:
        a = int(refl[16 + i]) - _BIAS
        if a < 0:
            a = 0 - a
        if a > top:
            top = a
        i += 1
    limit = (1 << (precision - 1)) - 1
    shift = _MAX_SHIFT
    while shift >= 0 and (top >> (_Q_COEF - shift)) >= limit:
        shift -= 1
    if shift < 0:
        return -1
    down = _Q_COEF - shift
    carry = 0
    total = 0
    i = 0
    while i < order:
        carry += int(refl[16 + i]) - _BIAS
        q = (carry + (1 << (down - 1))) >> down
        if q > limit:
            q = limit
        if q < 0 - limit:
            q = 0 - limit
        carry -= q << down
        coef[i] = q
        if q < 0:
            q = 0 - q
        total += q
        i += 1
    while i < _TAPS:
        coef[i] = 0
        i += 1
    if ((total << bits) >> shift) > 15 << 15:
        return -1
    return shift


@micropython.viper
def lpc_residual(i: int, p: int, x: ptr16, u: ptr32, n: int, coef: ptr16, shift: int, sums: ptr32):
    """Predict x[i:n] from coef, i taps; folded residuals go to u, their partition sums to sums.

    p is 0. sums[31] holds the length of a partition. A residual is below 2**19 (see quantise), so
    folded 2**20, and 1024 of them stay within 2**30.
    """
    c1 = (coef[0] ^ 0x8000) - 0x8000
    c2 = (coef[1] ^ 0x8000) - 0x8000
    c3 = (coef[2] ^ 0x8000) - 0x8000
    c4 = (coef[3] ^ 0x8000) - 0x8000
    c5 = (coef[4] ^ 0x8000) - 0x8000
    c6 = (coef[5] ^ 0x8000) - 0x8000
    c7 = (coef[6] ^ 0x8000) - 0x8000
    c8 = (coef[7] ^ 0x8000) - 0x8000
    h1 = h2 = h3 = h4 = h5 = h6 = h7 = h8 = 0
    while p < i:
        h8 = h7
        h7 = h6
        h6 = h5
        h5 = h4
        h4 = h3
        h3 = h2
        h2 = h1
        h1 = (x[p] ^ 0x8000) - 0x8000
        p += 1
    length = int(sums[31])
    end = length
    part = 0
    while i < n:
        total = 0
        while i < end:
            p = h8 * c8 + h7 * c7 + h6 * c6 + h5 * c5 + h4 * c4 + h3 * c3 + h2 * c2 + h1 * c1
            h8 = h7
            h7 = h6
            h6 = h5
            h5 = h4
            h4 = h3
            h3 = h2
            h2 = h1
            h1 = (x[i] ^ 0x8000) - 0x8000
            p = h1 - (p >> shift)
            p = (p << 1) ^ (p >> 31)
            u[i] = p
            total += p
            i += 1
        sums[part] = total
        part += 1
        end += length


@micropython.viper
def fixed_residual(i: int, e: int, x: ptr16, u: ptr32, n: int, order: int, sums: ptr32):
    """The same for the fixed predictor of that order (RFC 9639 section 9.2.5); i and e are 0.

    A fourth-order residual is below 2**19 too.
    """
    p1 = p2 = p3 = p4 = 0
    length = int(sums[31])
    end = length
    part = 0
    while i < n:
        total = 0
        while i < end:
            e = (x[i] ^ 0x8000) - 0x8000
            if order:
                d = e - p1
                p1 = e
                e = d
                if order > 1:
                    d = e - p2
                    p2 = e
                    e = d
                    if order > 2:
                        d = e - p3
                        p3 = e
                        e = d
                        if order > 3:
                            d = e - p4
                            p4 = e
                            e = d
            e = (e << 1) ^ (e >> 31)
            u[i] = e
            if i < order:
                e = 0
            total += e
            i += 1
        sums[part] = total
        part += 1
        end += length
