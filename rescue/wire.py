"""One HTTP request over verified TLS, blocking for its caller, never without an end.

Each request has a connection of its own and says "Connection: close": a handshake more costs a
second, a pool of connections costs memory and code. Redirects are not followed; nothing is sent
that the caller did not give but Host, Content-Length and Connection.

The two halves, sending.py and answer.py, are in memory one after the other, and not at all while
nothing is asked.
"""

import gc
import select
import ssl
import time

from rescue import const, forget
from rescue.ends import LATER, SOMEBODY, End

_SLICE_MS = const(1_000)
_LATE_CODES = (12, -32512, -17040)  # ENOMEM, MBEDTLS_ERR_SSL_ALLOC_FAILED, MPI alloc


class Wire:
    """roots: trusted roots as DER; resolve(host, port): an address; breathe(): called in every
    wait; piece: a lent buffer. sock: of the request that runs; during: its step, for fault().
    """

    def __init__(self, roots, resolve, breathe, piece):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.verify_mode = ssl.CERT_REQUIRED
        for root in roots:
            self.context.load_verify_locations(cadata=root)
        self.resolve = resolve
        self.breathe = breathe
        self.piece = piece
        self.sock = None
        self.during = ""

    def request(self, head, url, body):
        """Send one request; returns (status, headers of the answer that are read here, its body).

        head: method and headers as [method, "name: value", …]; body: bytes, or a source with
        length, begin() and read(mv) -> n. Raises End, and what the source raises.
        """
        self.during = "connect"
        try:
            early = self._half("sending", head, url, body)
            self.during = "read"
            answer = self._half("answer")
            if early and answer[0] < 300:
                raise End(LATER, "bad_answer", "too early")
            return answer
        except (OSError, ValueError, MemoryError) as e:
            raise fault(e, self.during)
        finally:
            if self.sock is not None:
                self.sock.close()
                self.sock = None

    def _half(self, name, *words):
        gc.collect()
        try:
            return __import__("rescue." + name, None, None, ("run",)).run(self, *words)
        finally:
            forget(name)

    def wait(self, event, limit_ms, what):
        """Until the socket is ready. Raises End(LATER, "timeout")."""
        poll = select.poll()
        poll.register(self.sock, event)
        began = time.ticks_ms()
        while not poll.poll(_SLICE_MS):
            self.breathe()
            if time.ticks_diff(time.ticks_ms(), began) > limit_ms:
                raise End(LATER, "timeout", what)
        self.breathe()


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
