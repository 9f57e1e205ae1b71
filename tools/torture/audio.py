"""What a harness can tell of audio: which samples a file or object holds, and what they say.

Two codecs behind one face. Sized blocks (blocks.py) name their samples; FLAC is the real one,
decoded here by libsndfile, so that what counts is what any player would hear.
"""

import hashlib
import io

import soundfile

from tools.torture import blocks

_READ_SAMPLES = 64  # what a damaged frame may hide of those before it
_SAMPLES_AT, _SAMPLES_END = 18, 26


class Blocks:
    name = blocks.NAME

    def __init__(self, rate_hz):
        self._rate_hz = rate_hz

    def runs(self, data, samples=0):
        """[[first sample or None, count]] of a file or object, torn or not. samples: how many its
        record says, for a codec that cannot tell the end from damage.
        """
        return blocks.runs(data)

    def digest(self, data):
        """Of an object in storage."""
        return hashlib.sha256(data).hexdigest()

    def digests(self, stored, samples):
        """(of the bytes that are to leave for a closed file, of those that leave as chunks)."""
        return self.digest(blocks.upload_of(stored, self._rate_hz)), self.digest(stored)


class Flac:
    name = "flac"

    def __init__(self, rate_hz):
        self._rate_hz = rate_hz

    def runs(self, data, samples=0):
        pcm = self._decoded(data, samples)[0]
        if not pcm:
            return []
        try:
            return [[blocks.first_of(pcm, len(pcm) // 2), len(pcm) // 2]]
        except ValueError:
            return []  # samples that nobody said: they count as lost

    def digest(self, data):
        """Of the samples: header and frames may be written in more than one right way."""
        pcm, is_whole = self._decoded(data, 0)
        return hashlib.sha256(pcm).hexdigest() if is_whole else "an undecodable object"

    def digests(self, stored, samples):
        pcm, is_whole = self._decoded(stored, samples)
        said = hashlib.sha256(pcm).hexdigest() if is_whole else "an undecodable file"
        return said, said

    def _decoded(self, data, samples):
        """(PCM up to the first damage, whether there was none)."""
        parts = []
        try:
            with soundfile.SoundFile(io.BytesIO(_stating(data, samples))) as f:
                if f.samplerate != self._rate_hz or f.channels != 1:
                    return b"", False
                while True:
                    part = f.read(_READ_SAMPLES, dtype="int16").tobytes()
                    if not part:
                        return b"".join(parts), True
                    parts.append(part)
        except soundfile.LibsndfileError:
            return b"".join(parts), False


def _stating(data, samples):
    """data with so many samples in its STREAMINFO, the last 36 bits of 64 (RFC 9639 section 8.2).

    The recorder streams: a stored file never states it.
    """
    if not samples or len(data) < _SAMPLES_END:
        return data
    fields = int.from_bytes(data[_SAMPLES_AT:_SAMPLES_END], "big") >> 36 << 36 | samples
    return data[:_SAMPLES_AT] + fields.to_bytes(8, "big") + data[_SAMPLES_END:]


def of(name, rate_hz):
    return {kind.name: kind for kind in (Blocks, Flac)}[name](rate_hz)
