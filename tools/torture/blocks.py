"""The sized-block codec: a codec whose bytes name their samples, for runs of months.

The microphone of the simulation gives sample p a value that names p (`truth`); each frame checks
all its samples against that and says in a few bytes which they are, padded to a size like FLAC's.

    header   16 bytes: "BLK1", rate, samples (0 while unknown), 4 zeros
    frame    first sample (silence: 0xFFFFFFFF), how many (16 bits), padding (16 bits), CRC-32 of
             these, padding
"""

import struct
from array import array
from binascii import crc32

NAME = "blk"
HEADER_BYTES = 16
_FRAME = struct.Struct("<IHHI")
_SILENCE = 0xFFFFFFFF
_MAX_SAMPLES = 0x4000
_SAMPLES_A_BYTE = 24  # bytes of padding: about a tenth of FLAC's size, so that a month stays small
_PADDING = bytes(_MAX_SAMPLES)
_SEGMENT_PAIRS = 1 << 16  # as many as have one high part
_SEGMENT_SAMPLES = 2 * _SEGMENT_PAIRS
_LOW_PARTS = array("H", range(_SEGMENT_PAIRS))
_SEGMENTS_KEPT = 8

_segments = {}  # number -> bytes, the newest last


def truth(first, count):
    """The bytes of count samples from first on: pairs of (low, 1 + high) of the pair's number."""
    begin, end = first // _SEGMENT_SAMPLES, (first + count - 1) // _SEGMENT_SAMPLES
    at = 2 * (first - begin * _SEGMENT_SAMPLES)
    if begin == end:
        return memoryview(_segment(begin))[at : at + 2 * count]
    joined = b"".join(_segment(number) for number in range(begin, end + 1))
    return memoryview(joined)[at : at + 2 * count]


def _segment(number):
    found = _segments.get(number)
    if found is None:
        values = array("H", [1 + number]) * _SEGMENT_SAMPLES
        values[0::2] = _LOW_PARTS
        found = _segments[number] = values.tobytes()
        if len(_segments) > _SEGMENTS_KEPT:
            del _segments[next(iter(_segments))]
    return found


def first_of(pcm, count):
    """Which sample pcm begins with, None for silence. Raises ValueError for anything else."""
    pcm = bytes(pcm)  # compared as bytes at once, as memoryviews one by one
    if pcm == _PADDING[: len(pcm)]:
        return None
    if count == 1:
        raise ValueError("one sample names nothing")
    one, two = struct.unpack_from("<HH", pcm)
    if two and not two >> 12:
        first = 2 * ((two - 1) << 16 | one)
        if pcm == bytes(truth(first, count)):
            return first
    following = struct.unpack_from("<H", pcm, 2)[0]
    if one:  # it begins in the middle of a pair
        first = 2 * ((one - 1) << 16 | (following - 1 & 0xFFFF)) + 1
        if first > 0 and pcm == bytes(truth(first, count)):
            return first
    raise ValueError("samples that nobody said")


class BlockFormat:
    name = NAME
    content_type = "audio/flac"
    header_bytes = HEADER_BYTES
    held = 0
    is_counting = True

    def __init__(self, rate_hz):
        self._rate_hz = rate_hz

    def upload_header(self, samples, facts, out):
        struct.pack_into("<4sIII", out, 0, b"BLK1", self._rate_hz, samples, 0)
        return HEADER_BYTES

    def fits(self, samples, size_bytes):
        return size_bytes >= HEADER_BYTES + (samples > 0) * _FRAME.size

    def facts(self):
        return []

    async def scan(self, f, size_bytes, work):
        f.seek(0)
        data = f.read()
        good_bytes, samples = HEADER_BYTES, 0
        for start, end, _, count in frames(data):
            if start != good_bytes:
                break
            good_bytes, samples = end, samples + count
        crc = crc32(data[HEADER_BYTES:good_bytes])
        return good_bytes if samples else 0, samples, crc, []


class BlockEncoder(BlockFormat):
    """Whole frames at once: nothing is ever held back."""

    def max_encoded_bytes(self, count):
        return (count // 256 + 2) * (_FRAME.size + 64) + count // _SAMPLES_A_BYTE

    def begin(self, keep_held=False):
        pass

    def write_header(self, out):
        return self.upload_header(0, [], out)

    def encode(self, pcm, out):
        count = len(pcm) // 2
        if not count:
            return 0
        first = first_of(pcm, count)
        padding = count // _SAMPLES_A_BYTE
        value = _SILENCE if first is None else first
        head = struct.pack("<IHH", value, count, padding)
        _FRAME.pack_into(out, 0, value, count, padding, crc32(head))
        end = _FRAME.size + padding
        out[_FRAME.size : end] = _PADDING[:padding]
        return end

    def renumber(self, frame, out):
        out[: len(frame)] = frame
        return len(frame)

    def finish(self, out):
        return 0


def frames(data):
    """(start, end, first sample or None, count) of each whole frame behind the header."""
    at = HEADER_BYTES
    while at + _FRAME.size <= len(data):
        first, count, padding, crc = _FRAME.unpack_from(data, at)
        end = at + _FRAME.size + padding
        if crc != crc32(data[at : at + 8]) or end > len(data):
            return
        yield at, end, None if first == _SILENCE else first, count
        at = end


def runs(data):
    """[[first sample or None, count]] of a file or object, joined where they follow each other."""
    found = []
    for _, _, first, count in frames(data):
        if found and first is not None and found[-1][0] is not None:
            if found[-1][0] + found[-1][1] == first:
                found[-1][1] += count
                continue
        found.append([first, count])
    return found


def upload_of(stored, rate_hz):
    """The bytes that are to leave for a stored file: whole frames behind the true header."""
    samples = sum(count for _, _, _, count in frames(stored))
    return struct.pack("<4sIII", b"BLK1", rate_hz, samples, 0) + stored[HEADER_BYTES:]
