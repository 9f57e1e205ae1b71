"""The bytes that leave: the true header, then the stored frames; hashed and checked on the way.

One pass over the flash gives the SHA-256 for the completion and the CRC-32 that capture kept: what
is damaged on flash is noticed before anybody calls it delivered.
"""

import hashlib
from binascii import crc32

from device.compat import const, hex_digest

_HEADER_ROOM_BYTES = const(96)


class ClipSource:
    """A body for http.client: length, rewind(), readinto(mv). Opens the file in rewind(); close()
    it.

    codec: format of the clip; alive(): called for each piece, so that a long upload is not taken
    for a hang. After a whole pass sha256_hex and is_intact are valid. A file shorter
    than its record ends early: readinto returns 0.
    """

    def __init__(self, clip, codec, alive=None):
        record = clip.record
        self.length = record["bytes"]
        self._path = clip.audio_path
        self._crc_wanted = record["crc"]
        self._header_bytes = codec.header_bytes
        self._header = memoryview(bytearray(_HEADER_ROOM_BYTES))
        codec.upload_header(record["samples"], record.get("facts") or [], self._header)
        self._alive = alive
        self._f = None
        self.sha256_hex = None
        self.sent_bytes = 0

    def rewind(self):
        self.close()
        self._f = open(self._path, "rb")
        self._f.seek(self._header_bytes)
        self.sent_bytes = 0
        self._crc = 0
        self._sha = hashlib.sha256()
        self.sha256_hex = None

    def readinto(self, out):
        if self._alive:
            self._alive()
        if self.sent_bytes < self._header_bytes:
            n = min(len(out), self._header_bytes - self.sent_bytes)
            out[:n] = self._header[self.sent_bytes : self.sent_bytes + n]
        else:
            n = self._f.readinto(out)
            self._crc = crc32(out[:n], self._crc)
        self._sha.update(out[:n])
        self.sent_bytes += n
        if self.sent_bytes == self.length:
            self.sha256_hex = hex_digest(self._sha.digest())
        return n

    def is_intact(self):
        """True if the pass was whole and the frames are those that capture wrote."""
        return self.sha256_hex is not None and self._crc == self._crc_wanted

    def close(self):
        if self._f is not None:
            self._f.close()
            self._f = None
