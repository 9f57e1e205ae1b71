"""Encoding and decoding on the host for the codec tests."""

import io
import os
import subprocess
import tempfile

import numpy as np
import soundfile

from device.codec.flac import FlacEncoder


def encode(x, rate_hz=16000, snr_db=0, step=4096, true_header=True):
    """Return the stream of samples x as the recorder stores it, or as it leaves."""
    encoder = FlacEncoder(rate_hz, snr_db)
    pcm = memoryview(np.asarray(x, "<i2").tobytes())
    out = memoryview(bytearray(encoder.max_encoded_bytes(step // 2)))
    n = encoder.write_header(out)
    assert n == encoder.header_bytes
    parts = [bytes(out[:n])]
    encoder.begin()
    for at in range(0, len(pcm), step):
        n = encoder.encode(pcm[at : at + step], out)
        parts.append(bytes(out[:n]))
    n = encoder.finish(out)
    parts.append(bytes(out[:n]))
    if true_header:
        encoder.upload_header(len(pcm) // 2, encoder.facts(), out)
        parts[0] = bytes(out[: encoder.header_bytes])
    return b"".join(parts)


def by_soundfile(data):
    y, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    return y, rate_hz


def by_ffmpeg(data):
    command = ["ffmpeg", "-v", "error", "-xerror", "-err_detect", "explode", "-f", "flac"]
    command += ["-i", "pipe:0", "-f", "s16le", "pipe:1"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return np.frombuffer(done.stdout, "<i2")


def by_flac(data):
    command = ["flac", "-d", "-s", "-c", "--force-raw-format", "--endian=little", "--sign=signed"]
    handle, path = tempfile.mkstemp(suffix=".flac")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        done = subprocess.run([*command, path], capture_output=True, timeout=60)
    finally:
        os.unlink(path)
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, "<i2")


DECODERS = {"soundfile": lambda d: by_soundfile(d)[0], "ffmpeg": by_ffmpeg, "flac": by_flac}


def quantised(x, drop):
    """Return x rounded to multiples of 1 << drop, halves up, staying within 16 bits."""
    step = 1 << drop
    q = np.floor((np.asarray(x, float) + step // 2) / step) * step
    return np.where(q > 32767, q - step, q).astype("<i2")
