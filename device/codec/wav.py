"""WAV (PCM): the plain codec behind the codec port.

The codec port. An encoder has all of it, with its memory made once, in the constructor; a format
(codec.format_of) has what needs no encoding:

    name, content_type       file extension and what the cloud is told
    header_bytes             length of the header, the same in the file and in the upload
    max_encoded_bytes(n)  *  upper bound of what encode() or finish() may write for n samples
    begin(keep_held=False) *  start a new stream (a new clip)
    held      *               samples taken but not yet in a frame
    is_counting *             False: frames come with number 0 and are kept back (pre-roll)
    renumber(frame, out) -> n *  a frame that was kept back, as the stream's next one
    write_header(out) -> n   the streaming form, as it is stored: sizes unknown, never patched
    encode(pcm, out) -> n *  16-bit little-endian mono samples in, whole frames out; may hold back
                             less than a block
    finish(out) -> n      *  the held-back samples as a last, short frame
    facts() -> list       *  small ints: what upload_header needs beside the number of samples
    upload_header(samples, facts, out) -> n    the true header, for the bytes that leave
    fits(samples, size) -> bool      may a file of size bytes hold so many samples?
    await scan(f, size_bytes, work) -> (good_bytes, samples, crc32, facts)
                             after a power cut: where the last whole frame ends; yields often

* encoders only.

Format: Microsoft RIFF/WAVE, "Multimedia Programming Interface and Data Specifications 1.0";
unknown sizes are 0xFFFFFFFF, which ffmpeg, sox and libsndfile read to the end of the file.
"""

import struct
from binascii import crc32

from device.compat import const, sleep_ms

_HEADER_BYTES = const(44)
_SIZE_UNKNOWN = 0xFFFFFFFF
_FRAME_BYTES = const(2)


class WavCodec:
    name = "wav"
    content_type = "audio/wav"
    header_bytes = _HEADER_BYTES
    held = 0
    is_counting = True

    def __init__(self, rate_hz):
        """rate_hz: samples a second."""
        self._rate_hz = rate_hz

    def max_encoded_bytes(self, frames):
        return frames * _FRAME_BYTES

    def begin(self, keep_held=False):
        pass

    def renumber(self, frame, out):
        return self.encode(frame, out)

    def write_header(self, out):
        return self._header(_SIZE_UNKNOWN, _SIZE_UNKNOWN, out)

    def encode(self, pcm, out):
        size = len(pcm)
        out[:size] = pcm
        return size

    def finish(self, out):
        return 0

    def facts(self):
        return []

    def upload_header(self, samples, facts, out):
        data_bytes = samples * _FRAME_BYTES
        return self._header(data_bytes + _HEADER_BYTES - 8, data_bytes, out)

    def fits(self, samples, size_bytes):
        return size_bytes == _HEADER_BYTES + samples * _FRAME_BYTES

    async def scan(self, f, size_bytes, work):
        """Every whole sample is good: PCM has nothing to check itself by."""
        samples = max(0, size_bytes - _HEADER_BYTES) // _FRAME_BYTES
        good_bytes = _HEADER_BYTES + samples * _FRAME_BYTES
        f.seek(_HEADER_BYTES)
        left = good_bytes - _HEADER_BYTES
        crc = 0
        while left > 0:
            n = f.readinto(work[: min(left, len(work))])
            if not n:
                raise OSError(5)
            crc = crc32(work[:n], crc)
            left -= n
            await sleep_ms(0)
        return good_bytes if samples else 0, samples, crc, []

    def _header(self, riff_bytes, data_bytes, out):
        struct.pack_into(
            "<4sI4s4sIHHIIHH4sI",
            out,
            0,
            b"RIFF",
            riff_bytes,
            b"WAVE",
            b"fmt ",
            16,
            1,
            1,
            self._rate_hz,
            self._rate_hz * _FRAME_BYTES,
            _FRAME_BYTES,
            16,
            b"data",
            data_bytes,
        )
        return _HEADER_BYTES
