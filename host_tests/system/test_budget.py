"""Caps against what really crosses the wire: a relay on the loopback counts every byte of TCP."""

import contextlib
import socket
import threading

from device.link.budget import _STEP_BYTES

_RELAY_ADDRESS = "127.0.0.2"


class Relay:
    """Stands between the board and the simulated cloud's ports, and counts both ways."""

    def __init__(self, ports: list[int]):
        self.bytes = 0
        self._lock = threading.Lock()
        self._servers = []
        for port in ports:
            server = socket.create_server((_RELAY_ADDRESS, port))
            self._servers.append(server)
            threading.Thread(target=self._accept, args=(server, port), daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _accept(self, server: socket.socket, port: int) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            for source, target in ((client, far), (far, client)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.bytes += len(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def equip(made, relay_ports, **wifi):
    made.equip(wifi={"networks": ["bench"], **wifi})
    spec_hosts = {name: _RELAY_ADDRESS for name in made.cloud.hosts}
    spec_hosts["ntp.bota.test"] = "127.0.0.1"
    made.board._spec["hosts"] = spec_hosts
    return Relay(relay_ports)


def port_of(origin: str) -> int:
    return int(origin.rsplit(":", 1)[1])


def ports(made) -> list[int]:
    return [port_of(made.cloud.api_origin), port_of(made.cloud.storage_origin)]


def test_a_daily_cap_holds_to_the_byte_and_says_so(bench):
    made = bench("micropython", 90.0)  # three clips of about half a megabyte
    with contextlib.closing(equip(made, ports(made), daily_mb=1)) as relay:
        made.board.start()
        made.record_all()
        status = made.wait_status(lambda status: status["queue"]["code"] == "cap_day")
        assert 0 < relay.bytes <= 1_000_000
        queue = status["queue"]
        assert queue["delivered"] >= 1 and queue["waiting"] >= 1
        assert "next day" in queue["ends_when"] and 0 < queue["again_in_s"] <= 86400
        before = relay.bytes
        made.board.kill()  # what was spent stays spent
        made.board.start()
        status = made.wait_status(lambda status: status["queue"]["code"] == "cap_day")
        assert relay.bytes - before < _STEP_BYTES
        assert relay.bytes <= 1_000_000


def test_what_is_counted_is_what_crossed_the_wire(bench):
    made = bench("micropython", 60.0)
    with contextlib.closing(equip(made, ports(made), daily_mb=100)) as relay:
        made.board.start()
        made.record_all()
        status = made.wait_delivered()
        counted = 100_000_000 - status["budget"]["wifi"]["day_left_kb"] * 1024
        # Each segment of 1400 bytes has 40 of TCP and IP that a relay does not see.
        assert relay.bytes * 1.03 <= counted <= relay.bytes * 1.1, (relay.bytes, counted)
