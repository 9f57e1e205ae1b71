"""The first half of a request (wire.py): connect, TLS, head and body."""

import gc
import select
import socket

from rescue import const
from rescue.ends import LATER, End

_CONNECT_MS = const(15_000)
_PROGRESS_MS = const(30_000)  # each piece, the first with the handshake
_CONNECTED = (0, 106, 127)  # EISCONN of Linux and newlib
_PEER_CLOSED = (32, 104)  # EPIPE, ECONNRESET
_IN_PROGRESS = (115, 119)  # EINPROGRESS of both


def run(wire, head, url, body):
    """Send it over wire.sock, which is made; True if the peer closed before the end of the body:
    it may have answered. Raises End, OSError, ValueError, and what the source raises.
    """
    source = body if hasattr(body, "begin") else None
    host, port, authority, target = split(url)
    head.append("Connection: close")
    head.append("Content-Length: %d\r\n" % (source.length if source else len(body)))
    address = wire.resolve(host, port)
    wire.sock = sock = socket.socket()
    sock.setblocking(False)
    try:
        sock.connect(address)
    except OSError as e:
        if e.errno not in _IN_PROGRESS:
            raise
        wire.wait(select.POLLOUT, _CONNECT_MS, "connect")
        try:
            sock.connect(address)  # the second call tells how the first one ended
        except OSError as e:
            if e.errno not in _CONNECTED:
                raise
    gc.collect()
    wire.sock = sock = wire.context.wrap_socket(
        sock, server_hostname=host, do_handshake_on_connect=False
    )
    sock.setblocking(False)
    wire.during = "send"
    # Piece by piece: a pre-signed target in one text with the rest takes 3 KB in one place.
    for text in (head[0] + " ", target, " HTTP/1.1\r\nHost: " + authority + "\r\n"):
        _write(wire, text)
    for line in head[1:]:
        _write(wire, line + "\r\n")
    return _stream(wire, source) if source else _write(wire, body)


def _write(wire, data):
    offset = 0
    while offset < len(data):
        n = wire.sock.write(data[offset:] if offset else data)
        if n:
            offset += n
        else:
            wire.wait(select.POLLOUT, _PROGRESS_MS, "send")


def _stream(wire, source):
    """Send source; True if the peer closed before its end."""
    source.begin()
    left = source.length
    while left:
        n = source.read(wire.piece[: min(left, len(wire.piece))])
        left -= n
        wire.breathe()
        try:
            _write(wire, wire.piece[:n])
        except OSError as e:
            if e.errno not in _PEER_CLOSED:
                raise
            return True


def split(url):
    """(host, port, authority, target) of an https URL, of which no byte is changed."""
    for letter in url:
        if not "!" <= letter <= "~" or letter == "#":
            raise End(LATER, "url_refused", "characters")
    scheme, _, rest = url.partition("://")
    authority, _, _ = rest.partition("/")
    authority, _, _ = authority.partition("?")
    target = rest[len(authority) :]
    host, colon, port = authority.partition(":")
    if scheme.lower() != "https" or not host or "@" in authority:
        raise End(LATER, "url_refused", "https only")
    if colon and not (port.isdigit() and len(port) < 6):
        raise End(LATER, "url_refused", "port")
    port = int(port) if colon else 443
    if port == 443:
        authority = host
    return host.lower(), port, authority, target if target[:1] == "/" else "/" + target
