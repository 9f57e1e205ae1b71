"""A server that takes uploads and forgets them: the other end of every client that is compared.

Plain threads on loopback, with TLS 1.2 at most as on the board, and HTTP as small as it can be: a
body has Content-Length, an answer has none. What went over the wire of a connection is read from
the kernel (TCP_INFO), so it is exact.
"""

import contextlib
import dataclasses
import pathlib
import socket
import ssl
import struct
import threading
import zlib

from tools.cloud.ca import Authority

HOST = "sink.bota.test"
_BUFFER_BYTES = 256 * 1024
_HEAD_LIMIT_BYTES = 16 * 1024
_OVER_S = 30
_IDLE_S = 300  # a client under callgrind thinks for long
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: %s\r\n\r\n"
_TCP_INFO_BYTES = 256
_TCP_INFO_COUNTS = 120  # linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received


@dataclasses.dataclass
class Visit:
    """One connection, once it is over."""

    requests: int = 0
    targets: list[str] = dataclasses.field(default_factory=list)  # what the requests asked for
    body_bytes: int = 0
    body_crc: int = 0  # of all bodies, one after the other
    wire_in_bytes: int = 0  # TCP payload: TLS and heads included, headers of IP and TCP not
    wire_out_bytes: int = 0


class Sink:
    """Use as a context. Listens twice: with TLS and without."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder)
        self.root_pem_path = folder / "ca.pem"
        self.root_der_path = folder / "ca.der"
        self.root_der_path.write_bytes(authority.der)
        self._context = authority.server_context(HOST)
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._visits: list[Visit] = []
        self._changed = threading.Condition()
        self._stack = contextlib.ExitStack()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> "Sink":
        self.ports = {scheme: self._listen(scheme) for scheme in ("http", "https")}
        return self

    def __exit__(self, *details) -> None:
        self._stack.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _listen(self, scheme: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        self._stack.callback(listener.close)
        self._stack.callback(_wake, listener)
        thread = threading.Thread(target=self._accept, args=(listener, scheme), daemon=True)
        thread.start()
        return listener.getsockname()[1]

    def _accept(self, listener: socket.socket, scheme: str) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(_IDLE_S)
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, scheme), daemon=True).start()

    def _serve(self, sock: socket.socket, scheme: str) -> None:
        visit = Visit()
        plain = sock
        try:
            if scheme == "https":
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.discard(plain)
                self._open.add(sock)
            _answer_all(sock, visit)
        except (OSError, ValueError):
            pass  # what was wrong is seen in the visit: fewer requests or bytes than were sent
        with contextlib.suppress(OSError):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            visit.wire_out_bytes, visit.wire_in_bytes = struct.unpack_from(
                "<QQ", info, _TCP_INFO_COUNTS
            )
        self._open.discard(sock)
        sock.close()
        with self._changed:
            self._visits.append(visit)
            self._changed.notify_all()

    def visit_of(self, target: str) -> Visit:
        """The connection on which target was asked for, once it is over; those before it are
        forgotten. Raises TimeoutError.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._find(target), _OVER_S):
                raise TimeoutError(f"no connection that asked for {target} is over")
            visit = self._find(target)
            self._visits.clear()
        return visit

    def _find(self, target: str) -> Visit | None:
        return next((visit for visit in self._visits if target in visit.targets), None)


def _answer_all(sock: socket.socket, visit: Visit) -> None:
    buffer = bytearray(_BUFFER_BYTES)
    view = memoryview(buffer)
    high = 0
    while True:
        end = buffer.find(b"\r\n\r\n", 0, high)
        while end < 0:
            if high > _HEAD_LIMIT_BYTES:
                raise ValueError("no end of the head")
            n = sock.recv_into(view[high:])
            if not n:
                return
            high += n
            end = buffer.find(b"\r\n\r\n", 0, high)
        target, length, keeps = _head(bytes(buffer[:end]))
        visit.targets.append(target)
        begun = high - end - 4
        visit.body_crc = zlib.crc32(view[end + 4 : high], visit.body_crc)
        left = length - begun
        while left > 0:
            n = sock.recv_into(view)
            if not n:
                return
            visit.body_crc = zlib.crc32(view[:n], visit.body_crc)
            left -= n
        visit.requests += 1
        visit.body_bytes += length
        sock.sendall(_ANSWER % (b"keep-alive" if keeps else b"close"))
        if not keeps:
            return
        high = 0


def _head(head: bytes) -> tuple[str, int, bool]:
    """(target, Content-Length, whether the connection stays). Raises ValueError."""
    first, *lines = head.split(b"\r\n")
    _, target, _ = first.decode("latin-1").split(" ")
    length, keeps = 0, not first.endswith(b"HTTP/1.0")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            raise ValueError("a body without its length")
        elif name.lower() == b"connection" and value.strip().lower() == b"close":
            keeps = False
    return target, length, keeps


def _wake(listener: socket.socket) -> None:
    """accept() in another thread ends by a shutdown, not by close()."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
