"""created → stored: the bytes to storage, hashed on their way."""

import hashlib
from binascii import crc32, hexlify

from rescue import forget
from rescue.api import wait_s
from rescue.ends import ASIDE, FRESH, LATER, End


def step(program, clip):
    """Stream the clip to program.place; the record gets the hash of what storage has taken whole.
    Raises End, FRESH where another URL may help, and OSError.
    """
    from rescue import headers

    source = Source(clip, headers.true_header(clip.record))
    headers = None
    forget("headers")
    (url, head), program.place = program.place, None
    try:
        status, answer, content = program.api.wire.request(head, url, source)
        is_whole = source.crc == clip.record["crc"]
        if status < 300 and not is_whole:
            _judge(source, clip.record["crc"])
    finally:
        source.close()
    if status >= 300 or content:  # storage answers a PUT with nothing; a page has something
        detail = "PUT status=%d" % status
        if status < 400 or status == 511:
            raise End(LATER, "portal", detail)
        if status >= 500 or status in (408, 429):
            raise End(LATER, "server_error", detail, wait_s(answer))
        raise End(FRESH, "url_refused", detail)
    if not is_whole:
        raise End(LATER, "storage_failed", "two readings differ")
    clip.save(state="stored", sha=hexlify(source.sha.digest()).decode())


def _judge(source, crc):
    """What left is not what was recorded. Raises End if a second reading says so too."""
    source.begin()
    piece = memoryview(bytearray(512))
    left = source.length
    while left:
        left -= source.read(piece[: min(left, len(piece))])
    if source.crc != crc:
        raise End(ASIDE, "damaged", "crc of the stored frames")


class Source:
    """The bytes that leave: the true header, then the stored frames; sha and crc on the way."""

    def __init__(self, clip, header):
        self.length = clip.record["bytes"]
        self._path = clip.audio_path
        self._header = header
        self._f = None

    def begin(self):
        self.close()
        self._offset = self.crc = 0
        self.sha = hashlib.sha256()
        try:
            self._f = open(self._path, "rb")
            self._f.seek(len(self._header))
        except OSError as e:
            raise End(ASIDE, "damaged", "open errno=%s" % e.errno)

    def read(self, out):
        """Fill out; returns how much of it."""
        n = min(len(out), max(0, len(self._header) - self._offset))
        if n:
            out[:n] = self._header[self._offset : self._offset + n]
        else:
            try:
                n = self._f.readinto(out)
            except OSError as e:
                # The full program counts such readings, and judges the clip after five.
                raise End(LATER, "storage_failed", "read errno=%s" % e.errno)
            if not n:
                raise End(ASIDE, "damaged", "file ended early")
            self.crc = crc32(out[:n], self.crc)
        self.sha.update(out[:n])
        self._offset += n
        return n

    def close(self):
        if self._f is not None:
            self._f.close()
            self._f = None
