"""The codec port (device/codec/wav.py), over FLAC, WAV and the sized blocks of the months: one
suite, so that a month with sized blocks says something about FLAC.

Decoded is by others: libsndfile for FLAC and WAV; for sized blocks the bytes name their samples.
"""

import asyncio
import io
from binascii import crc32

import pytest
import soundfile

from device import codec as device_codecs
from tools.torture import blocks

RATE_HZ = 8000
FIRST = 12_345  # not the first sample that the microphone ever gave
PIECE = 1024  # samples that come at once while frames are kept back: one frame at most
NAMES = ("wav", "flac", blocks.NAME)


def encoder_of(name):
    if name == blocks.NAME:
        return blocks.BlockEncoder(RATE_HZ)
    return device_codecs.encoder_of(name, RATE_HZ)


def format_of(name):
    if name == blocks.NAME:
        return blocks.BlockFormat(RATE_HZ)
    return device_codecs.format_of(name, RATE_HZ)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


class Stream:
    """A clip as the recorder writes it: stored bytes, samples, running CRC, what came how."""

    def __init__(self, name, samples, step=2048):
        self.encoder = encoder = encoder_of(name)
        encoder.begin()
        out = memoryview(bytearray(encoder.max_encoded_bytes(step) + 96))
        self.stored = bytes(out[: encoder.write_header(out)])
        assert len(self.stored) == encoder.header_bytes
        self.pcm = bytes(blocks.truth(FIRST, samples))
        self.ends = [(len(self.stored), 0)]  # (bytes, samples) that stand in whole frames
        for at in range(0, samples, step):
            part = memoryview(self.pcm)[2 * at : 2 * min(samples, at + step)]
            size = encoder.encode(part, out)
            assert size <= encoder.max_encoded_bytes(len(part) // 2)
            self._put(out[:size], at + len(part) // 2 - encoder.held)
        size = encoder.finish(out)
        assert size <= encoder.max_encoded_bytes(encoder.held or 1)
        self._put(out[:size], samples)
        self.crc = crc32(self.stored[encoder.header_bytes :])

    def _put(self, data, samples):
        self.stored += bytes(data)
        if len(data):
            self.ends.append((len(self.stored), samples))


def upload_of(name, stored, samples, facts):
    """The bytes that leave: the true header, then the stored frames."""
    form = format_of(name)
    header = bytearray(96)
    size = form.upload_header(samples, facts, header)
    assert size == form.header_bytes
    return bytes(header[:size]) + stored[size:]


def decoded(name, data):
    if name == blocks.NAME:
        return b"".join(bytes(blocks.truth(first, count)) for first, count in blocks.runs(data))
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate_hz == RATE_HZ
    return samples.tobytes()


def scan(name, data):
    work = memoryview(bytearray(2304))
    return asyncio.run(format_of(name).scan(io.BytesIO(data), len(data), work))


@pytest.mark.parametrize("samples", (2, 100, 2048, 4096, 9001))
def test_what_leaves_decodes_to_what_was_heard(name, samples):
    stream = Stream(name, samples)
    leaves = upload_of(name, stream.stored, samples, stream.encoder.facts())
    assert decoded(name, leaves) == stream.pcm
    assert format_of(name).fits(samples, len(stream.stored))


def test_the_header_says_its_rate(name):
    stored = Stream(name, 100).stored
    if name != blocks.NAME:  # bend.py answers for sized blocks
        assert device_codecs.rate_of(name, stored[:64]) == RATE_HZ
        assert device_codecs.rate_of(name, bytes(64)) == 0
    assert format_of(name).name == name and format_of(name).content_type.startswith("audio/")


def test_facts_are_small_whole_numbers(name):
    facts = Stream(name, 5000).encoder.facts()
    assert len(facts) <= 8 and all(isinstance(fact, int) for fact in facts)


def test_a_whole_file_is_found_whole(name):
    stream = Stream(name, 9000)
    good_bytes, samples, crc, facts = scan(name, stream.stored)
    assert (good_bytes, samples, crc) == (len(stream.stored), 9000, stream.crc)
    assert decoded(name, upload_of(name, stream.stored, samples, facts)) == stream.pcm


def test_of_a_torn_file_the_whole_frames_are_found(name):
    """After a cut at any byte: never more than was stored, never less than the whole frames."""
    stream = Stream(name, 9000, step=1000)
    header_bytes = stream.encoder.header_bytes
    for size in {*range(0, len(stream.stored), 211), *(end for end, _ in stream.ends)}:
        torn = stream.stored[:size]
        good_bytes, samples, crc, facts = scan(name, torn)
        whole = max([count for end, count in stream.ends if end <= size], default=0)
        assert samples >= whole and good_bytes <= size, size
        if not samples:
            continue
        assert crc == crc32(torn[header_bytes:good_bytes])
        leaves = upload_of(name, torn[:good_bytes], samples, facts)
        assert decoded(name, leaves) == stream.pcm[: 2 * samples], size


def test_damage_in_a_frame_ends_what_is_found(name):
    if name == "wav":
        return  # PCM has nothing to check itself by: its record's CRC does
    stream = Stream(name, 9000, step=1000)
    at = stream.ends[3][0] + 6
    damaged = stream.stored[:at] + bytes([stream.stored[at] ^ 0x40]) + stream.stored[at + 1 :]
    good_bytes, samples, _, _ = scan(name, damaged)
    assert (good_bytes, samples) == stream.ends[3]


def test_a_frame_that_was_kept_back_goes_out_as_the_next_one(name):
    """The pre-roll: frames with number 0, renumbered when they are given out."""
    encoder = encoder_of(name)
    encoder.begin()
    encoder.is_counting = False
    out = memoryview(bytearray(encoder.max_encoded_bytes(4096) + 96))
    pcm = memoryview(bytes(blocks.truth(FIRST, 3 * 4096)))
    held = []
    for at in range(0, len(pcm), 2 * PIECE):
        frame = bytes(out[: encoder.encode(pcm[at : at + 2 * PIECE], out)])
        held += [frame] if frame else []
    tail = encoder.held
    encoder.is_counting = True
    encoder.begin(True)
    assert encoder.held == tail
    stored = bytes(out[: encoder.write_header(out)])
    for frame in held:
        stored += bytes(out[: encoder.renumber(memoryview(frame), out)])
    stored += bytes(out[: encoder.finish(out)])
    leaves = upload_of(name, stored, 3 * 4096, encoder.facts())
    assert decoded(name, leaves) == bytes(pcm)
