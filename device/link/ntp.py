"""SNTP (RFC 4330, RFC 5905): one question, one checked answer.

micropython-lib's ntptime takes any packet, and a kiss-of-death sets its clock to 2036; here every
field that can betray a wrong answer is looked at.
"""

import struct

from device.compat import const, is_digits, ticks_diff, ticks_ms
from device.errors import Transient

_PORT = const(123)
_PACKET_BYTES = const(48)
_NTP_TO_UNIX_S = 2208988800  # 1900 to 1970
_ERA_S = 1 << 32
_MAX_ROUND_TRIP_MS = const(5_000)


def question(nonce):
    """A client packet; nonce (8 bytes) stands in the transmit field and must come back."""
    return b"\x23" + bytes(39) + nonce


def answer(packet, nonce, round_trip_ms):
    """(unix_ms now, uncertainty_ms) of an answer; raises Transient(bad_answer) with the reason."""
    if len(packet) < _PACKET_BYTES:
        raise Transient("bad_answer", "ntp short")
    flags, stratum = packet[0], packet[1]
    if flags & 7 != 4 or not 3 <= (flags >> 3 & 7) <= 4:
        raise Transient("bad_answer", "ntp mode")
    if bytes(packet[24:32]) != nonce:
        raise Transient("bad_answer", "ntp answer to another question")
    if stratum == 0:
        # Kiss-of-death (RFC 4330 8): the server wants to be left alone.
        raise Transient("throttled", "ntp kiss", 3600)
    if flags >> 6 == 3 or stratum > 15:
        raise Transient("bad_answer", "ntp unsynchronised")
    if round_trip_ms > _MAX_ROUND_TRIP_MS:
        raise Transient("bad_answer", "ntp too slow")
    seconds, fraction = struct.unpack(">II", packet[40:48])
    if not seconds or 1 << 31 <= seconds < _NTP_TO_UNIX_S:
        raise Transient("bad_answer", "ntp no time")
    if seconds < 1 << 31:
        seconds += _ERA_S  # era 1 begins in 2036
    unix_ms = (seconds - _NTP_TO_UNIX_S) * 1000 + (fraction * 1000 >> 32) + round_trip_ms // 2
    return unix_ms, round_trip_ms // 2 + 20


async def ask(net, server, nonce):
    """Ask server ("host" or "host:port"); returns as answer() does. Raises Transient."""
    host, _, port = server.partition(":")
    sent_ticks_ms = ticks_ms()
    packet = await net.exchange_datagram(
        host, int(port) if is_digits(port) else _PORT, question(nonce), _PACKET_BYTES
    )
    return answer(packet, nonce, ticks_diff(ticks_ms(), sent_ticks_ms))
