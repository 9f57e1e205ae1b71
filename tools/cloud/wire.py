"""One side of one HTTP/1.1 connection: an h11 state machine joined to an asyncio stream."""

import asyncio
import socket
import struct

import h11

_READ_BYTES = 64 * 1024
_CLOSE_S = 1.0
_TCP_INFO_BYTES = 256
_TCP_INFO_COUNTS = 120  # linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds


class Wire:
    """Events in and out. Nothing of a body is kept: one read's worth at a time."""

    def __init__(self, role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.http = h11.Connection(role)
        self._reader = reader
        self._writer = writer
        self._counted = 0, 0

    async def receive(self):
        """The next h11 event; ConnectionClosed at the end.

        Raises h11.RemoteProtocolError for what is not HTTP or ends in the middle of a message, and
        OSError when the connection breaks. A cancelled receive loses nothing.
        """
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self.http.receive_data(await self._reader.read(_READ_BYTES))

    async def send(self, event) -> None:
        """Send one event; waits while the other side is slower than we are."""
        data = self.http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()
            self.wire_bytes()  # a client that leaves takes the socket with it

    def wire_bytes(self) -> tuple[int, int]:
        """TCP payload that came and went, TLS included; zeros where the system counts none. Of a
        connection that is closed already: as it was when it was last asked for.
        """
        sock = self._writer.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_INFO"):
            try:
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
                went, came = struct.unpack_from("<QQ", info, _TCP_INFO_COUNTS)
                self._counted = came, went
            except (OSError, struct.error):
                pass
        return self._counted

    async def send_raw(self, data: bytes, pause_s: float = 0.0) -> None:
        """Send bytes past the state machine, at once or one after the other."""
        step = 1 if pause_s else max(1, len(data))
        for start in range(0, len(data), step):
            self._writer.write(data[start : start + step])
            await self._writer.drain()
            await asyncio.sleep(pause_s)

    async def wait_for_end(self, limit_s: float) -> None:
        """Answer nothing, until the other side is gone or the time is over."""
        try:
            async with asyncio.timeout(limit_s):
                while await self._reader.read(_READ_BYTES):
                    pass
        except (OSError, TimeoutError):
            pass

    def close_our_half(self) -> None:
        """A FIN without the end of TLS: the other side may go on sending."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None:
            sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection with a TCP reset, as a crashed server or a middlebox does."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection in order. Safe to call again, and on a broken connection."""
        self._writer.close()
        try:
            # Not wait_for: that of Python 3.11 can lose the cancellation of this task.
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
