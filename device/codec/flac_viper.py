"""Loops over samples that measure, round and pack, as machine code; twin of flac_plain.

Both modules hold the same functions with the same results; change them together.

Viper's int has 64 bits on the unix port and 32 on the boards, so nothing here and in
flac_lpc_viper may need more than 31 bits and a sign: functions say their bounds, and a test runs
this source with checked integers over the worst inputs. A ptr16 or ptr32 reads without sign:
samples are read as (v ^ 0x8000) - 0x8000, and a word that may be negative is stored with _BIAS
added. v ^ (v >> 31) is the magnitude of v, or one less. The first three locals live in registers:
arguments are ordered for that.
"""

# ruff: noqa: F821, C901 - ptr8, ptr16 and ptr32 are viper's words; a call costs more than it clears.

import micropython


@micropython.viper
def load(at: int, start: int, x: ptr16, pcm: ptr8, count: int, marks: ptr32):
    """Copy count samples from byte start of pcm to x[at:], and collect what they have in common.

    marks: 0 = bits set in any sample, 1 = bits that differ from the first, 2 = bits that differ
    from the bit below (one more than the magnitudes have), 3 = the first sample; a block begins
    with at == 0. A lent buffer may begin at an odd address, where some boards cannot read a word.
    """
    if at == 0:
        marks[0] = 0
        marks[1] = 0
        marks[2] = 0
        marks[3] = pcm[start] | (pcm[start + 1] << 8)
    to = ptr16(int(x) + at + at)
    source = ptr16(int(pcm) + start)
    at = count
    if int(source) & 1:
        source = to
        while at:
            at -= 1
            to[at] = pcm[start + at + at] | (pcm[start + at + at + 1] << 8)
        at = count
    used = int(marks[0])
    differ = int(marks[1])
    size = int(marks[2])
    first = int(marks[3])
    while at:
        at -= 1
        start = source[at]
        to[at] = start
        used |= start
        differ |= start ^ first
        size |= start ^ (start + start)
    marks[0] = used
    marks[1] = differ
    marks[2] = size & 0xFFFF


@micropython.viper
def energy(n: int, v: int, x: ptr16, at: int, shift: int) -> int:
    """Return the energy of x[at:at + n] about its own mean, in units of 4**shift, rounded down.

    v is 0. The caller's shift leaves 10 bits, so 1024 samples stay below 2**30.
    """
    part = ptr16(int(x) + at + at)
    total = v
    at = n
    while n:
        n -= 1
        total += part[n] ^ 0x8000
    mean = total // at
    total = 0
    while at:
        at -= 1
        v = (part[at] ^ 0x8000) - mean
        v = (v ^ (v >> 31)) >> shift
        total += v * v
    return total


@micropython.viper
def rounding_error(n: int, e: int, x: ptr16, at: int, drop: int) -> int:
    """Return the energy of the error that dropping bits would make in x[at:at + n].

    e is 0. In units of 4**max(0, drop - 8), rounded up: at most 2**16 a sample, so that a whole
    block stays below 2**27. Samples are taken as 0..65535: above the top, rounding stays below.
    """
    part = ptr16(int(x) + at + at)
    half = (1 << drop) >> 1
    mask = (1 << drop) - 1
    total = e
    at = 0
    if drop > 8:
        at = (drop - 8) << 1
        total = n
    while n:
        n -= 1
        e = (part[n] ^ 0x8000) + half
        if e >= 65536:
            e = (e & mask) + half
        else:
            e = (e & mask) - half
        total += (e * e) >> at
    return total


@micropython.viper
def drop_bits(n: int, v: int, x: ptr16, drop: int):
    """Round each of x[:n] to a multiple of 1 << drop within 16 bits, and shift it down; v is 0."""
    half = ((1 << drop) >> 1) - 0x8000
    top = 32767 >> drop
    while n:
        n -= 1
        v = ((x[n] ^ 0x8000) + half) >> drop
        if v > top:
            v = top
        x[n] = v


@micropython.viper
def plan(sums: ptr32, ks: ptr8, n: int, order: int, marks: ptr32) -> int:
    """Choose the partition order and Rice parameters; return the estimated bits.

    ks[0] = partition order, ks[1] = coding method, ks[2:] = parameters; ks[32:] is scratch.
    marks[4] = an upper bound of the bits. Works from the sums alone: the mean of the low bits
    that a code cuts off is taken as half their range. sums is used up.
    """
    length = int(sums[31])
    parts = n // length
    level = 0
    while (1 << level) < parts:
        level += 1
    best = 1 << 24
    while level >= 0:
        cost = 0
        bound = 6
        wide = 0
        i = 0
        while i < parts:
            c = length
            if i == 0:
                c -= order
            s = int(sums[i])
            t = s + (c >> 1)
            k = 0
            while (t >> k) > c + c:
                k += 1
            ks[32 + i] = k
            cost += 4 + c * k + (t >> k) + (c >> 1)
            bound += 5 + c * (k + 1) + (s >> k)
            if k > 14:
                wide = 1
            i += 1
        if cost < best:
            best = cost
            marks[4] = bound
            ks[0] = level
            ks[1] = wide
            i = 0
            while i < parts:
                ks[2 + i] = ks[32 + i]
                i += 1
        level -= 1
        parts >>= 1
        length <<= 1
        i = 0
        while i < parts:
            sums[i] = int(sums[i + i]) + int(sums[i + i + 1])
            i += 1
    return best


