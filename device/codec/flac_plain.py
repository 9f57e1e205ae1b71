"""Loops over samples that measure, round and pack, in plain Python; twin of flac_viper.

For CPython and for boards without machine code. Lists and built-in functions do the work where
they can, because that is what makes plain Python quick; the results are those of the twin.
"""

import struct


def load(at, start, x, pcm, count, marks):
    values = struct.unpack_from("<%dh" % count, pcm, start)
    if at == 0:
        marks[0] = marks[1] = marks[2] = 0
        marks[3] = values[0] & 0xFFFF
    used = marks[0]
    differ = marks[1]
    size = marks[2]
    first = marks[3]
    for v in values:
        x[at] = v
        at += 1
        used |= v
        differ |= v ^ first
        size |= v ^ (v + v)
    marks[0] = used & 0xFFFF
    marks[1] = differ & 0xFFFF
    marks[2] = size & 0xFFFF


def energy(n, v, x, at, shift):
    part = x[at : at + n]
    mean = sum(part) // n
    total = 0
    for v in part:
        v -= mean
        v = (v ^ (v >> 31)) >> shift
        total += v * v
    return total


def rounding_error(n, e, x, at, drop):
    half = (1 << drop) >> 1
    mask = (1 << drop) - 1
    scale = 0
    total = 0
    if drop > 8:
        scale = (drop - 8) << 1
        total = n
    for e in x[at : at + n]:
        e += half
        if e >= 32768:
            e = (e & mask) + half
        else:
            e = (e & mask) - half
        total += (e * e) >> scale
    return total


def drop_bits(n, v, x, drop):
    half = (1 << drop) >> 1
    top = 32767 >> drop
    for i in range(n):
        v = (x[i] + half) >> drop
        x[i] = v if v < top else top


def plan(sums, ks, n, order, marks):
    length = sums[31]
    level_sums = list(sums[: n // length])
    best = 1 << 24
    while True:
        parts = len(level_sums)
        cost = 0
        bound = 6
        found = []
        c = length - order
        for s in level_sums:
            t = s + (c >> 1)
            k = 0
            while (t >> k) > c + c:
                k += 1
            found.append(k)
            cost += 4 + c * k + (t >> k) + (c >> 1)
            bound += 5 + c * (k + 1) + (s >> k)
            c = length
        if cost < best:
            best = cost
            marks[4] = bound
            level = 0
            while (1 << level) < parts:
                level += 1
            ks[0] = level
            ks[1] = 1 if max(found) > 14 else 0
            for i in range(parts):
                ks[2 + i] = found[i]
        if parts == 1:
            return best
        level_sums = [a + b for a, b in zip(level_sums[::2], level_sums[1::2])]
        length *= 2


def put(out, bits, v, width):
    pos = bits[0]
    held = bits[2] + width
    acc = (bits[1] << width) | (v & ((1 << width) - 1))
    while held >= 8:
        held -= 8
        out[pos] = (acc >> held) & 0xFF
        pos += 1
    bits[0] = pos
    bits[1] = acc & ((1 << held) - 1)
    bits[2] = held


def put_samples(out, bits, x, n, width):
    mask = (1 << width) - 1
    acc = bits[1]
    held = bits[2]
    pos = bits[0]
    for v in x[:n]:
        acc = (acc << width) | (v & mask)
        held += width
        while held >= 8:
            held -= 8
            out[pos] = (acc >> held) & 0xFF
            pos += 1
        acc &= (1 << held) - 1
    bits[0] = pos
    bits[1] = acc
    bits[2] = held


def put_residual(i, v, u, out, bits, ks, n):
    """The codes of a partition are shifted into one big integer, then written as bytes."""
    pos = bits[0]
    length = n >> ks[0]
    width = 4 + ks[1]
    acc = (bits[1] << 6) | (ks[1] << 4) | ks[0]
    held = bits[2] + 6
    end = length
    part = 2
    while i < n:
        k = ks[part]
        part += 1
        acc = (acc << width) | k
        held += width
        one = 1 << k
        mask = one - 1
        for v in u[i:end]:
            q = (v >> k) + k + 1
            acc = (acc << q) | (v & mask) | one
            held += q
        whole = held >> 3
        held &= 7
        out[pos : pos + whole] = (acc >> held).to_bytes(whole, "big")
        pos += whole
        acc &= (1 << held) - 1
        i = end
        end += length
    bits[0] = pos
    bits[1] = acc
    bits[2] = held


def crc16(at, crc, buf, end, table):
    for b in buf[at:end]:
        crc = ((crc << 8) & 0xFF00) ^ table[(crc >> 8) ^ b]
    return crc


def crc16_zero(at, crc, buf, end, table):
    for b in buf[at:end]:
        crc = ((crc << 8) & 0xFF00) ^ table[(crc >> 8) ^ b]
        at += 1
        if crc == 0:
            return at
    return -1
