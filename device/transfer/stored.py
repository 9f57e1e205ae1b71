"""The bytes of a clip as they lie on the medium: a part of them to send, all of them to hash.

What goes as chunks is the stored file itself, with its header of the streaming form: what has
been sent can then never differ from what the clip becomes.
"""

import hashlib
from binascii import crc32

from device.compat import const, hex_digest, sleep_ms

_PIECE_BYTES = const(1024)


class StoredRange:
    """A body for http.client: length, rewind(), readinto(mv). Bytes start to end of the file at
    path, which another handle may still be appending to. alive(): called for each piece.
    """

    def __init__(self, path, start, end, alive):
        self.length = end - start
        self.sent_bytes = 0
        self._path = path
        self._start = start
        self._alive = alive
        self._f = None

    def rewind(self):
        self.close()
        self._f = open(self._path, "rb")
        self._f.seek(self._start)
        self.sent_bytes = 0

    def readinto(self, out):
        self._alive()
        n = self._f.readinto(out[: min(len(out), self.length - self.sent_bytes)])
        self.sent_bytes += n
        return n

    def close(self):
        if self._f is not None:
            self._f.close()
            self._f = None


async def digests(path, size_bytes, header_bytes, alive):
    """(MD5 hex, SHA-256 hex, CRC-32 of all behind the header) of the first size_bytes.

    One pass; a hash of MicroPython cannot be kept and gone on with (extmod/modhashlib.c has no
    copy), so neither sending nor a reboot can spare it. MD5 is in the firmware of the board
    (ports/esp32/mpconfigport.h, MICROPY_PY_HASHLIB_MD5) and of the unix port; "" where it is not.
    Raises OSError, EIO where the file is shorter.
    """
    md5 = hashlib.md5() if hasattr(hashlib, "md5") else None
    sha = hashlib.sha256()
    crc = 0
    piece = memoryview(bytearray(_PIECE_BYTES))
    offset = 0
    with open(path, "rb") as f:
        while offset < size_bytes:
            limit = header_bytes if offset < header_bytes else size_bytes
            n = f.readinto(piece[: min(_PIECE_BYTES, limit - offset)])
            if not n:
                raise OSError(5)
            part = piece[:n]
            if md5:
                md5.update(part)
            sha.update(part)
            if offset >= header_bytes:
                crc = crc32(part, crc)
            offset += n
            alive()
            await sleep_ms(0)
    return hex_digest(md5.digest()) if md5 else "", hex_digest(sha.digest()), crc
