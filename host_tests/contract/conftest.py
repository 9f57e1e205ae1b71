"""The boards whose ports are checked, and the servers they talk to. Another HAL: one more row."""

import contextlib
import datetime
import pathlib
import socket
import ssl
import sys
import threading
import types

import pytest
import trustme

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from device.hal import sockets  # noqa: E402
from device.hal.sim import flash, net, parts, secrets  # noqa: E402
from host_tests.hal import conftest as hal_conftest  # noqa: E402

chip = hal_conftest.chip  # the fixture


class SimHal:
    """Makes each port of hal/sim; what differs from board to board is only in here."""

    def storage(self, folder):
        return flash.FlashStorage(str(folder), 1024)

    def net(self, servers, is_up=lambda: True):
        return net.Net(servers.names, [servers.root_der], is_up)

    def secrets(self, folder):
        return secrets.Secrets(str(folder / "secrets.json"))

    def clock(self, is_set=False):
        return parts.ClockPort(is_set)

    def wifi(self, networks):
        return parts.Wifi(networks, join_ms=0)

    def modem(self, at_modem):
        from device.hal.sim.modem import Modem

        port = Modem(at_modem.spec)
        port.modem = at_modem
        return port

    def battery(self):
        return parts.Battery(80)

    def button(self):
        return parts.Button()

    def press(self, button):
        button.press()

    def indicator(self, shown):
        return parts.Indicator(lambda name, **values: shown.append(values["code"]))

    def watchdog(self, events):
        return parts.Watchdog(lambda name, **values: events.append((name, values)))

    def system(self):
        return parts.System("sim-0001", "power_on")

    def sleep(self, button):
        """Nobody calls: the loop's console would, which test_contract_console checks."""
        from device.hal.sim.sleep import Sleep

        return Sleep(lambda: None, lambda name, **values: None)


