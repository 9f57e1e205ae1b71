"""A small SNTP server on loopback: true time plus a settable error, silent or refusing at will."""

import asyncio
import socket
import struct
import time

_PACKET = struct.Struct("!BBbb11I")
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
_SERVER_MODE = 4
_STRATUM = 2
_POLL_LOG2_S = 6
_PRECISION_LOG2_S = -20
_REFERENCE = int.from_bytes(b"SIM\0", "big")
_RATE = int.from_bytes(b"RATE", "big")  # the kiss code for "ask less often"


class NtpServer(asyncio.DatagramProtocol):
    """Answers mode 3 packets. The three switches may be set from any thread at any time."""

    def __init__(self):
        self.offset_s = 0.0  # how wrong the told time is
        self.silent = False  # never answer
        self.kiss_of_death = False  # answer with stratum 0 and the code RATE
        self.asked = 0  # requests seen, answered or not
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, sock=sock)

    def stop(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        if len(data) < _PACKET.size or data[0] & 7 != 3:
            return
        self.asked += 1
        if not self.silent:
            self._transport.sendto(self._answer(data), addr)

    def _answer(self, question: bytes) -> bytes:
        version = question[0] >> 3 & 7
        sent = _PACKET.unpack(question[: _PACKET.size])[-2:]  # their transmit time comes back
        now = _timestamp(time.time() + self.offset_s)
        stratum, reference = (0, _RATE) if self.kiss_of_death else (_STRATUM, _REFERENCE)
        head = (version << 3 | _SERVER_MODE, stratum, _POLL_LOG2_S, _PRECISION_LOG2_S)
        return _PACKET.pack(*head, 0, 0, reference, *now, *sent, *now, *now)


def _timestamp(unix_s: float) -> tuple[int, int]:
    """Seconds since 1900 (mod 2**32: era 1 begins in 2036) and the fraction in 2**-32 s."""
    whole, fraction = divmod(unix_s + _NTP_EPOCH_S, 1)
    return int(whole) & 0xFFFFFFFF, int(fraction * 2**32)
