"""A slow, independent FLAC reader (RFC 9639) for mono 16-bit streams: frames and their samples."""

from collections import namedtuple

Frame = namedtuple("Frame", "number start end kind drop method samples")


def crc(data, width, poly):
    """Return the CRC of data, bit by bit, most significant first."""
    top = 1 << (width - 1)
    value = 0
    for b in data:
        value ^= b << (width - 8)
        for _ in range(8):
            value = (value << 1) ^ (poly if value & top else 0)
        value &= (1 << width) - 1
    return value


def stream_info(data):
    """Return the fields of STREAMINFO (section 8.2) as a dict."""
    assert data[:8] == b"fLaC\x80\x00\x00\x22"
    bits = int.from_bytes(data[18:26], "big")
    return {
        "blocks": (int.from_bytes(data[8:10], "big"), int.from_bytes(data[10:12], "big")),
        "frames": (int.from_bytes(data[12:15], "big"), int.from_bytes(data[15:18], "big")),
        "rate_hz": bits >> 44,
        "channels": (bits >> 41 & 7) + 1,
        "bits": (bits >> 36 & 31) + 1,
        "samples": bits & ((1 << 36) - 1),
        "md5": data[26:42],
    }


class _Bits:
    def __init__(self, data, at):
        self.text = "".join(f"{b:08b}" for b in data[at : at + 2 * 1024 + 32])
        self.at = 0

    def take(self, n):
        v = int(self.text[self.at : self.at + n], 2) if n else 0
        self.at += n
        return v

    def signed(self, n):
        v = self.take(n)
        return v - (1 << n) if n and v >> (n - 1) else v

    def zeros(self):
        one = self.text.index("1", self.at)
        n = one - self.at
        self.at = one + 1
        return n


def _residual(b, n, order):
    method = b.take(2)
    width = 4 + method
    level = b.take(4)
    out = []
    for part in range(1 << level):
        k = b.take(width)
        assert k != (1 << width) - 1, "escape code"
        for _ in range((n >> level) - (0 if part else order)):
            u = (b.zeros() << k) | b.take(k)
            out.append((u >> 1) ^ -(u & 1))
    return method, out


_FIXED = ((), (1,), (2, -1), (3, -3, 1), (4, -6, 4, -1))


def _subframe(b, n):
    assert b.take(1) == 0
    kind = b.take(6)
    method = 0
    drop = b.zeros() + 1 if b.take(1) else 0
    bps = 16 - drop
    if kind == 0:
        values = [b.signed(bps)] * n
    elif kind == 1:
        values = [b.signed(bps) for _ in range(n)]
    else:
        order = kind - 31 if kind >= 32 else kind - 8
        values = [b.signed(bps) for _ in range(order)]
        shift = 0
        if kind >= 32:
            precision = b.take(4) + 1
            shift = b.signed(5)
            taps = [b.signed(precision) for _ in range(order)]
        else:
            taps = _FIXED[order]
        method, residual = _residual(b, n, order)
        for e in residual:
            history = values[::-1][:order] if order else []
            values.append(e + (sum(c * v for c, v in zip(taps, history, strict=True)) >> shift))
    return kind, drop, method, [v << drop for v in values]


def frames(data):
    """Return every frame of a whole stream, with CRCs checked; decodes one sample at a time."""
    info = stream_info(data)
    rates = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 44100: 9, 48000: 10}
    at = 42
    found = []
    while at < len(data):
        assert data[at : at + 2] == b"\xff\xf8" and data[at + 3] == 0x08
        assert data[at + 2] & 15 == rates[info["rate_hz"]]
        code = data[at + 2] >> 4
        lead = data[at + 4]
        more = 0
        while lead & (0x80 >> more):
            more += 1
        more = max(0, more - 1)
        size = at + 5 + more
        number = chr_number(data[at + 4 : size])
        extra = {6: 1, 7: 2}.get(code, 0)
        n = int.from_bytes(data[size : size + extra], "big") + 1 if extra else 256 << (code - 8)
        head = size + extra
        assert crc(data[at:head], 8, 0x07) == data[head]
        b = _Bits(data, head + 1)
        kind, drop, method, samples = _subframe(b, n)
        end = head + 1 + (b.at + 7) // 8 + 2
        assert crc(data[at : end - 2], 16, 0x8005) == int.from_bytes(data[end - 2 : end], "big")
        found.append(Frame(number, at, end, kind, drop, method, samples))
        at = end
    return found


def chr_number(coded):
    """Return the number that section 9.1.5 codes like a character of UTF-8."""
    if len(coded) == 1:
        return coded[0]
    v = coded[0] & (0x7F >> len(coded))
    for b in coded[1:]:
        assert b >> 6 == 2
        v = (v << 6) | (b & 63)
    return v
