"""SNTP (RFC 4330): one question and its checked answer (device/link/ntp.py has the reasons)."""

import os
import select
import socket
import time

from rescue import const
from rescue.ends import LATER, End

_ANSWER_MS = const(3_000)
_NTP_TO_UNIX_S = const(2208988800)
_ERA_S = const(1 << 32)


def set_time(program):
    """Certificates have dates. Without an answer they are judged by the clock as it is."""
    try:
        program.board.set_time(ask(program.board, program.time_server))
    except End as e:
        program.chip.say("W no time from %s: %s %s" % (program.time_server, e.code, e.detail))


def ask(board, server):
    """Unix seconds of server ("host" or "host:port"). Raises End."""
    host, _, port = server.partition(":")
    address = board.resolve(host, int(port) if port.isdigit() else 123)
    nonce = os.urandom(8)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(address)
        sock.send(b"\x23" + bytes(39) + nonce)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        began = time.ticks_ms()
        if not poll.poll(_ANSWER_MS) or time.ticks_diff(time.ticks_ms(), began) > _ANSWER_MS:
            raise End(LATER, "timeout", "ntp")
        return read(sock.recv(48), nonce)
    except OSError as e:
        raise End(LATER, "connection_lost", "ntp errno=%s" % e.errno)
    finally:
        sock.close()


def read(packet, nonce):
    """Unix seconds that packet states. Raises End for one that cannot be believed."""
    if len(packet) < 48 or packet[0] & 7 != 4 or packet[0] >> 6 == 3:
        raise End(LATER, "bad_answer", "ntp mode")
    if packet[24:32] != nonce or not 0 < packet[1] < 16:
        raise End(LATER, "bad_answer", "ntp source")
    seconds = int.from_bytes(packet[40:44], "big")
    unix_s = seconds + (_ERA_S if seconds < 1 << 31 else 0) - _NTP_TO_UNIX_S
    if not seconds or unix_s < 0:
        raise End(LATER, "bad_answer", "ntp no time")
    return unix_s
