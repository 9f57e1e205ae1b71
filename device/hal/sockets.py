"""Sockets with verified TLS: what the net ports of all boards share. How a name becomes an address
is theirs. TLS 1.2 at most everywhere, as on the board.
"""

import asyncio
import errno
import select
import socket
import ssl

from device.compat import (
    IS_MICROPYTHON,
    WAIT_ERRORS,
    const,
    wait_for_ms,
    wait_readable,
    wait_writable,
    wake_waiters,
)
from device.errors import NeedsOperator, Transient

# Linux's EISCONN and newlib's; MicroPython's errno has no name for it (py/mperrno.h).
_CONNECTED = (0, 106, 127, getattr(errno, "EISCONN", 0))
_MEMORY_ERRNOS = (12, -32512, -17040)  # ENOMEM, MBEDTLS_ERR_SSL_ALLOC_FAILED, MPI alloc
_DATAGRAM_MS = const(2_000)
_ADDRESSES = const(3)  # of one name, tried one after the other
_TURN_MS = const(4_500)  # for each but the last: all within the client's limit for a connect
_PLAIN_TEXT_ERRNO = -29184  # MBEDTLS_ERR_SSL_INVALID_RECORD: the peer does not speak TLS

# What the two TLS libraries call the same fault; the first that fits wins.
_CERTIFICATE_TEXTS = (
    ("not correctly signed", "tls_untrusted"),
    ("self-signed", "tls_untrusted"),
    ("self signed", "tls_untrusted"),
    ("unable to get", "tls_untrusted"),
    ("expired", "tls_dates"),
    ("starts in the future", "tls_dates"),
    ("not yet valid", "tls_dates"),
    ("does not match", "tls_wrong_name"),
    ("mismatch", "tls_wrong_name"),
    ("not valid for", "tls_wrong_name"),
)


