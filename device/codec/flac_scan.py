"""Repair of a torn FLAC file: find the frames that are whole, and what upload needs to know.

The end of a frame is found by its CRC-16: from a frame's first byte on the running CRC comes to
zero at its end, and by chance at one other byte in 65536. So an end counts only if the next
frame's header follows, with its sync code, its number and its CRC-8: about 70 bits that audio
would have to match together. Sync patterns alone never decide anything. This costs one table
step a byte, where decoding would cost several a sample. Where no header follows (the end of the
file, a short frame, a fault) the frame is decoded to learn its exact length. So a cut is judged
without chance: the beginning of a frame never decodes as a whole one.
"""

from binascii import crc32

from device.codec import flac_hot
from device.codec.flac_frame import FRAME_HEADER_MAX, max_frame_bytes, put_number

_HEADER_BYTES = 42
_RATES = (0, 0, 0, 0, 8000, 16000, 22050, 24000, 32000, 44100, 48000)
_NOTHING = (0, 0)
_NO_FRAME = (0, 0, 0)


class _Torn(Exception):
    """The frame goes on beyond the bytes that are there, or is none of ours."""


def scan(f, size_bytes, work, crc8, crc16):
    """Return what steps() finds, without a pause."""
    todo = steps(f, size_bytes, work, crc8, crc16)
    while True:
        try:
            next(todo)
        except StopIteration as done:
            return done.value


def steps(f, size_bytes, work, crc8, crc16):
    """Generator that yields None after each frame, so that others may run, and returns the find.

    The find is (good_bytes, samples, crc32, [min_frame_bytes, max_frame_bytes]).
    f: file object at its start, with readinto; size_bytes: how much of it is the clip; work: a
    lent buffer for the largest frame and a header (2082 bytes; 4 KB is better). good_bytes counts
    the stream header and the whole good frames, 0 if the header itself is not good; crc32 is
    that of the frames. Reads the file once, in constant memory. Raises ValueError if work is too
    small.
    """
    work = memoryview(work)
    fill = _fill(f, work, 0, min(size_bytes, len(work)))
    rate_code, block = _stream_facts(work, fill)
    if not block:
        return 0, 0, 0, [0, 0]
    need = max_frame_bytes(block) + FRAME_HEADER_MAX
    if len(work) < need:
        raise ValueError("work has %d bytes, needs %d" % (len(work), need))
    left = size_bytes - fill
    pos = _HEADER_BYTES
    good = _HEADER_BYTES
    number = samples = checksum = least = most = 0
    head, n = _frame_header(work, pos, fill, 0, rate_code, block, crc8)
    while head:
        if left > 0 and fill - pos < need:
            work[: fill - pos] = work[pos:fill]
            fill -= pos
            pos = 0
            got = _fill(f, work, fill, min(len(work), fill + left))
            left = left - (got - fill) if got > fill else 0
            fill = got
        number += 1
        expected = (number, rate_code, block, crc8)
        limit = min(fill, pos + max_frame_bytes(block))
        end, head, following = _frame_end(work, pos, head, n, limit, fill, expected, crc16)
        if not end:
            break
        checksum = crc32(work[pos:end], checksum)
        length = end - pos
        if samples == 0 or length < least:
            least = length
        if length > most:
            most = length
        good += length
        samples += n
        pos = end
        n = following
        yield
    return good, samples, checksum, [least, most]


def _fill(f, work, fill, end):
    """Read until work[:end] is full or the file ends; return how far it is filled."""
    while fill < end:
        got = f.readinto(work[fill:end])
        if not got:
            break
        fill += got
    return fill


def _stream_facts(work, fill):
    """Return (rate code, block size) from the stream header, (0, 0) if it is not ours."""
    if fill < _HEADER_BYTES or bytes(work[:8]) != b"fLaC\x80\x00\x00\x22":
        return _NOTHING
    rate = (work[18] << 12) | (work[19] << 4) | (work[20] >> 4)
    block = (work[8] << 8) | work[9]
    if rate not in _RATES[4:] or block != (work[10] << 8) | work[11] or block < 16:
        return _NOTHING
    if (work[20] & 15) or (work[21] >> 4) != 15:
        return _NOTHING
    return _RATES.index(rate), block


