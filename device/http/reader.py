"""Bytes of one connection, buffered: lines of the head, bodies by length, by chunks or to the end.

Strict where leniency would let half an answer pass for a whole one (field cases B16, B31).
"""

from device.compat import const
from device.errors import Transient

_MAX_LINE_BYTES = const(1024)
_MAX_HEAD_BYTES = const(8192)
_MAX_TRAILER_LINES = const(16)


class Reader:
    """connection is a Connection of the net port; buffer is lent for as long as the reader
    lives.
    """

    def __init__(self, connection, buffer):
        self._connection = connection
        self._lent = buffer
        self._buffer = memoryview(buffer)
        self._low = 0
        self._high = 0
        self.head_bytes = 0
        self.received_bytes = 0

    def lent_buffer(self):
        """The buffer goes back to its owner; the reader must not be used any more."""
        return self._lent

    def has_input(self):
        return self._high > self._low or self._connection.has_input()

    async def _fill(self):
        """Read at least one byte more. False at the end of the stream."""
        if self._low == self._high:
            self._low = self._high = 0
        n = await self._connection.readinto(self._buffer[self._high :])
        self._high += n
        self.received_bytes += n
        return n > 0

    async def line(self, first=False):
        """One line as bytes, without its end; None if the stream ended before the first byte."""
        line = b""
        while True:
            # bytearray has find on every port (MicroPython, py/objstr.c, the table that bytes and
            # bytearray share).
            end = self._lent.find(b"\n", self._low, self._high)
            if end >= 0:
                line += bytes(self._buffer[self._low : end])
                self._low = end + 1
                self.head_bytes += len(line)
                if self.head_bytes > _MAX_HEAD_BYTES:
                    raise Transient("bad_answer", "head too long")
                return line[:-1] if line.endswith(b"\r") else line
            line += bytes(self._buffer[self._low : self._high])
            self._low = self._high = 0
            if len(line) > _MAX_LINE_BYTES:
                raise Transient("bad_answer", "line too long")
            if not await self._fill():
                if first and not line:
                    return None
                raise Transient("connection_lost", "ended in the head")

    async def readinto(self, out):
        """Fill out (a memoryview) whole. Raises Transient(connection_lost) if the stream ends
        first.
        """
        offset = 0
        while offset < len(out):
            offset += await self._some(out[offset:])

    async def _some(self, out):
        if self._low == self._high and not await self._fill():
            raise Transient("connection_lost", "ended in the body")
        n = min(len(out), self._high - self._low)
        out[:n] = self._buffer[self._low : self._low + n]
        self._low += n
        return n

    async def body_by_length(self, length, max_bytes):
        if length > max_bytes:
            raise Transient("bad_answer", "body of %d bytes" % length)
        body = bytearray(length)
        await self.readinto(memoryview(body))
        return body

    async def body_by_chunks(self, max_bytes):
        """RFC 9112 7.1; extensions and trailers are read and dropped."""
        body = bytearray()
        while True:
            self.head_bytes = 0
            text = (await self.line()).split(b";")[0].strip(b" \t")
            size = _hex_size(text)
            if size == 0:
                break
            if len(body) + size > max_bytes:
                raise Transient("bad_answer", "body too long")
            body.extend(await self.body_by_length(size, max_bytes))
            if await self.line() != b"":
                raise Transient("bad_answer", "chunk without its end")
        for _ in range(_MAX_TRAILER_LINES):
            if await self.line() == b"":
                return body
        raise Transient("bad_answer", "too many trailers")

    async def body_to_end(self, max_bytes):
        body = bytearray()
        while self._low < self._high or await self._fill():
            if len(body) + self._high - self._low > max_bytes:
                raise Transient("bad_answer", "body too long")
            body.extend(bytes(self._buffer[self._low : self._high]))
            self._low = self._high = 0
        return body


def _hex_size(text):
    # int(text, 16) would also take "-1" and "1_0".
    if not 0 < len(text) <= 8:
        raise Transient("bad_answer", "chunk size")
    for byte in text:
        if byte not in b"0123456789abcdefABCDEF":
            raise Transient("bad_answer", "chunk size")
    return int(text, 16)