@micropython.viper
def put(out: ptr8, bits: ptr32, v: int, width: int):
    """Append the low width bits of v, 22 at most, to out.

    bits: 0 = next byte of out, 1 = bits waiting for it, 2 = their number, below 8 between calls.
    """
    pos = int(bits[0])
    held = int(bits[2]) + width
    acc = (int(bits[1]) << width) | (v & ((1 << width) - 1))
    while held >= 8:
        held -= 8
        out[pos] = acc >> held
        pos += 1
    bits[0] = pos
    bits[1] = acc & ((1 << held) - 1)
    bits[2] = held


@micropython.viper
def put_samples(out: ptr8, bits: ptr32, x: ptr16, n: int, width: int):
    """Append the low width bits of x[:n], 16 at most."""
    pos = int(bits[0])
    acc = int(bits[1])
    held = int(bits[2])
    mask = (1 << width) - 1
    i = 0
    while i < n:
        acc = (acc << width) | (x[i] & mask)
        held += width
        while held >= 8:
            held -= 8
            out[pos] = acc >> held
            pos += 1
        acc &= (1 << held) - 1
        i += 1
    bits[0] = pos
    bits[1] = acc
    bits[2] = held


@micropython.viper
def put_residual(i: int, v: int, u: ptr32, out: ptr8, bits: ptr32, ks: ptr8, n: int):
    """Append the coded residual of u[i:n] as planned in ks (RFC 9639 section 9.2.7).

    i is the predictor's order, v is 0. At most 15 bits wait and at most 15 are added at a time,
    so nothing passes 2**30.
    """
    part = 0
    pos = int(bits[0])
    held = int(bits[2])
    length = n >> ks[0]
    width = 4 + ks[1]
    acc = (int(bits[1]) << 6) | (ks[1] << 4) | ks[0]
    held += 6
    end = length
    while i < n:
        k = int(ks[2 + part])
        part += 1
        while held >= 8:
            held -= 8
            out[pos] = acc >> held
            pos += 1
        acc = ((acc & ((1 << held) - 1)) << width) | k
        held += width
        one = 1 << k
        mask = one - 1
        tail = k + 1
        while i < end:
            v = int(u[i])
            i += 1
            q = (v >> k) + tail
            v = (v & mask) | one
            if q > 15:
                q -= tail
                while q > 0:
                    while held >= 8:
                        held -= 8
                        out[pos] = acc >> held
                        pos += 1
                    acc &= (1 << held) - 1
                    if q > 15:
                        acc <<= 15
                        held += 15
                        q -= 15
                    else:
                        acc <<= q
                        held += q
                        q = 0
                while held >= 8:
                    held -= 8
                    out[pos] = acc >> held
                    pos += 1
                acc &= (1 << held) - 1
                q = tail
            acc = (acc << q) | v
            held += q
            if held >= 16:
                held -= 8
                out[pos] = acc >> held
                held -= 8
                out[pos + 1] = acc >> held
                pos += 2
                acc &= (1 << held) - 1
        end += length
    while held >= 8:
        held -= 8
        out[pos] = acc >> held
        pos += 1
    bits[0] = pos
    bits[1] = acc & ((1 << held) - 1)
    bits[2] = held


@micropython.viper
def crc16(at: int, crc: int, buf: ptr8, end: int, table: ptr16) -> int:
    """Return the frame footer's CRC-16 of buf[at:end] (RFC 9639 section 9.3); crc is 0.

    Two bytes a step: table[256:] is for a byte that another follows.
    """
    end -= 1
    while at < end:
        crc ^= (buf[at] << 8) | buf[at + 1]
        crc = table[(crc >> 8) + 256] ^ table[crc & 0xFF]
        at += 2
    if at == end:
        crc = ((crc << 8) & 0xFF00) ^ table[(crc >> 8) ^ buf[at]]
    return crc


@micropython.viper
def crc16_zero(at: int, crc: int, buf: ptr8, end: int, table: ptr16) -> int:
    """Return where, beyond at, the CRC-16 from at on first comes to zero, or -1.

    crc is 0. A frame with its footer has CRC 0. Going on from there is starting anew.
    """
    while at < end:
        crc = ((crc << 8) & 0xFF00) ^ table[(crc >> 8) ^ buf[at]]
        at += 1
        if crc == 0:
            return at
    return -1
