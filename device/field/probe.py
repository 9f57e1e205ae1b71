"""One-shot HTTPS requests with micropython-lib's `requests`, behind a guard: a second opinion that
shares no line with the uploader's client.

`requests` (frozen as 0.10.2 up to firmware 1.28, 1.1.1 after it) accepts any certificate, follows
redirects with the credential, and reads without bound. It gets its sockets and its TLS from two
modules; the guard stands in for both, so nothing of that can happen, whatever its version does:

    socket    one socket a request, to the one place the URL names: a redirect finds none
              no byte is written before the peer was verified
              each byte read is counted, and none comes after the time limit
    tls       the one context that wraps is the board's own, which verifies
    after     the socket is closed, however the request ended; a body that is cut off is a fault
"""

import gc
import sys

from device.compat import const, ticks_add, ticks_diff, ticks_ms
from device.errors import DeviceError, NeedsOperator, Transient

_LIMIT_MS = const(20_000)
_STEP_S = const(8)  # one socket operation
_MAX_BYTES = const(8192)  # head and body
_LENGTH = b"content-length:"


class Refused(OSError):
    """`requests` lets an OSError through; `code` is a key of reasons.LANE."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class _Socket:
    """The one socket of a request, raw until it is wrapped."""

    def __init__(self, sock, end_ticks_ms):
        self._raw = self._io = sock
        self._end_ticks_ms = end_ticks_ms
        self._left = _MAX_BYTES
        self._byte = bytearray(1)
        self.length = None  # what the answer's head says of its body
        self.is_verified = False

    def settimeout(self, _):
        self._raw.settimeout(_STEP_S)

    def connect(self, address):
        self._raw.connect(address)

    def verify(self, context, host):
        try:
            self._io = context.wrap_socket(self._raw, server_hostname=host)
        except ValueError as e:  # the certificate was refused (mbedTLS)
            raise Refused(_certificate_code(str(e)))
        self.is_verified = True

    def write(self, data):
        if not self.is_verified:
            raise Refused("tls_untrusted")
        self._in_time()
        view = memoryview(data.encode() if isinstance(data, str) else data)
        while len(view):
            n = self._io.write(view)
            if not n:
                raise OSError(110)
            view = view[n:]

    def readline(self):
        line = b""
        while line[-1:] != b"\n":
            piece = self._next()
            if not piece:
                break
            line += piece
        if line[: len(_LENGTH)].lower() == _LENGTH:
            digits = line[len(_LENGTH) :].strip()
            self.length = int(digits) if digits.isdigit() and len(digits) < 6 else _MAX_BYTES
        return line

    def read(self, size=-1):
        """So many bytes, or the body to its stated length or to the end."""
        if size < 0:
            size = _MAX_BYTES if self.length is None else self.length
        data = bytearray()
        while len(data) < size:
            piece = self._next()
            if not piece:
                break
            data += piece
        return bytes(data)

    def readinto(self, buf):
        """What 1.1.1 reads a body with: all of buf, or less at the end."""
        data = self.read(len(buf))
        buf[: len(data)] = data
        return len(data)

    def _next(self):
        self._in_time()
        if not self._left:
            raise Refused("bad_answer")
        self._left -= 1
        n = self._io.readinto(self._byte)
        if n is None:
            raise OSError(110)
        return bytes(self._byte) if n else b""

    def _in_time(self):
        if ticks_diff(self._end_ticks_ms, ticks_ms()) < 0:
            raise OSError(110)

    def close(self):
        for stream in (self._io, self._raw):
            try:
                stream.close()
            except OSError:
                pass


class _Sockets:
    """Stands in for the module `socket` inside requests."""

    SOCK_STREAM = 1

    def __init__(self, sockets, place, end_ticks_ms):
        self._sockets = sockets
        self._place = place
        self._end_ticks_ms = end_ticks_ms
        self.used = None

    def getaddrinfo(self, host, port, *kind):
        if self._place != (host, port):
            raise Refused("portal")  # a redirect to somewhere else
        return self._sockets.getaddrinfo(host, port, *kind)

    def socket(self, *kind):
        if self.used is not None:
            raise Refused("portal")  # a redirect to the same place
        self.used = _Socket(self._sockets.socket(*kind), self._end_ticks_ms)
        return self.used


class _Tls:
    """Stands in for the module `tls`, which requests imports for each request."""

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return 0  # constants; requests asks for "no verification", and nobody looks

    def SSLContext(self, _protocol):  # noqa: N802  the name that requests calls
        return self

    def wrap_socket(self, sock, server_hostname=None):
        sock.verify(self._context, server_hostname)
        return sock


def fetch(net, method, url, headers=None, body=b""):
    """(status, body bytes) of one guarded request. net: the board's port. body: bytes.

    Raises Transient or NeedsOperator, as the uploader's own client would. Blocks up to 20 s.
    """
    import requests

    scheme, _, host, path = (url + "/").split("/", 3)
    name, _, port = host.partition(":")
    if scheme != "https:" or not name:
        raise NeedsOperator("config_refused", "https only")
    sent = {"Host": host, "Content-Length": str(len(body)), "Connection": "close"}
    sent.update(headers or {})
    for key in sent:
        if "\r" in sent[key] or "\n" in sent[key]:
            raise NeedsOperator("config_refused", "header " + key)
    context, sockets = net.lend()
    guard = _Sockets(sockets, (name, int(port or 443)), ticks_add(ticks_ms(), _LIMIT_MS))
    kept_tls, kept_socket = sys.modules.get("tls"), requests.socket
    sys.modules["tls"], requests.socket = _Tls(context), guard
    try:
        response = requests.request(method, url, data=body, headers=sent, timeout=_STEP_S)
        content = response.content
        if guard.used.length not in (None, len(content)):
            raise Transient("connection_lost", "probe: cut off")
        if response.status_code < 200 or 300 <= response.status_code < 400:
            raise Transient("portal", "probe: status=%d" % response.status_code)
        return response.status_code, content
    except Refused as e:
        kind = NeedsOperator if e.code.startswith("tls") else Transient
        raise kind(e.code, "probe")
    except OSError as e:
        raise _fault(e, guard.used)
    except (ValueError, IndexError, NotImplementedError, AttributeError) as e:
        raise Transient("bad_answer", "probe: " + type(e).__name__)
    finally:
        if guard.used:
            guard.used.close()
        requests.socket = kept_socket
        if kept_tls is None:
            del sys.modules["tls"]
        else:
            sys.modules["tls"] = kept_tls
        gc.collect()


def _fault(e, used):
    if isinstance(e, DeviceError):
        return e
    if used is None:
        return Transient("dns_failed", "probe errno=%s" % e.errno)
    code = "timeout" if e.errno == 110 else "connection_lost" if used.is_verified else None
    return Transient(code or "connect_failed", "probe errno=%s" % e.errno)


def _certificate_code(text):
    if "expired" in text or "future" in text:
        return "tls_dates"
    return "tls_wrong_name" if "match" in text else "tls_untrusted"
