"""Audio on the host: what the virtual microphone hears, and what came out at the other end."""

import io
import pathlib

import numpy as np
import soundfile
import soxr

SAMPLE = pathlib.Path(__file__).parent / "sample" / "speech.wav"
MAX_MINUTES = 600
_PIECE_FRAMES = 1 << 20


class AudioError(Exception):
    """One sentence: which file, what is wrong with it, what to try."""


def read_samples(path: pathlib.Path, rate_hz: int, repeat: int = 1) -> np.ndarray:
    """A PCM WAV as 16-bit mono samples at rate_hz: first channel, resampled if need be.

    repeat: how many times over. Raises AudioError.
    """
    if not path.exists():
        raise AudioError(f"There is no file {path}: name an existing WAV, AUDIO=path/to/my.wav.")
    try:
        with soundfile.SoundFile(path) as f:
            if not f.subtype.startswith("PCM"):
                raise AudioError(
                    f"{path} holds {f.subtype}, not PCM: convert it, "
                    f"for example with `ffmpeg -i {path.name} -c:a pcm_s16le out.wav`."
                )
            if f.frames > MAX_MINUTES * 60 * f.samplerate:
                raise AudioError(f"{path} is longer than {MAX_MINUTES} minutes: cut it first.")
            samples = f.read(dtype="int16", always_2d=True)[:, 0]
            file_rate_hz = f.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(
            f"{path} cannot be read as audio ({error}): give a PCM WAV file."
        ) from None
    if file_rate_hz != rate_hz:
        samples = soxr.resample(samples, file_rate_hz, rate_hz)
    if len(samples) < rate_hz:
        raise AudioError(f"{path} is shorter than one second: the recorder sends no such clips.")
    return np.tile(samples.astype("<i2"), repeat)


class _Stream(soundfile.SoundFile):
    """Read to its end without a seek after each piece, which fails where no total is stated."""

    def seekable(self) -> bool:
        return False


def decode(data: bytes) -> tuple[np.ndarray, int]:
    """The samples and rate of an object as storage holds it. Raises AudioError.

    Read to its end in pieces: the header of what came in chunks does not say how long it is.
    """
    pieces = [np.zeros((0, 1), "int16")]
    try:
        with _Stream(io.BytesIO(data)) as f:
            rate_hz = f.samplerate
            while len(piece := f.read(_PIECE_FRAMES, dtype="int16", always_2d=True)):
                pieces.append(piece)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"The object does not decode: {error}") from None
    return np.concatenate(pieces)[:, 0], rate_hz
