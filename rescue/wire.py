"""One HTTP request over verified TLS, blocking for its caller, never without an end.

Each request has a connection of its own and says "Connection: close": a handshake more costs a
second, a pool of connections costs memory and code. Redirects are not followed; nothing is sent
that the caller did not give but Host, Content-Length and Connection.
"""

import gc
import select
import socket
import ssl
import time

from rescue import const
from rescue.ends import LATER, SOMEBODY, End

_CONNECT_MS = const(15_000)
_PROGRESS_MS = const(30_000)  # each piece, the first with the handshake
_ANSWER_MS = const(60_000)  # the whole answer
_SLICE_MS = const(1_000)
_UNTOLD_BYTES = const(2048)  # where only the end of the connection tells
_MOST_BYTES = const(8192)  # of an answer
_KEPT = ("content-length", "content-type", "retry-after", "transfer-encoding")
_LATE_CODES = (12, -32512, -17040)  # ENOMEM, MBEDTLS_ERR_SSL_ALLOC_FAILED, MPI alloc
_CONNECTED = (0, 106, 127)  # EISCONN of Linux and newlib
_PEER_CLOSED = (32, 104)  # EPIPE, ECONNRESET
_IN_PROGRESS = (115, 119)  # EINPROGRESS of both


class Wire:
    """roots: trusted roots as DER; resolve(host, port): an address; breathe(): called in every
    wait; piece: a lent buffer.
    """

    def __init__(self, roots, resolve, breathe, piece):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.verify_mode = ssl.CERT_REQUIRED
        for root in roots:
            self._context.load_verify_locations(cadata=root)
        self._resolve = resolve
        self._breathe = breathe
        self._piece = piece

    def request(self, head, url, body):
        """Send one request; returns (status, headers of the answer that are read here, its body).

        head: method and headers as [method, "name: value", …]; body: bytes, or a source with
        length, begin() and read(mv) -> n. Raises End, and what the source raises.
        """
        source = body if hasattr(body, "begin") else None
        host, port, authority, target = split(url)
        head.append("Connection: close")
        head.append("Content-Length: %d\r\n" % (source.length if source else len(body)))
        during = "connect"
        address = self._resolve(host, port)
        sock = socket.socket()
        try:
            sock.setblocking(False)
            try:
                sock.connect(address)
            except OSError as e:
                if e.errno not in _IN_PROGRESS:
                    raise
                self._wait(sock, select.POLLOUT, _CONNECT_MS, during)
                try:
                    sock.connect(address)  # the second call tells how the first one ended
                except OSError as e:
                    if e.errno not in _CONNECTED:
                        raise
            gc.collect()
            sock = self._context.wrap_socket(
                sock, server_hostname=host, do_handshake_on_connect=False
            )
            sock.setblocking(False)
            during = "send"
            # Line by line: a pre-signed target in one text with the rest takes 3 KB in one place.
            self._write(sock, head[0] + " " + target + " HTTP/1.1\r\nHost: " + authority + "\r\n")
            for line in head[1:]:
                self._write(sock, line + "\r\n")
            early = self._stream(sock, source) if source else self._write(sock, body)
            during = "read"
            answer = self._read(sock)
            if early and answer[0] < 300:
                raise End(LATER, "bad_answer", "too early")
            return answer
        except (OSError, ValueError, MemoryError) as e:
            raise fault(e, during)
        finally:
            sock.close()

    def _wait(self, sock, event, limit_ms, what):
        """Until sock is ready. Raises End(LATER, "timeout")."""
        poll = select.poll()
        poll.register(sock, event)
        began = time.ticks_ms()
        while not poll.poll(_SLICE_MS):
            self._breathe()
            if time.ticks_diff(time.ticks_ms(), began) > limit_ms:
                raise End(LATER, "timeout", what)
        self._breathe()

    def _write(self, sock, data):
        offset = 0
        while offset < len(data):
            n = sock.write(data[offset:] if offset else data)
            if n:
                offset += n
            else:
                self._wait(sock, select.POLLOUT, _PROGRESS_MS, "send")

    def _stream(self, sock, source):
        """Send source; True if the peer closed before its end: it may have answered."""
        source.begin()
        left = source.length
        while left:
            n = source.read(self._piece[: min(left, len(self._piece))])
            left -= n
            self._breathe()
            try:
                self._write(sock, self._piece[:n])
            except OSError as e:
                if e.errno not in _PEER_CLOSED:
                    raise
                return True

    def _line(self, sock):
        """One line of the head or of chunks, as text. Raises End."""
        self._breathe()  # where lines come in a flood nothing else is waited for
        if time.ticks_diff(time.ticks_ms(), self._began) > _ANSWER_MS:
            raise End(LATER, "timeout", "answer")
        for i in range(len(self._piece)):
            if not self._some(sock, self._piece[i : i + 1]):
                raise End(LATER, "connection_lost", "head")
            if self._piece[i] == 10:
                try:
                    return bytes(self._piece[:i]).decode().strip()
                except UnicodeError:
                    raise End(LATER, "bad_answer", "head")
        raise End(LATER, "bad_answer", "line")

    def _some(self, sock, out):
        """Read into out; how many bytes, 0 at the end. Raises End when the answer is late."""
        while True:
            n = sock.readinto(out)
            if n is not None:
                return n
            left_ms = _ANSWER_MS - time.ticks_diff(time.ticks_ms(), self._began)
            self._wait(sock, select.POLLIN, left_ms, "answer")

    def _read(self, sock):
        """(status, headers that are read here, body) of the final answer."""
        self._began = time.ticks_ms()
        status = 100
        while status < 200:
            words = self._line(sock).split(" ", 2)
            if words[0][:7] != "HTTP/1." or len(words) < 2 or len(words[1]) != 3:
                raise End(LATER, "bad_answer", "not HTTP")
            status = number(words[1], 10)
            headers = {}
            line = self._line(sock)
            while line:
                name, _, value = line.partition(":")
                name = name.lower()
                if name in headers:
                    raise End(LATER, "bad_answer", "two of " + name)
                if name in _KEPT:
                    headers[name] = value.strip()
                line = self._line(sock)
        length = headers.get("content-length")
        is_chunked = "transfer-encoding" in headers
        body = b""
        while status not in (204, 304):
            size = _UNTOLD_BYTES
            if is_chunked:
                size = number(self._line(sock).split(";")[0].strip(), 16)
            elif length is not None:
                size = number(length, 10)
            if len(body) + size > _MOST_BYTES:
                raise End(LATER, "bad_answer", "too long")
            part = bytearray(size)  # in one place from the start
            at = n = 0
            while at < size:
                n = self._some(sock, memoryview(part)[at:])
                if not n:
                    break
                at += n
            if is_chunked and size and at == size:
                body = body + part if body else part
                self._line(sock)
            elif at == size or not is_chunked and length is None:
                return status, headers, body if is_chunked else part[:at] if at < size else part
            else:
                raise End(LATER, "connection_lost", "body")
        return status, headers, body


def number(digits, base):
    """The number that digits are: int() alone would also take "-1" and "1_0"."""
    for letter in digits.lower():
        if letter not in "0123456789abcdef"[:base]:
            digits = ""
    if not 0 < len(digits) <= 8:
        raise End(LATER, "bad_answer", "a number")
    return int(digits, base)


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
    port = number(port, 10) if colon else 443
    if port == 443:
        authority = host
    return host.lower(), port, authority, target if target[:1] == "/" else "/" + target


def fault(e, during):
    """The End for what a socket or TLS raised."""
    errno = getattr(e, "errno", None)
    if isinstance(e, MemoryError) or errno in _LATE_CODES:
        return End(LATER, "low_memory", during)
    if isinstance(e, ValueError):  # what the library says of a certificate
        text = str(e)
        code = "tls_untrusted"
        if "expired" in text or "future" in text:
            code = "tls_dates"
        elif "match" in text:
            code = "tls_wrong_name"
        return End(SOMEBODY, code, during)
    code = "connect_failed" if during == "connect" else "connection_lost"
    return End(LATER, code, "%s errno=%s" % (during, errno))
