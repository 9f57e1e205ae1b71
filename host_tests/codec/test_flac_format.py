"""What leaves the encoder is FLAC: three decoders and an independent reader agree."""

import numpy as np
import pytest

from device.codec.flac import BLOCK_SAMPLES, FlacEncoder
from host_tests.codec import flac_host, flac_reader, flac_signals

_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
_LENGTHS = (1, 2, 4, 5, 15, 16, 63, 64, 255, 256, 257, 1000, 1024, 1025, 2048, 2500)


@pytest.fixture(scope="module")
def collection():
    """Streams of every kind of sound at every length: [(name, samples, stream, snr_db)]."""
    made = []
    for i, kind in enumerate(flac_signals.KINDS):
        for j, n in enumerate(_LENGTHS):
            x = flac_signals.make(kind, 100 * i + j, n)
            rate_hz = _RATES[(i + j) % 6]
            snr_db = (0, 0, 30, 20, 47)[(i + 2 * j) % 5]
            stream = flac_host.encode(x, rate_hz, snr_db)
            made.append((f"{kind} n={n} {rate_hz} Hz {snr_db} dB", x, stream, snr_db))
    return made


def _expected(x, stream):
    """Return the samples that a decoder must give: x, rounded as each frame says it was."""
    parts = []
    at = 0
    for frame in flac_reader.frames(stream):
        n = len(frame.samples)
        parts.append(flac_host.quantised(x[at : at + n], frame.drop))
        at += n
    assert at == len(x)
    return np.concatenate(parts)


def test_reader_gives_the_samples_and_contiguous_numbers(collection):
    for name, x, stream, snr_db in collection:
        frames = flac_reader.frames(stream)
        assert [f.number for f in frames] == list(range(len(frames))), name
        assert all(len(f.samples) == BLOCK_SAMPLES for f in frames[:-1]), name
        assert frames[-1].end == len(stream)
        decoded = np.concatenate([np.array(f.samples) for f in frames])
        assert (decoded == (_expected(x, stream) if snr_db else x)).all(), name
        info = flac_reader.stream_info(stream)
        sizes = [f.end - f.start for f in frames]
        assert info["samples"] == len(x) and info["frames"] == (min(sizes), max(sizes)), name
        assert info["blocks"] == (BLOCK_SAMPLES, BLOCK_SAMPLES) and info["md5"] == bytes(16)
        assert (info["channels"], info["bits"]) == (1, 16)


def test_soundfile_decodes(collection):
    for name, x, stream, _ in collection:
        y, rate_hz = flac_host.by_soundfile(stream)
        assert (y == _expected(x, stream)).all(), name
        assert str(rate_hz) in name


@pytest.mark.parametrize("decoder", ["ffmpeg", "flac"])
def test_other_decoders_decode(collection, program, decoder):
    program(decoder)
    decode = flac_host.DECODERS[decoder]
    for name, x, stream, _ in collection[::7]:
        y = decode(stream)
        assert len(y) == len(x) and (y == _expected(x, stream)).all(), name


@pytest.mark.parametrize("rate_hz", _RATES)
@pytest.mark.parametrize("snr_db", [0, 30])
def test_every_rate_with_every_decoder(rate_hz, snr_db, program):
    x = flac_signals.speech_like(rate_hz, 5000, rate_hz)
    stream = flac_host.encode(x, rate_hz, snr_db)
    expected = _expected(x, stream)
    assert snr_db or (expected == x).all()
    assert flac_reader.stream_info(stream)["rate_hz"] == rate_hz
    y, found_hz = flac_host.by_soundfile(stream)
    assert found_hz == rate_hz and (y == expected).all()
    for name in ("ffmpeg", "flac"):
        program(name)
        assert (flac_host.DECODERS[name](stream) == expected).all(), name


def test_stored_header_is_open_and_as_long(program):
    x = flac_signals.speech_like(1, 5000)
    stored = flac_host.encode(x, true_header=False)
    sent = flac_host.encode(x)
    info = flac_reader.stream_info(stored)
    assert info["samples"] == 0 and info["frames"] == (0, 0) and info["md5"] == bytes(16)
    assert stored[42:] == sent[42:] and len(stored) == len(sent)
    assert FlacEncoder.header_bytes == 42
    program("ffmpeg")
    assert (flac_host.by_ffmpeg(stored) == x).all()


def test_speech_is_exact():
    for path in flac_signals.speech_files():
        x = flac_signals.read_wav(path)
        y, _ = flac_host.by_soundfile(flac_host.encode(x))
        assert (y == x).all(), path.name


def _energy(v):
    return float(((v - v.mean()) ** 2).sum())