class Esp32Hal:
    """Makes each port of hal/esp32/ over a faked chip (host_tests/hal/fakes)."""

    def __init__(self, chip, monkeypatch):
        from device.hal.esp32 import boards

        self._chip, self._patch = chip, monkeypatch
        self._table = boards.BOARDS["esp32-s3-sd"]

    def storage(self, folder):
        """Its littlefs is a folder here; the unix port has the real one (hal/test_volumes)."""
        from device.hal.esp32.storage import FlashStorage

        volume = str(folder)
        self._chip.mounts[volume] = "what the firmware mounted"
        (folder / "rec").mkdir()

        def statvfs(path):
            assert path == volume
            sizes = [f.stat().st_size for f in folder.rglob("*") if f.is_file()]
            used = sum(-(-size // 4096) for size in sizes)
            return (4096, 4096, 256, 256 - used, 256 - used, 0, 0, 0, 0, 255)

        self._patch.setattr("os.statvfs", statvfs)
        return FlashStorage(volume, volume + "/rec")

    def net(self, servers, is_up=lambda: True):
        from device.errors import Transient
        from device.hal.esp32.net import Net

        look_up = sockets.look_up

        def name_server(host, port, kind):
            if host and host[0].isalpha():
                if host not in servers.names:
                    raise Transient("dns_failed", "errno=-202")
                host = servers.names[host]
            return [look_up(address, port, kind)[0] for address in host.split() or [host]]

        self._patch.setattr(sockets, "look_up", name_server)
        return Net([servers.root_der], is_up)

    def secrets(self, folder):
        from device.hal.esp32.secrets import Secrets

        return Secrets()

    def clock(self, is_set=False):
        from device.hal.esp32.system import Clock

        return Clock()

    def wifi(self, networks):
        from device.hal.esp32.wifi import Wifi

        self._chip.networks = networks
        return Wifi()

    def modem(self, at_modem):
        from device.hal.esp32.modem import Modem

        self._chip.modem = at_modem
        pins = {"modem_uart": 1, "modem_tx_pin": 17, "modem_rx_pin": 18, "modem_key_pin": 16}
        return Modem(dict(self._table, modem_supply_pin=15, **pins))

    def battery(self):
        from device.hal.esp32.battery import Battery

        self._chip.microvolts[self._table["battery_pin"]] = 1_900_000
        return Battery(self._table)

    def button(self):
        from device.hal.esp32.button import Button

        return Button(self._table)

    def press(self, button):
        for level in (0, 1):
            self._chip.run(100)
            self._chip.drive(self._table["button_pin"], level)
            self._chip.run(1)

    def indicator(self, shown):
        from device.hal.esp32.indicator import Indicator, NeoPixel

        return Indicator(NeoPixel(48, 4))

    def watchdog(self, events):
        from device.hal.esp32.system import Watchdog

        class Notes(list):
            def append(self, what):
                events.append(("fed", {}) if what == "fed" else ("watchdog", {"limit_ms": what}))

        self._chip.watchdog = Notes()
        return Watchdog()

    def system(self):
        from device.hal.esp32.system import System

        return System()

    def sleep(self, button):
        from device.hal.esp32.sleep import Sleep

        return Sleep(button, None, None)


HALS = {"sim": SimHal, "esp32": Esp32Hal}


@pytest.fixture(params=sorted(HALS))
def hal(request, monkeypatch):
    if request.param == "sim":
        return SimHal()
    return Esp32Hal(request.getfixturevalue("chip"), monkeypatch)


@pytest.fixture
def sim():
    """For what only the simulator's store has: a file."""
    return SimHal()


class Servers:
    """Every peer of checks.py on loopback: name -> port, certificates by an authority of its own.

    A TLS peer answers each line with itself, or with the number of bytes if there were many, and
    leaves after "bye". `heard` holds what each peer was told in clear text.
    """

    def __init__(self, folder):
        ca = trustme.CA()
        self.root_der = ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())
        (folder / "root.der").write_bytes(self.root_der)
        day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
        certificates = {
            "good": ca.issue_cert("good.example"),
            "wrong_host": ca.issue_cert("elsewhere.example"),
            "expired": ca.issue_cert(
                "expired.example", not_before=now - 9 * day, not_after=now - day
            ),
            "not_yet": ca.issue_cert(
                "not-yet.example", not_before=now + day, not_after=now + 9 * day
            ),
            "other_ca": trustme.CA().issue_cert("other-ca.example"),
        }
        self.ports, self.heard, self._listeners = {}, {}, []
        for name, certificate in certificates.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._serve(name, lambda peer, name, c=context: self._tls(peer, name, c))
        self._serve("plain", self._plain)
        self._serve("echo", self._lines)
        self._serve("stall", lambda peer, name: self._kept.append(peer))
        self._serve("breaks", lambda peer, name: peer.close())
        self._refused = socket.socket()  # bound, so that nobody else gets it, and not listening
        self._refused.bind(("127.0.0.1", 0))
        self.ports["refused"] = self._refused.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.ports["udp"] = self._udp.getsockname()[1]
        threading.Thread(target=self._datagrams, daemon=True).start()
        self.hosts = {name: name.replace("_", "-") + ".example" for name in self.ports}
        self.names = {host: "127.0.0.1" for host in self.hosts.values()}
        # At the first of its addresses nobody listens.
        self.hosts["moved"], self.ports["moved"] = "moved.example", self.ports["echo"]
        self.names["moved.example"] = "127.0.0.2 127.0.0.1"

    _kept = []

    def bench(self, folder):
        """What checks.py needs to know, as plain values."""
        return {
            "ports": self.ports,
            "hosts": self.hosts,
            "names": self.names,
            "root_der": str(folder / "root.der"),
            "folder": str(folder),
        }

    def _serve(self, name, handle):
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        self.ports[name] = listener.getsockname()[1]
        self.heard[name] = b""

        def accept():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(peer, name), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _tls(self, peer, name, context):
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as secured:
            self._lines(secured, name)

    def _lines(self, peer, name):
        with contextlib.suppress(OSError), peer:
            line = b""
            while data := peer.recv(65536):
                self.heard[name] += data
                line += data
                if line.endswith(b"\n"):
                    peer.sendall(line if len(line) < 64 else b"%d\n" % (len(line) - 1))
                    if line == b"bye\n":
                        if isinstance(peer, ssl.SSLSocket):
                            peer.unwrap()
                        return
                    line = b""

    def _plain(self, peer, name):
        with contextlib.suppress(OSError), peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            while data := peer.recv(65536):
                self.heard[name] += data

    def _datagrams(self):
        while True:
            try:
                data, address = self._udp.recvfrom(256)
            except OSError:
                return
            if data != b"silence":
                self._udp.sendto(data, address)

    def close(self):
        for listener in [*self._listeners, self._udp, self._refused]:
            listener.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    running = Servers(folder)
    yield types.SimpleNamespace(
        names=running.names,
        root_der=running.root_der,
        heard=running.heard,
        bench=running.bench(folder),
    )
    running.close()
