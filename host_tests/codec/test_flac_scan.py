"""A torn file is cut after its last whole frame, wherever it was torn or damaged."""

import asyncio
import io
from binascii import crc32

import numpy as np
import pytest

from device.codec import flac_frame, flac_scan
from device.codec.flac import FlacEncoder
from device.codec.flac_format import FlacFormat
from host_tests.codec import flac_host, flac_reader, flac_signals

_NOTHING = (0, 0, 0, [0, 0])


_TABLES = flac_frame.crc8_table(), flac_frame.crc16_table()


def _scan(data, work_bytes=4200, size=None):
    size = len(data) if size is None else size
    return flac_scan.scan(io.BytesIO(data), size, bytearray(work_bytes), *_TABLES)


def _expected(data, frames, cut):
    """Return what scan must find in data[:cut]."""
    if cut < 42:
        return _NOTHING
    whole = [f for f in frames if f.end <= cut]
    good = whole[-1].end if whole else 42
    sizes = [f.end - f.start for f in whole] or [0]
    samples = sum(len(f.samples) for f in whole)
    return good, samples, crc32(data[42:good]), [min(sizes), max(sizes)]


def _sound():
    """Return quiet, loud, constant and noisy blocks, and a short one at the end."""
    rng = np.random.default_rng(21)
    parts = [
        rng.integers(-3, 4, 1024),
        np.zeros(2048),
        rng.normal(0, 60, 1024).round(),
        rng.integers(-32768, 32768, 300),
        rng.integers(-1, 2, 724),
        rng.normal(0, 9, 333).round(),
    ]
    return np.concatenate(parts)


@pytest.fixture(scope="module", params=[0, 30])
def stream(request):
    data = flac_host.encode(_sound(), snr_db=request.param, true_header=False)
    return data, flac_reader.frames(data)


def test_cut_at_any_byte(stream):
    data, frames = stream
    for cut in range(len(data) + 1):
        assert _scan(data[:cut]) == _expected(data, frames, cut), cut


def test_cut_at_any_byte_on_the_port(stream, port, tmp_path):
    data, frames = stream
    path = tmp_path / "clip"
    path.write_bytes(data)
    for line in port.run("scan", path, 0, len(data) + 1)[0].splitlines():
        cut, *found = [int(v) for v in line.split()]
        good, samples, crc, facts = _expected(data, frames, cut)
        assert found == [good, samples, crc, *facts], cut


