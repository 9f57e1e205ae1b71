"""HTTP/1.1 over the net port: keep-alive per origin, streamed bodies, every wait bounded.

One connection per origin, `max_connections` in all (one is closed before another opens on boards
without the memory for two). Redirects are never followed, no header is sent that the caller did
not give, except Host, Content-Length and Connection: a pre-signed URL is valid for its headers
only.
"""

import asyncio
import gc

from device.compat import const, is_digits, sleep_ms, ticks_add, ticks_diff, ticks_ms
from device.errors import DeviceError, Transient
from device.http.guard import Guard
from device.http.reader import Reader
from device.http.response import read_head, read_response
from device.http.url import split

_CONNECT_MS = const(15_000)
_HANDSHAKE_MS = const(30_000)  # with the first piece; about 1 s on the board
_PROGRESS_MS = const(30_000)  # each piece of a body
_ANSWER_MS = const(60_000)  # the whole answer, from the last byte of the request
_MAX_IDLE_MS = const(55_000)


class Kept:
    """A connection with its reader, and until when it may be used again."""

    def __init__(self, connection, buffer):
        self.connection = connection
        self.reader = Reader(connection, buffer)
        self.is_fresh = True
        self.idle_until_ticks_ms = 0


class HttpClient:
    """net: port; piece: lent buffer of what one write hands to the socket; reads: a lent buffer
    for each connection that may be open; witness(text): told the Date of each verified answer.

    One request at a time: a second caller waits.
    """

    def __init__(self, net, piece, reads, witness=None, allow_plain=False):
        self._net = net
        self._max_connections = len(reads)
        self._witness = witness
        self._allow_plain = allow_plain
        self._kept = {}
        self._buffers = list(reads)
        self._out = piece
        self._out_size = 0
        self._guard = Guard()
        self._lock = asyncio.Lock()
        self.connections_opened = 0
        self.bytes_sent = 0
        self.bytes_received = 0

    async def request(self, method, url, headers, body=b"", max_body_bytes=8192):
        """Send one request and return its Response.

        headers: list of (name, value). body: bytes, or a source with `length` (bytes),
        `readinto(mv) -> n` and `rewind()`. An answer that arrives before the body is through ends
        the sending; then `early` is True. Raises Transient, NeedsOperator (TLS) or UrlRefused.
        A kept connection that turns out to be closed costs one more try on a new one, at once.
        """
        parts = split(url, self._allow_plain)
        async with self._lock:
            return await self._request(parts, method, headers, body, max_body_bytes)

    async def _request(self, parts, method, headers, body, max_body_bytes):
        for _ in range(2):
            kept = await self._acquire(parts)
            was_fresh = kept.is_fresh
            response = None
            try:
                response = await self._guard.run(
                    self._exchange(kept, parts, method, headers, body, max_body_bytes),
                    _HANDSHAKE_MS,
                    "handshake" if was_fresh else "send",
                )
            except Transient as e:
                if was_fresh or e.code != "connection_lost" or kept.reader.head_bytes:
                    raise
            finally:
                self.bytes_received += kept.reader.received_bytes
                kept.reader.received_bytes = 0
                if response is None or not response.reusable:
                    self._drop(parts)
            if response is not None:
                return response
            if was_fresh:
                raise Transient("connection_lost", "closed without an answer")
        raise Transient("connection_lost", "closed twice without an answer")

    def close(self):
        """Drop all connections (the link went down, or its address changed)."""
        for key in list(self._kept):
            self._close_kept(key)

    async def _acquire(self, parts):
        key = parts[:3]
        kept = self._kept.get(key)
        if kept is not None:
            late = ticks_diff(ticks_ms(), kept.idle_until_ticks_ms) >= 0
            # Input on an idle connection is its end, or an answer nobody asked for.
            if not late and not kept.reader.has_input():
                kept.is_fresh = False
                kept.reader.head_bytes = 0
                return kept
            self._close_kept(key)
        while len(self._kept) >= self._max_connections:
            self._close_kept(next(iter(self._kept)))
        gc.collect()
        is_tls, host, port = key
        connection = await self._guard.run(
            self._net.open(host, port, is_tls), _CONNECT_MS, "connect"
        )
        self.connections_opened += 1
        kept = Kept(connection, self._buffers.pop())
        self._kept[key] = kept
        return kept

    def _drop(self, parts):
        self._close_kept(parts[:3])

    def _close_kept(self, key):
        kept = self._kept.pop(key, None)
        if kept is not None:
            kept.connection.close()
            self._buffers.append(kept.reader.lent_buffer())

    async def _exchange(self, kept, parts, method, headers, body, max_body_bytes):
        connection, reader = kept.connection, kept.reader
        early = None
        try:
            early = await self._send(connection, reader, parts, method, headers, body)
        except Transient as e:
            # The peer may have answered (413) and closed before all was sent.
            if e.code != "connection_lost" or not reader.has_input():
                raise
            early = await read_head(reader)
            if early is None:
                raise e
        self._guard.arm(_ANSWER_MS, "answer")
        response = await read_response(reader, max_body_bytes, early)
        if response is None:
            return None
        if early is not None:
            response.early = True
            response.reusable = False
        now = ticks_ms()
        kept.idle_until_ticks_ms = ticks_add(now, _idle_ms(response.headers))
        if parts[0] and self._witness and "date" in response.headers:
            self._witness(response.headers["date"])
        return response

    async def _send(self, connection, reader, parts, method, headers, body):
        """Send head and body; returns the head of an answer that came before all was sent."""
        is_source = hasattr(body, "readinto")
        length = body.length if is_source else len(body)
        self._out_size = 0
        await self._put(connection, ("%s %s HTTP/1.1\r\nHost: " % (method, parts[4])).encode())
        await self._put(connection, parts[3].encode())
        for name, value in headers:
            await self._put(connection, ("\r\n%s: %s" % (name, value)).encode())
        if length or method != "GET":
            await self._put(connection, b"\r\nContent-Length: %d" % length)
        await self._put(connection, b"\r\n\r\n")
        if not is_source:
            await self._put(connection, body)
            await self._flush(connection)
            return None
        body.rewind()
        left = length
        while left:
            if self._out_size == len(self._out):
                await connection.write(self._out)
                self._sent()
                # A socket that takes all at once never waits: the others have their turn here.
                await sleep_ms(0)
                if reader.has_input():
                    early = await read_head(reader)
                    if early is None:
                        raise Transient("connection_lost", "closed in the body")
                    if early.status_code >= 200:
                        return early
            n = body.readinto(self._room(left))
            if not n:
                raise DeviceError("damaged", "file ended %d bytes early" % left)
            self._out_size += n
            left -= n
        await self._flush(connection)
        return None

    def _room(self, left):
        """Where the next bytes of the body go: of most pieces the whole buffer, as it is."""
        start, size = self._out_size, len(self._out)
        if start or left < size:
            return self._out[start : start + min(left, size - start)]
        return self._out

    async def _put(self, connection, data):
        offset = 0
        while offset < len(data):
            n = min(len(data) - offset, len(self._out) - self._out_size)
            self._out[self._out_size : self._out_size + n] = data[offset : offset + n]
            self._out_size += n
            offset += n
            if self._out_size == len(self._out):
                await self._flush(connection)

    async def _flush(self, connection):
        if self._out_size:
            await connection.write(self._out[: self._out_size])
            self._sent()

    def _sent(self):
        self._guard.arm(_PROGRESS_MS, "send")
        self.bytes_sent += self._out_size
        self._out_size = 0


def _idle_ms(headers):
    """How long the connection may wait for its next request: less than the server said."""
    for part in headers.get("keep-alive", "").split(","):
        name, _, digits = part.strip().partition("=")
        if name == "timeout" and is_digits(digits) and len(digits) < 6:
            return min(_MAX_IDLE_MS, max(0, int(digits) * 1000 - 500))
    return _MAX_IDLE_MS
