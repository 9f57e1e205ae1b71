"""HTTP/1.1 over verified TLS: one connection at a time, blocking for its caller, never unbounded.

While it waits, the watchdog is fed, and every wait has an end. Redirects are not followed; nothing
is sent that the caller did not give but Host, Content-Length and Connection.
"""

import gc
import json
import select
import socket
import ssl
import time

from rescue.ends import Later, Somebody

_CONNECT_MS = 15_000
_PROGRESS_MS = 30_000  # each piece, the first with the handshake
_ANSWER_MS = 60_000  # the whole answer
_SLICE_MS = 1_000
_READ_BYTES = 512
_PIECE_BYTES = 2048
_LINE_BYTES = 1024
_MOST_LINES = 64
_CONTENT_BYTES = 8192
_IDLE_MS = 30_000
_CONNECTED = (0, 106, 127)  # EISCONN of Linux and newlib
_IN_PROGRESS = (115, 119)  # EINPROGRESS of both
_KEPT = ("connection", "content-length", "content-type", "retry-after", "transfer-encoding")


class Answer:
    """status, headers (those that are read here, lower case), content (bytes)."""

    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.content = b""

    def json(self):
        """The body as an object, or None if it is anything else: then not the API speaks."""
        if "html" in self.headers.get("content-type", "").lower():
            return None
        try:
            found = json.loads(self.content)
        except (ValueError, RuntimeError):
            return None
        return found if isinstance(found, dict) else None


class Wire:
    """roots: trusted roots as DER; resolve(host, port): an address; feed(): the watchdog's."""

    def __init__(self, roots, resolve, feed):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.verify_mode = ssl.CERT_REQUIRED
        for root in roots:
            self._context.load_verify_locations(cadata=root)
        self._resolve = resolve
        self._feed = feed
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._piece = memoryview(bytearray(_PIECE_BYTES))
        self._sock = self._place = None
        self._poll = select.poll()
        self._used_ms = 0

    def request(self, method, url, headers, body=b"", source=None):
        """Send one request and return its Answer.

        source: in place of body, with length and read(mv) -> n; begin() is called before each
        pass. Raises Later, Somebody (certificates), and what source raises.
        """
        host, port, authority, target = split(url)
        while True:
            is_kept = self._sock is not None and self._place == (host, port)
            if is_kept and time.ticks_diff(time.ticks_ms(), self._used_ms) > _IDLE_MS:
                is_kept = False
            if not is_kept:
                self._open(host, port)
            try:
                answer = self._exchange(method, authority, target, headers, body, source)
                break
            except Later as e:
                self.close()
                # A kept connection that the server had closed: once more on a new one.
                if not is_kept or e.code != "connection_lost" or self._has_begun:
                    raise
            except BaseException:
                self.close()
                raise
        self._used_ms = time.ticks_ms()
        return answer

    def close(self):
        sock, self._sock = self._sock, None
        if sock is not None:
            self._poll.unregister(sock)
            sock.close()
            gc.collect()

    def _open(self, host, port):
        self.close()
        self._feed()
        address = self._resolve(host, port)
        gc.collect()
        sock = socket.socket()
        try:
            sock.setblocking(False)
            self._connect(sock, address)
            sock = self._context.wrap_socket(
                sock, server_hostname=host, do_handshake_on_connect=False
            )
            sock.setblocking(False)
        except (OSError, ValueError, MemoryError) as e:
            sock.close()
            raise fault(e, "connect")
        except Later:
            sock.close()
            raise
        self._poll.register(sock, select.POLLIN)
        self._sock, self._place = sock, (host, port)

    def _connect(self, sock, address):
        try:
            sock.connect(address)
            return
        except OSError as e:
            if e.errno not in _IN_PROGRESS:
                raise
        self._poll.register(sock, select.POLLOUT)
        try:
            self._wait(time.ticks_add(time.ticks_ms(), _CONNECT_MS), "connect")
        finally:
            self._poll.unregister(sock)
        try:
            sock.connect(address)  # the second call tells how the first one ended
        except OSError as e:
            if e.errno not in _CONNECTED:
                raise

    def _wait(self, deadline_ms, what):
        """Until the socket is ready. Raises Later(timeout) at the deadline."""
        while True:
            self._feed()
            left_ms = time.ticks_diff(deadline_ms, time.ticks_ms())
            if left_ms <= 0:
                raise Later("timeout", what)
            if self._poll.poll(min(left_ms, _SLICE_MS)):
                return

    def _exchange(self, method, authority, target, headers, body, source):
        self._low = self._high = 0
        self._has_begun = False
        try:
            lines = ["%s %s HTTP/1.1\r\nHost: %s" % (method, target, authority)]
            lines += ["%s: %s" % header for header in headers]
            length = source.length if source else len(body)
            lines.append("Content-Length: %d\r\n\r\n" % length)
            self._write("\r\n".join(lines).encode())
            del lines
            if source:
                self._stream(source)
            else:
                self._write(body)
        except Later as e:
            # The peer may have answered before all was sent (413): that says more.
            if e.code != "connection_lost" or not self._poll.poll(0):
                raise
        self._deadline_ms = time.ticks_add(time.ticks_ms(), _ANSWER_MS)
        answer = self._head()
        while answer.status < 200:
            answer = self._head()
        if not self._read_body(answer) or "close" in answer.headers.get("connection", "").lower():
            self.close()
        return answer

    def _stream(self, source):
        source.begin()
        left = source.length
        while left:
            n = source.read(self._piece[: min(left, _PIECE_BYTES)])
            self._write(self._piece[:n])
            left -= n

    def _write(self, data):
        offset = 0
        self._poll.modify(self._sock, select.POLLOUT)
        try:
            while offset < len(data):
                self._feed()
                n = self._sock.write(data[offset:] if offset else data)
                if n:
                    offset += n
                else:
                    self._wait(time.ticks_add(time.ticks_ms(), _PROGRESS_MS), "send")
        except (OSError, ValueError, MemoryError) as e:
            raise fault(e, "write")
        finally:
            self._poll.modify(self._sock, select.POLLIN)

    def _fill(self):
        """Read some bytes more; False at the end."""
        try:
            while True:
                n = self._sock.readinto(self._buffer)
                if n is not None:
                    break
                self._wait(self._deadline_ms, "answer")
        except (OSError, ValueError, MemoryError) as e:
            raise fault(e, "read")
        self._low, self._high = 0, n
        self._has_begun = self._has_begun or n > 0
        return n > 0

    def _line(self):
        line = b""
        while True:
            for i in range(self._low, self._high):
                if self._buffer[i] == 10:
                    line += bytes(self._buffer[self._low : i])
                    self._low = i + 1
                    return line[:-1] if line[-1:] == b"\r" else line
            line += bytes(self._buffer[self._low : self._high])
            if len(line) > _LINE_BYTES:
                raise Later("bad_answer", "line too long")
            if not self._fill():
                raise Later("connection_lost", "ended in the head")

    def _head(self):
        words = self._line().split(b" ", 2)
        if len(words) < 2 or words[0][:7] != b"HTTP/1." or len(words[1]) != 3:
            raise Later("bad_answer", "not HTTP")
        headers = {}
        for _ in range(_MOST_LINES):
            line = self._line()
            if not line:
                return Answer(number(words[1], 10), headers)
            name, _, value = line.partition(b":")
            try:
                name = name.decode().lower()
                if name in _KEPT:
                    if name in headers and name == "content-length":
                        raise Later("bad_answer", "two lengths")
                    headers[name] = value.decode().strip()
            except UnicodeError:
                raise Later("bad_answer", "header")
        raise Later("bad_answer", "too many headers")

    def _read_body(self, answer):
        """Fill answer.content; False if the connection cannot be used again."""
        coding = answer.headers.get("transfer-encoding")
        length = answer.headers.get("content-length")
        if answer.status in (204, 304):
            return True
        body = bytearray()
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise Later("bad_answer", "transfer-encoding")
            size = number(self._line().split(b";")[0].strip(), 16)
            while size:
                self._take(body, size)
                self._line()
                size = number(self._line().split(b";")[0].strip(), 16)
            while self._line():
                pass
        elif length is not None:
            self._take(body, number(length.encode(), 10))
        else:
            while self._low < self._high or self._fill():
                self._take(body, self._high - self._low)
        answer.content = bytes(body)
        return coding is not None or length is not None

    def _take(self, body, size):
        if len(body) + size > _CONTENT_BYTES:
            raise Later("bad_answer", "body too long")
        while size:
            if self._low == self._high and not self._fill():
                raise Later("connection_lost", "ended in the body")
            n = min(size, self._high - self._low)
            body.extend(self._buffer[self._low : self._low + n])
            self._low += n
            size -= n


