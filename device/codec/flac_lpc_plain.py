"""Prediction in plain Python: choose a predictor, compute its residual; twin of flac_lpc_viper."""

_BIAS = 0x3FFFFFFF
_TAPS = 8
_Q_COEF = 20
_MAX_SHIFT = 10


def autocorrelate(i, y, x, n, r, narrow, shift):
    y = [((x[i] * ((i * (n - i)) >> narrow)) << 2) >> shift for i in range(n)]
    for j in range(_TAPS + 1):
        products = [a * b for a, b in zip(y, y[j:])]
        r[j] = _BIAS + sum([sum(products[at : at + 64]) >> 4 for at in range(0, n, 64)])


def _half_log(n, e):
    up = 0
    while (e >> up) > 127:
        up += 1
    return (n * ((up << 6) + (e >> up))) >> 7


def choose(r, n, noise, bps, precision, refl):
    top = r[0] - _BIAS + noise
    up = 0
    while (top << up) < (1 << 28):
        up += 1
    down = 1 if top >= (1 << 29) else 0
    p = [((v - _BIAS) << up) >> down for v in r[: _TAPS + 1]]
    noise = (noise << up) >> down
    d1 = (p[0] - p[1]) >> 7
    d2 = (p[1] - p[2]) >> 7
    d3 = (p[2] - p[3]) >> 7
    d4 = (p[3] - p[4]) >> 7
    floor = (noise >> 7) + 64
    best = 1 << 24
    choice = 0
    for m, e in enumerate(
        (
            p[0] >> 7,
            d1 + d1,
            6 * d1 - 2 * d2,
            20 * d1 - 10 * d2 + 2 * d3,
            70 * d1 - 42 * d2 + 14 * d3 - 2 * d4,
        )
    ):
        cost = _half_log(n, max(e, 0) + floor) + ((27 * n) >> 3) + m * bps
        if cost < best and m < n:
            best = cost
            choice = m
    p[0] += noise
    q = p[:]
    for m in range(1, _TAPS + 1):
        den = p[0]
        num = abs(p[1])
        if num >= den:
            break
        k = (num << 15) // den
        if p[1] < 0:
            k = -k
        refl[m] = k + _BIAS
        den -= (p[1] * k) >> 15
        if den < 64:
            break
        p[0] = den
        for i in range(1, _TAPS - m + 1):
            a = p[i + 1]
            b = q[i]
            p[i] = a - ((b * k) >> 15)
            q[i] = b - ((a * k) >> 15)
        cost = _half_log(n, den) + m * (bps + precision) + 9
        if cost < best:
            best = cost
            choice = m + 8
    return choice


def quantise(refl, coef, order, precision, bits):
    a = []
    for i in range(order):
        k = refl[i + 1] - _BIAS
        a = [a[j] - ((a[i - 1 - j] * k) >> 15) for j in range(i)]
        a.append(k << (_Q_COEF - 15))
    top = max([abs(v) for v in a])
    limit = (1 << (precision - 1)) - 1
    shift = _MAX_SHIFT
    while shift >= 0 and (top >> (_Q_COEF - shift)) >= limit:
        shift -= 1
    if shift < 0:
        return -1
    down = _Q_COEF - shift
    carry = 0
    total = 0
    for i in range(_TAPS):
        q = 0
        if i < order:
            carry += a[i]
            q = max(-limit, min(limit, (carry + (1 << (down - 1))) >> down))
            carry -= q << down
            total += abs(q)
        coef[i] = q
    if ((total << bits) >> shift) > 15 << 15:
        return -1
    return shift


def _fold(errors, u, n, order, sums):
    """Fold residuals to non-negative numbers, store them and their partition sums."""
    i = 0
    part = 0
    length = sums[31]
    end = length - order
    for at in range(order, n):
        v = errors[i]
        u[at] = (v << 1) ^ (v >> 31)
        i += 1
    at = order
    end = length
    while at < n:
        sums[part] = sum(u[at:end])
        part += 1
        at = end
        end += length


def lpc_residual(order, p, x, u, n, coef, shift, sums):
    values = list(x[:n])
    taps = [values[order - 1 - j : n - 1 - j] for j in range(order)]
    total = [v * coef[0] for v in taps[0]]
    for j in range(1, order):
        c = coef[j]
        total = [t + v * c for t, v in zip(total, taps[j])]
    _fold([v - (t >> shift) for v, t in zip(values[order:], total)], u, n, order, sums)


def fixed_residual(i, e, x, u, n, order, sums):
    d = list(x[:n])
    for _ in range(order):
        d = [a - b for a, b in zip(d[1:], d)]
    _fold(d, u, n, order, sums)