@pytest.mark.parametrize("snr_db", [20, 25, 30, 36, 60])
def test_every_block_and_quarter_keeps_its_ratio(snr_db):
    dropped = 0
    sounds = [flac_signals.make(k, 9, 5000) for k in flac_signals.KINDS]
    sounds += [flac_signals.speech_like(seed, 20000) for seed in (1, 2, 3)]
    sounds += [flac_signals.read_wav(p)[:30000] for p in flac_signals.speech_files()[:3]]
    for x in sounds:
        y, _ = flac_host.by_soundfile(flac_host.encode(x, 16000, snr_db))
        x = x.astype(float)
        for at in range(0, len(x), BLOCK_SAMPLES):
            block = x[at : at + BLOCK_SAMPLES]
            error = y[at : at + BLOCK_SAMPLES] - block
            dropped += bool(error.any())
            assert (error**2).sum() * 10 ** (snr_db / 10) <= _energy(block)
            for i in range(4):
                part = slice(len(block) * i >> 2, len(block) * (i + 1) >> 2)
                wrong = (error[part] ** 2).sum() * 10 ** ((snr_db - 12) / 10)
                assert wrong <= _energy(block[part]) or not wrong
    assert dropped > 20


def test_quiet_is_kept_exactly():
    rng = np.random.default_rng(3)
    quiet = rng.integers(-9, 10, 4096)
    beside_dc = quiet + 12000
    drifting = quiet + np.linspace(-3, 3, 4096).round()
    one_bit = rng.integers(0, 2, 4096)
    for x in (quiet, beside_dc, drifting, one_bit, np.zeros(4096), np.full(4096, -7)):
        y, _ = flac_host.by_soundfile(flac_host.encode(x, 16000, 30))
        assert (y == x).all()
    # Loud beside quiet in one block: the quiet quarters keep what they are.
    x = np.concatenate([quiet[:512], rng.normal(0, 5000, 512).round()])
    y, _ = flac_host.by_soundfile(flac_host.encode(x, 16000, 30))
    assert (y[:512] == x[:512]).all()


def test_kinds_of_frames():
    def kinds(x, snr_db=0):
        return {f.kind for f in flac_reader.frames(flac_host.encode(x, 16000, snr_db))}

    rng = np.random.default_rng(5)
    assert kinds(np.zeros(3000)) == {0}
    assert kinds(np.full(3000, -77)) == {0}
    assert kinds(rng.integers(-32768, 32768, 3000)) == {1}
    assert kinds(np.array([5, -9, 3])) == {1}
    assert max(kinds(flac_signals.speech_like(2, 20000))) >= 32
    assert any(8 <= k <= 12 for k in kinds(flac_signals.speech_like(2, 40000), 30))


def test_wide_rice_parameters_decode():
    """Bursts whose residuals need 5-bit Rice parameters in an otherwise quiet block."""
    methods = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.integers(-2, 3, 1024)
        at = int(rng.integers(0, 900))
        x[at : at + 64] = rng.choice([-32768, 32767], 64)
        stream = flac_host.encode(x)
        y, _ = flac_host.by_soundfile(stream)
        assert (y == x).all(), seed
        methods |= {f.method for f in flac_reader.frames(stream)}
    assert methods == {0, 1}


def test_pieces_of_any_size_give_the_same_stream():
    x = flac_signals.speech_like(4, 5000)
    whole = flac_host.encode(x, step=1 << 20)
    for step in (2, 6, 1000, 2046, 2048, 2050, 6000):
        assert flac_host.encode(x, step=step) == whole


def test_begin_starts_anew():
    x = flac_signals.speech_like(5, 3000)
    encoder = FlacEncoder(16000)
    out = memoryview(bytearray(20000))
    for _ in range(2):
        encoder.begin()
        n = encoder.encode(memoryview(x.tobytes()), out)
        n += encoder.finish(out[n:])
        assert bytes(out[:n]) == flac_host.encode(x)[42:]
        assert encoder.finish(out) == 0
        encoder.encode(memoryview(x.tobytes())[:500], out)  # left behind


def test_long_streams_number_beyond_two_bytes():
    encoder = FlacEncoder(8000)
    out = memoryview(bytearray(encoder.max_encoded_bytes(1024)))
    silent = memoryview(bytes(2048))
    made = bytearray(42)
    encoder.upload_header(2100 * 1024, (12, 14), memoryview(made))
    for _ in range(2100):
        n = encoder.encode(silent, out)
        made += out[:n]
    assert [f.number for f in flac_reader.frames(bytes(made))] == list(range(2100))
    assert len(flac_host.by_soundfile(bytes(made))[0]) == 2100 * 1024
