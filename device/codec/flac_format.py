"""What can be said of a FLAC file without encoding: its headers, and where it was torn.

Apart from the encoder, so that uploading or repairing a clip makes none of its buffers. Nothing is
ever patched: the stored header leaves totals open, upload_header() makes the true one of the same
length.
"""

from device.codec import flac_frame
from device.compat import forget_module, sleep_ms

BLOCK_SAMPLES = 1024
_HEADER_BYTES = 42


class FlacFormat:
    """The part of the codec port (wav.py) that needs no buffers. rate_hz: samples a second."""

    name = "flac"
    content_type = "audio/flac"
    header_bytes = _HEADER_BYTES
    block_samples = BLOCK_SAMPLES

    def __init__(self, rate_hz):
        self._rate_hz = rate_hz

    def write_header(self, out):
        """Write the header of a stream of unknown length into out and return its length."""
        return self.upload_header(0, (0, 0), out)

    def upload_header(self, samples, facts, out):
        """Write the true header, of the same length: samples in all, smallest and largest frame.

        RFC 9639 sections 8.1 and 8.2. The MD5 stays 0, which means unknown: it would have to be
        computed over the samples, a second hash that nobody needs beside SHA-256 of the file.
        """
        out[0:8] = b"fLaC\x80\x00\x00\x22"
        for at, value, width in (
            (8, BLOCK_SAMPLES, 2),
            (10, BLOCK_SAMPLES, 2),
            (12, facts[0], 3),
            (15, facts[1], 3),
            (18, self._rate_hz >> 4, 2),
            (20, (self._rate_hz & 15) << 4, 1),  # one channel
            (21, (15 << 4) | (samples >> 32), 1),  # 16 bits
            (22, samples & 0xFFFFFFFF, 4),
        ):
            for i in range(width):
                out[at + i] = (value >> (8 * (width - 1 - i))) & 0xFF
        for i in range(26, _HEADER_BYTES):
            out[i] = 0
        return _HEADER_BYTES

    def fits(self, samples, size_bytes):
        """True if a file of size_bytes may hold so many samples: frames are neither empty nor
        longer than VERBATIM ones.
        """
        frames = (samples + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
        most = _HEADER_BYTES + frames * flac_frame.max_frame_bytes(BLOCK_SAMPLES)
        return _HEADER_BYTES + 11 * frames <= size_bytes <= most

    async def scan(self, f, size_bytes, work):
        """Find the whole good frames of a torn file: see flac_scan.steps. Yields after each."""
        # Only a repair needs it: it is loaded for one and let go of again.
        from device.codec import flac_scan

        steps = flac_scan.steps(
            f, size_bytes, work, flac_frame.crc8_table(), flac_frame.crc16_table()
        )
        forget_module("device.codec.flac_scan")
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            await sleep_ms(0)


def rate_of(header):
    """Samples a second that the first 42 bytes of a file state, or 0 if they are none of ours."""
    if header[:8] != b"fLaC\x80\x00\x00\x22" or len(header) < _HEADER_BYTES:
        return 0
    if header[20] & 15 or header[21] >> 4 != 15:  # one channel, 16 bits (RFC 9639 8.2)
        return 0
    return header[18] << 12 | header[19] << 4 | header[20] >> 4
