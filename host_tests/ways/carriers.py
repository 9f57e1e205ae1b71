"""What carries bytes between a virtual recorder and the cloud: packets over a bad wire, or, where
no namespaces are allowed, streams over a relay on loopback.
"""

import contextlib
import heapq
import itertools
import os
import random
import select
import socket
import threading
import time

_PACKET_BYTES = 2048  # above the MTU of a TUN device
_QUEUE_S = 0.25  # what waits longer for its turn is dropped, as a modem does
_STREAM_BYTES = 16 * 1024


class Wire:
    """Carries IP packets between two TUN devices: so fast, so late, some of them never.

    ends: their descriptors, owned by the wire from now on. Loss follows the seed and the packets'
    order.
    """

    def __init__(self, ends, rate_bits_s: int, delay_ms: float, loss_pct: float, seed: int):
        self._ends = ends
        self._rate_bits_s = rate_bits_s
        self._delay_s = delay_ms / 1000
        self._loss = loss_pct / 100
        self._random = random.Random(seed)
        self._free_s = [0.0, 0.0]  # when each direction has sent what it has
        self._due: list = []
        self._order = itertools.count()
        self.carried = self.lost = self.refused = 0
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            left_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            ready, _, _ = select.select([*self._ends, self._stopped], [], [], left_s)
            if self._stopped in ready:
                return
            for direction, end in enumerate(self._ends):
                if end in ready:
                    self._take(direction, end)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, direction, packet = heapq.heappop(self._due)
                with contextlib.suppress(OSError):  # its interface is down
                    os.write(self._ends[1 - direction], packet)

    def _take(self, direction: int, end: int) -> None:
        with contextlib.suppress(OSError):  # BlockingIOError: that was all
            while True:
                packet = os.read(end, _PACKET_BYTES)
                now_s = time.monotonic()
                begins_s = max(now_s, self._free_s[direction])
                if self._random.random() < self._loss:
                    self.lost += 1
                elif begins_s - now_s > _QUEUE_S:
                    self.refused += 1
                else:
                    self.carried += 1
                    ends_s = begins_s + 8 * len(packet) / self._rate_bits_s
                    self._free_s[direction] = ends_s
                    due = (ends_s + self._delay_s, next(self._order), direction, packet)
                    heapq.heappush(self._due, due)

    def close(self) -> None:
        os.write(self._stop, b".")
        self._thread.join()
        for descriptor in (*self._ends, self._stopped, self._stop):
            os.close(descriptor)


class Gate:
    """Carries what arrives at listeners to the cloud on this machine's loopback.

    listeners: bound sockets whose port is that of the cloud: listening for TCP, or of UDP (the
    clock server). rate_bits_s: what the clients of all of them may send in all; None: no limit.
    """

    def __init__(self, listeners: list[socket.socket], rate_bits_s: int | None = None):
        self._listeners = listeners
        self._rate_bits_s = rate_bits_s
        self._lock = threading.Lock()
        self._free_s = 0.0
        self._is_up = True
        self.bytes_in = self.bytes_out = 0  # from the cloud, to the cloud
        self._open: list[socket.socket] = []
        for listener in listeners:
            is_tcp = listener.type == socket.SOCK_STREAM
            work = self._accept if is_tcp else self._pass_datagrams
            threading.Thread(target=work, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                self._open += (client, server)
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_out: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_STREAM_BYTES):
                if is_out:
                    self._wait_for_turn(len(data))
                while not self._passes(len(data), is_out):
                    time.sleep(0.02)
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def set_up(self, is_up: bool) -> None:
        """While it is down nothing passes, and nobody is told."""
        with self._lock:
            self._is_up = is_up

    def _passes(self, size: int, is_out: bool) -> bool:
        with self._lock:
            if self._is_up and is_out:
                self.bytes_out += size
            elif self._is_up:
                self.bytes_in += size
            return self._is_up

    def _wait_for_turn(self, size: int) -> None:
        if self._rate_bits_s is None:
            return
        with self._lock:
            now_s = time.monotonic()
            self._free_s = max(now_s, self._free_s) + 8 * size / self._rate_bits_s
            wait_s = self._free_s - now_s
        time.sleep(wait_s)

    def _pass_datagrams(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        with contextlib.suppress(OSError):
            while True:
                data, peer = listener.recvfrom(_PACKET_BYTES)
                if not self._passes(len(data), True):
                    continue
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                    server.settimeout(1.0)
                    server.sendto(data, ("127.0.0.1", port))
                    with contextlib.suppress(TimeoutError):
                        listener.sendto(server.recv(_PACKET_BYTES), peer)

    def close(self) -> None:
        self.set_up(True)
        for sock in (*self._listeners, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