def _frame_header(buf, pos, end, number, rate_code, block, crc8):
    """Return (length, samples) of the header at pos if it is whole and frame number's, or 0, 0."""
    start = pos
    if end - pos < 6 or buf[pos] != 0xFF or buf[pos + 1] != 0xF8 or buf[pos + 3] != 0x08:
        return _NOTHING
    code = buf[pos + 2] >> 4
    if buf[pos + 2] & 15 != rate_code:
        return _NOTHING
    expected = bytearray(8)
    width = put_number(number, expected, 0)
    pos += 4
    if end - pos < width + 3 or bytes(buf[pos : pos + width]) != bytes(expected[:width]):
        return _NOTHING
    pos += width
    if code >= 8:
        n = 256 << (code - 8)
    elif code == 6:
        n = buf[pos] + 1
        pos += 1
    elif code == 7:
        n = ((buf[pos] << 8) | buf[pos + 1]) + 1
        pos += 2
    else:
        return _NOTHING
    crc = 0
    while start < pos:
        crc = crc8[crc ^ buf[start]]
        start += 1
    if crc != buf[pos] or n > block:
        return _NOTHING
    return width + 5 + (1 if code == 6 else 2 if code == 7 else 0), n


def _frame_end(buf, pos, head, n, limit, fill, expected, crc16):
    """Return (end of the frame at pos, length and samples of the header that follows it).

    The end is 0 if the frame is not whole and good by limit, the length 0 if the frame is the
    last: because it is short, or because no header as expected follows.
    """
    exact = 0
    at = pos
    while True:
        at = flac_hot.pack.crc16_zero(at, 0, buf, limit, crc16)
        if at < 0:
            return _NO_FRAME
        if at < pos + head:
            continue
        if n == expected[2]:
            length, following = _frame_header(buf, at, fill, *expected)
            if length:
                return at, length, following
        if not exact:
            try:
                exact = _decoded_end(buf, pos + head, limit, n)
            except _Torn:
                return _NO_FRAME
        if at == exact:
            return at, 0, 0
        if at > exact:
            return _NO_FRAME


class _BitReader:
    """Bits of buf[pos:end], most significant first."""

    def __init__(self, buf, pos, end):
        self.buf = buf
        self.at = pos * 8
        self.end = end * 8

    def skip(self, count):
        self.at += count
        if self.at > self.end:
            raise _Torn

    def read(self, count):
        """Return the next count bits as a number."""
        v = 0
        at = self.at
        self.skip(count)
        for i in range(at, at + count):
            v = (v << 1) | ((self.buf[i >> 3] >> (7 - (i & 7))) & 1)
        return v

    def skip_code(self, k):
        """Pass one Rice code: zeros, a one, k bits."""
        buf = self.buf
        at = self.at
        end = self.end
        while at < end and not (buf[at >> 3] << (at & 7)) & 0x80:
            at += 8 if not (at & 7) and buf[at >> 3] == 0 else 1
        self.at = at
        self.skip(1 + k)


def _decoded_end(buf, pos, end, n):
    """Return where the frame whose subframe begins at pos ends, by passing over every code."""
    bits = _BitReader(buf, pos, end)
    kind = bits.read(8)
    bps = 16
    if kind & 1:
        bps -= 1
        while not bits.read(1):
            bps -= 1
    kind >>= 1
    if kind == 0:
        bits.skip(bps)
    elif kind == 1:
        bits.skip(bps * n)
    elif 8 <= kind <= 12:
        bits.skip((kind - 8) * bps)
        _skip_residual(bits, n, kind - 8)
    elif 32 <= kind < 64:
        order = kind - 31
        bits.skip(order * bps)
        precision = bits.read(4) + 1
        bits.skip(5 + order * precision)
        _skip_residual(bits, n, order)
    else:
        raise _Torn
    bits.skip(-bits.at & 7)
    bits.skip(16)
    return bits.at >> 3


def _skip_residual(bits, n, order):
    """RFC 9639 section 9.2.7, without escape codes: this encoder never writes them."""
    width = 4 + bits.read(2)
    level = bits.read(4)
    count = (n >> level) - order
    for _ in range(1 << level):
        k = bits.read(width)
        for _ in range(count):
            bits.skip_code(k)
        count = n >> level