def tls_context(roots_der):
    """The one place where a TLS context is made: it verifies, or there is none.

    roots_der: trusted roots, each as DER. (MicroPython's takes one a call and keeps all of them:
    extmod/modtls_mbedtls.c, ssl_context_load_cadata.)
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    for root_der in roots_der:
        context.load_verify_locations(cadata=root_der)
    if not IS_MICROPYTHON:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def translate(e, during):
    """The DeviceError for what a socket or TLS raised."""
    if isinstance(e, MemoryError):
        return Transient("low_memory", during)
    text = str(e).strip()
    is_certificate = isinstance(e, ValueError) or "CERTIFICATE_VERIFY" in text
    if is_certificate:
        for part, code in _CERTIFICATE_TEXTS:
            if part in text:
                return NeedsOperator(code, during)
        return NeedsOperator("tls_untrusted", during)
    number = getattr(e, "errno", None)
    if number in _MEMORY_ERRNOS:
        return Transient("low_memory", during)
    if number == _PLAIN_TEXT_ERRNO or "WRONG_VERSION" in text or "record layer" in text:
        return Transient("portal", "no TLS " + during)
    code = "connect_failed" if during == "connect" else "connection_lost"
    return Transient(code, "%s errno=%s" % (during, number))


class Connection:
    """See the net port. sock is not blocking, wrapped in TLS where the origin asks for it; raw is
    what it wraps: there the unix port's poll(0) does not wait (for TLS it takes a millisecond:
    extmod/modselect.c, MICROPY_PY_SELECT_IOCTL_CALL_PERIOD_MS).
    """

    def __init__(self, sock, raw, forget):
        self._sock = sock
        self._forget = forget
        self._poll = select.poll()
        self._poll.register(raw, select.POLLIN)
        # TLS takes one record at a time from raw: more of it than was asked for may be held there.
        self._may_hold = False

    async def write(self, data):
        while data:
            try:
                # Without a coroutine of its own: most pieces are taken at once.
                n = _write_now(self._sock, data)
                if not n:
                    await _writing_again(self._sock, n)
                    continue
            except (OSError, ValueError, MemoryError) as e:
                raise translate(e, "write")
            data = data[n:] if n < len(data) else None

    async def readinto(self, out):
        try:
            n = await _read_some(self._sock, out)
        except (OSError, ValueError, MemoryError) as e:
            raise translate(e, "read")
        self._may_hold = n == len(out)
        return n

    def has_input(self):
        try:
            return bool(self._poll.poll(0)) or self._may_hold and _holds(self._sock)
        except (OSError, ValueError):
            return True  # closed: a read tells

    def close(self):
        sock, self._sock = self._sock, _CLOSED
        self._forget(self)
        try:
            wake_waiters(sock)
            sock.close()
        except OSError:
            pass


class _Closed:
    """Stands in for the socket of a closed connection: everything on it fails."""

    def __getattr__(self, name):
        raise OSError(errno.ECONNRESET)


_CLOSED = _Closed()

if IS_MICROPYTHON:

    def _write_now(sock, data):
        return sock.write(data)  # None, and 0 under TLS: not now

    def _writing_again(sock, n):
        return wait_writable(sock)

    def _holds(sock):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))

    async def _read_some(sock, out):
        while True:
            n = sock.readinto(out)
            if n is not None:
                return n
            await wait_readable(sock)

else:

    def _write_now(sock, data):
        try:
            return sock.send(data)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLWantWriteError, BlockingIOError):
            return 0

    def _writing_again(sock, n):
        return wait_readable(sock) if n is None else wait_writable(sock)

    def _holds(sock):
        return hasattr(sock, "pending") and bool(sock.pending())

    async def _read_some(sock, out):
        while True:
            try:
                return sock.recv_into(out)
            except (ssl.SSLWantReadError, BlockingIOError):
                await wait_readable(sock)
            except ssl.SSLWantWriteError:
                await wait_writable(sock)
            except ssl.SSLEOFError:
                return 0


def look_up(host, port, kind):
    """The first entries of getaddrinfo for host. Raises Transient(dns_failed)."""
    try:
        found = socket.getaddrinfo(host, port, 0, kind)
    except OSError as e:
        raise Transient("dns_failed", "errno=%s" % e.errno)
    if not found:
        raise Transient("dns_failed", "no address")
    return found[:_ADDRESSES]


def _socket(found):
    """A socket that does not block for an entry of getaddrinfo. Raises Transient."""
    try:
        sock = socket.socket(found[0], found[1], found[2])
    except OSError as e:
        raise translate(e, "connect")
    sock.setblocking(False)
    return sock


class Net:
    """The net port but for _find()."""

    def __init__(self, roots_der):
        self._context = tls_context(roots_der)
        self._open = []

    async def _find(self, host, port, kind):
        """Entries of getaddrinfo for host. Raises Transient(link_down, dns_failed)."""
        raise NotImplementedError

    async def open(self, host, port, is_tls):
        """See the net port."""
        found = await self._find(host, port, socket.SOCK_STREAM)
        sock = None
        while sock is None:
            entry = found.pop(0)
            try:
                raw = sock = await self._reach(entry, bool(found))
            except Transient as e:
                if not found or e.code == "low_memory":
                    raise
        try:
            if is_tls:
                sock = self._context.wrap_socket(
                    sock, server_hostname=host, do_handshake_on_connect=False
                )
                sock.setblocking(False)
        except (OSError, ValueError, MemoryError) as e:
            sock.close()
            raise translate(e, "connect")
        except BaseException:
            sock.close()  # cancelled by a time limit
            raise
        # CPython's TLS takes the socket over: raw is a shell then.
        connection = Connection(sock, raw if IS_MICROPYTHON else sock, self._forget)
        self._open.append(connection)
        return connection

    async def _reach(self, entry, has_next):
        """A socket that is connected to an entry of getaddrinfo. Raises Transient."""
        sock = _socket(entry)
        try:
            if has_next:
                await wait_for_ms(self._connect(sock, entry[-1]), _TURN_MS)
            else:
                await self._connect(sock, entry[-1])
        except (ValueError, MemoryError) + WAIT_ERRORS as e:
            sock.close()
            raise translate(e, "connect")
        except BaseException:
            sock.close()  # cancelled by a time limit
            raise
        return sock

    @staticmethod
    async def _connect(sock, address):
        try:
            sock.connect(address)
            return
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise
        await wait_writable(sock)
        # The second call tells how the first one ended (MicroPython has no getsockopt).
        try:
            sock.connect(address)
        except OSError as e:
            if e.errno not in _CONNECTED:
                raise

    async def exchange_datagram(self, host, port, data, size):
        """See the net port. Waits at most 2 s for the answer."""
        entry = (await self._find(host, port, socket.SOCK_DGRAM))[0]
        sock = _socket(entry)
        try:
            sock.connect(entry[-1])
            sock.send(data)
            await wait_for_ms(wait_readable(sock), _DATAGRAM_MS)
            return sock.recv(size)
        except asyncio.TimeoutError:
            raise Transient("timeout", "datagram")
        except OSError as e:
            raise translate(e, "datagram")
        finally:
            sock.close()

    def lend(self):
        """See the net port: what a technician's blocking probe needs."""
        return self._context, socket

    def drop_all(self):
        """The radio went off: nothing that was open answers any more."""
        for connection in list(self._open):
            connection.close()

    def _forget(self, connection):
        if connection in self._open:
            self._open.remove(connection)
