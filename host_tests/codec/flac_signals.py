"""Sounds for the codec tests: real speech if it lies beside the project, and seeded synthesis."""

import wave
from pathlib import Path

import numpy as np

_AUDIO = Path(__file__).resolve().parents[3] / "shared" / "audio"


def speech_files():
    """Return the paths of the real utterances, or an empty list."""
    return sorted(_AUDIO.glob("*.wav"))


def read_wav(path):
    with wave.open(str(path)) as f:
        assert f.getnchannels() == 1 and f.getsampwidth() == 2
        return np.frombuffer(f.readframes(f.getnframes()), "<i2")


def speech_like(seed, n, rate_hz=16000, peak=9000):
    """Return n samples of a buzzing, hissing, pausing voice: pulses and noise through formants."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    pitch = 110 + 30 * np.sin(2 * np.pi * t * 0.7 / rate_hz + rng.uniform(0, 6))
    phase = np.cumsum(pitch / rate_hz)
    pulses = np.diff(np.floor(phase), prepend=0)
    voiced = (np.sin(2 * np.pi * t * 2.3 / rate_hz + rng.uniform(0, 6)) > -0.3) * 1.0
    source = pulses * voiced * 8 + rng.normal(0, 0.25, n)
    spectrum = np.fft.rfft(source)
    hz = np.fft.rfftfreq(n, 1 / rate_hz) if n > 1 else np.zeros(len(spectrum))
    shape = sum(
        gain / (1 + ((hz - f) / width) ** 2)
        for f, width, gain in ((500, 90, 1.0), (1500, 140, 0.5), (2500, 200, 0.3))
    )
    y = np.fft.irfft(spectrum * (shape + 0.003), n) if n > 1 else source
    envelope = np.clip(np.sin(2 * np.pi * t * 1.1 / rate_hz + rng.uniform(0, 6)) + 0.4, 0, 1)
    y = y * (envelope + 0.002)
    y = y * (peak / max(1e-9, np.abs(y).max())) + rng.normal(0, 3, n)
    return np.clip(np.round(y), -32768, 32767).astype("<i2")


def _square(rng, n):
    period = int(rng.integers(1, 200))
    high, low = (32767, -32768) if rng.integers(2) else rng.integers(-32768, 32768, 2)
    return np.where(np.arange(n) // period % 2, high, low)


def _clipped(rng, n):
    w = 2 * np.pi * rng.uniform(0.001, 0.49)
    return 60000 * np.sin(w * np.arange(n) + rng.uniform(0, 6))


def _spikes(rng, n):
    y = rng.integers(-2, 3, n)
    y[rng.integers(0, n, 1 + n // 300)] = rng.choice([-32768, 32767, 20000])
    return y


def _onset(rng, n):
    y = rng.normal(0, 4, n)
    at = int(rng.integers(0, n))
    y[at:] *= 3000
    return y


def _coarse(rng, n):
    step = 1 << int(rng.integers(1, 16))
    return rng.integers(-32768 // step, 32768 // step + 1, n) * step


_KINDS = {
    "silence": lambda rng, n: np.zeros(n),
    "dc": lambda rng, n: np.full(n, rng.integers(-32768, 32768)),
    "dc_and_little": lambda rng, n: rng.integers(-32768, 32760) + rng.integers(0, 3, n),
    "noise_full": lambda rng, n: rng.integers(-32768, 32768, n),
    "noise": lambda rng, n: rng.normal(0, 2 ** rng.uniform(0, 13), n),
    "square": _square,
    "clipped": _clipped,
    "sine": lambda rng, n: (
        2 ** rng.uniform(2, 15) * np.sin(rng.uniform(0.0005, 3.14) * np.arange(n))
    ),
    "extremes": lambda rng, n: rng.choice([-32768, 32767], n),
    "spikes": _spikes,
    "onset": _onset,
    "ramp": lambda rng, n: np.arange(n) * rng.integers(-60, 60),
    "coarse": _coarse,
    "half_silent": lambda rng, n: rng.normal(0, 900, n) * (np.arange(n) > n // 2),
    "speech": lambda rng, n: speech_like(int(rng.integers(1 << 30)), n),
}
KINDS = sorted(_KINDS)


def make(kind, seed, n):
    """Return n 16-bit samples of that kind, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return np.clip(np.round(_KINDS[kind](rng, n)), -32768, 32767).astype("<i2")