@pytest.mark.parametrize("decoder", sorted(flac_host.DECODERS))
def test_repaired_files_decode(stream, program, decoder):
    if decoder != "soundfile":
        program(decoder)
    data, frames = stream
    encoder = FlacEncoder(16000)
    head = memoryview(bytearray(42))
    for frame in frames:
        for cut in (frame.end, frame.end + 3, frame.end + (frame.end - frame.start) // 2):
            good, samples, _, facts = _scan(data[:cut])
            encoder.upload_header(samples, facts, head)
            repaired = bytes(head) + data[42:good]
            whole = np.concatenate([f.samples for f in frames if f.end <= cut])
            assert (flac_host.DECODERS[decoder](repaired) == whole).all()


def test_any_flipped_bit_is_found(stream):
    data, frames = stream
    for frame in frames[:4] + frames[-1:]:
        # Every bit of some, and with a step that meets every bit of a byte in the large ones.
        step = 1 if frame.end - frame.start < 400 else 13
        for bit in range(frame.start * 8, frame.end * 8, step):
            bad = bytearray(data)
            bad[bit >> 3] ^= 0x80 >> (bit & 7)
            assert _scan(bytes(bad))[0] == frame.start, bit


def test_bursts_swaps_and_gaps_are_found(stream):
    data, frames = stream
    rng = np.random.default_rng(2)
    for _ in range(300):
        frame = frames[int(rng.integers(len(frames)))]
        at = int(rng.integers(frame.start, frame.end))
        n = int(rng.integers(1, 40))
        bad = data[:at] + rng.bytes(n) + data[at + n :]
        if bad[: frame.end] != data[: frame.end]:
            assert _scan(bad)[0] == frame.start
    a, b = frames[3], frames[4]
    swapped = data[: a.start] + data[b.start : b.end] + data[a.start : a.end] + data[b.end :]
    assert _scan(swapped)[0] == a.start
    assert _scan(data[: a.start] + data[b.start :])[0] == a.start


@pytest.mark.parametrize("tail", [bytes(3000), b"\xff" * 3000, b"\xff\xf8" * 1500])
def test_what_the_card_left_behind_is_cut_off(stream, tail):
    data, frames = stream
    for cut in [f.end for f in frames] + [frames[3].end + 7]:
        assert _scan(data[:cut] + tail)[0] == _expected(data, frames, cut)[0]


def test_an_older_clip_behind_it_is_not_taken(stream):
    """A reused cluster may hold frames of another clip, even with the right next number."""
    data, frames = stream
    other = flac_host.encode(_sound()[::-1])
    short = flac_host.encode(_sound()[:500])
    assert _scan(short + other[42:])[0] == len(short)
    assert _scan(data + other[42:])[0] == len(data)


def _as_samples(raw, total=1024):
    """Return noise that will be VERBATIM, so that raw stands in the frame as it is."""
    body = bytearray(np.random.default_rng(8).integers(-32768, 32768, total).astype(">i2"))
    at = total
    body[at : at + len(raw)] = raw
    return np.frombuffer(bytes(body), ">i2")


def test_sync_patterns_inside_frames_do_not_fool():
    crc8 = flac_frame.crc8_table()
    fakes = b"\xff\xf8" * 20
    for number in (0, 1, 2):
        head = bytes([0xFF, 0xF8, 0xA5, 0x08, number])
        value = 0
        for b in head:
            value = crc8[value ^ b]
        fakes += head + bytes([value])
    noise = _as_samples(fakes)
    inner = flac_host.encode(np.zeros(2048))[42:]  # whole frames 0 and 1, CRCs and all
    nested = _as_samples(inner)
    data = flac_host.encode(np.concatenate([noise, nested, noise, nested, noise[:1023]]))
    frames = flac_reader.frames(data)
    assert {f.kind for f in frames} == {1} and inner in data and fakes in data
    for cut in range(len(data) + 1):
        if cut % 9 == 0 or 0 <= cut - frames[2].start < 400:
            assert _scan(data[:cut]) == _expected(data, frames, cut), cut


def test_a_zero_crc_inside_a_frame_does_not_fool():
    """Samples chosen so that the running CRC-16 comes to zero in the middle, cut right there."""
    x = _as_samples(b"")
    first = flac_host.encode(x)
    frame = flac_reader.frames(first)[0]
    at = frame.start + 1000
    value = flac_reader.crc(first[frame.start : at], 16, 0x8005)
    offset = at - frame.start - 7  # header 6 bytes, subframe header 1
    y = bytearray(x.astype(">i2").tobytes())
    y[offset : offset + 2] = value.to_bytes(2, "big")
    data = flac_host.encode(np.frombuffer(bytes(y), ">i2"))
    frames = flac_reader.frames(data)
    assert flac_reader.crc(data[frame.start : at + 2], 16, 0x8005) == 0
    for cut in range(at - 2, at + 10):
        assert _scan(data[:cut]) == (42, 0, 0, [0, 0]), cut
    assert _scan(data) == _expected(data, frames, len(data))


def test_other_rates_and_sizes_of_work():
    for rate_hz in (8000, 22050, 48000):
        data = flac_host.encode(flac_signals.speech_like(1, 9000, rate_hz), rate_hz)
        frames = flac_reader.frames(data)
        for work_bytes in (2100, 3001, 4096, 65536):
            assert _scan(data, work_bytes) == _expected(data, frames, len(data))
    with pytest.raises(ValueError):
        _scan(data, 2000)


def test_steps_pause_after_each_frame():
    data = flac_host.encode(_sound())
    frames = flac_reader.frames(data)
    steps = flac_scan.steps(io.BytesIO(data), len(data), bytearray(4200), *_TABLES)
    for _ in frames:
        next(steps)
    with pytest.raises(StopIteration) as done:
        next(steps)
    assert done.value.value == _expected(data, frames, len(data))


def test_a_damaged_header_is_nothing():
    data = flac_host.encode(_sound())
    for at in (0, 3, 4, 7, 8, 11, 19, 20):
        bad = bytearray(data)
        bad[at] ^= 0x55
        assert _scan(bytes(bad)) == _NOTHING
    assert _scan(b"") == _NOTHING


def test_size_limits_what_is_read():
    data = flac_host.encode(_sound())
    frames = flac_reader.frames(data)
    size = frames[4].end + 5
    found = _scan(data, size=size)
    assert found == _expected(data, frames, size)
    longer = _scan(data, size=len(data) + 5000)
    assert longer == _expected(data, frames, len(data))


def test_the_port_scans_as_the_steps_do():
    data = flac_host.encode(_sound())
    found = asyncio.run(
        FlacFormat(16000).scan(io.BytesIO(data), len(data), memoryview(bytearray(2304)))
    )
    assert found == _expected(data, flac_reader.frames(data), len(data))