def number(digits, base):
    """The number that digits (bytes) are: int() alone would also take "-1" and "1_0"."""
    if not 0 < len(digits) <= 8:
        raise Later("bad_answer", "a number")
    for byte in digits.lower():
        if byte not in b"0123456789abcdef"[:base]:
            raise Later("bad_answer", "a number")
    return int(digits, base)


def split(url):
    """(host, port, authority, target) of an https URL, of which no byte is changed."""
    for letter in url:
        if not "!" <= letter <= "~":
            raise Later("url_refused", "characters")
    if url[:8].lower() != "https://" or "#" in url:
        raise Later("url_refused", "not https")
    end = len(url)
    for mark in "/?":
        place = url.find(mark, 8)
        if 0 < place < end:
            end = place
    authority, target = url[8:end], url[end:]
    host, colon, digits = authority.partition(":")
    if not host or "@" in authority:
        raise Later("url_refused", "host")
    port = number(digits.encode(), 10) if colon else 443
    if port == 443:
        authority = host
    return host.lower(), port, authority, target if target[:1] == "/" else "/" + target


def fault(e, during):
    """The End for what a socket or TLS raised."""
    if isinstance(e, MemoryError) or getattr(e, "errno", 0) in (12, -32512, -17040):
        return Later("low_memory", during)
    text = str(e)
    if isinstance(e, ValueError) or "CERTIFICATE_VERIFY" in text:
        if "expired" in text or "future" in text:
            return Somebody("tls_dates", during)
        if "match" in text:
            return Somebody("tls_wrong_name", during)
        return Somebody("tls_untrusted", during)
    code = "connect_failed" if during == "connect" else "connection_lost"
    return Later(code, "%s errno=%s" % (during, getattr(e, "errno", None)))
