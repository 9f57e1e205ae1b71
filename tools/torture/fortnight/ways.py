"""What the recorder meets where it is: Wi-Fi, a scripted modem, a charger; and a wire that counts.

The count is what an operator would count: IP both ways. It knows nothing of the device's own.
"""

from device.hal.sim.modem import Modem as SimModem
from tools.torture import parts, wire

_SEGMENT_BYTES, _HEADERS_BYTES = 1400, 40  # TCP and IPv4
_RECORD_BYTES, _RECORD_EXTRA_BYTES = 4096, 29  # TLS 1.2, AES-GCM
# TCP's own opening and closing, and a TLS handshake with two certificates of 1.5 KB [assumed].
_OPENING_BYTES = 7 * _HEADERS_BYTES
_HANDSHAKE_BYTES = 5_000
_NAME_BYTES = 250  # a question for a name and its answer
_DATAGRAM_BYTES = 28  # UDP and IPv4


def tcp_bytes(payload: int) -> int:
    """What payload comes to on the wire, with every second segment acknowledged."""
    size = payload + -(-payload // _RECORD_BYTES) * _RECORD_EXTRA_BYTES
    segments = -(-size // _SEGMENT_BYTES)
    return size + segments * _HEADERS_BYTES + -(-segments // 2) * _HEADERS_BYTES


class Wifi(parts.Wifi):
    """In reach is the network of the place."""

    _name = None

    def connect(self, ssid, password):
        self._name = ssid
        place = self._world.here
        self._status = "joining" if place.wifi == ssid else "not_found"
        self._joined_ms = self._world.now_ms + 900
        self._world.sky.state["portal"] = place.has_portal

    def disconnect(self):
        super().disconnect()
        self._world.sky.state["portal"] = False

    def moved(self, place):
        if self._status in ("joining", "up") and place.wifi != self._name:
            self.drop()
            self._world.sky.state["portal"] = False


class Modem(SimModem):
    """A call ends where the network does."""

    def __init__(self, world):
        spec = {"family": "quectel", "latency_ms": 30, "is_on": False}
        super().__init__(spec | {"network": world.here.network}, world.net.drop_all)

    def moved(self, place):
        network = place.network
        if network != self.spec["network"] and self._data in ("joining", "up"):
            self._set_data("failed")
            self.modem.end_data()
        self.spec["network"] = network

    def board_stops(self, has_lost_power):
        """PPP is forgotten; the modem itself is reset by nothing but a loss of power."""
        self._data = "idle"
        if has_lost_power:
            self.modem.power(False)


class Battery(parts.Battery):
    def __init__(self, world):
        self._world = world

    def is_charging(self):
        return self._world.here.has_charger


class Board(parts.Board):
    def __init__(self, world, cause):
        super().__init__(world, cause)
        self.battery = Battery(world)
        self._world = world

    def open_modem(self):
        world = self._world
        if world.modem is None:
            world.modem = Modem(world)
        return world.modem


class Net(wire.Net):
    def connection(self, host, is_tls):
        return _Connection(self, self._world, host, is_tls)

    async def open(self, host, port, is_tls):
        self._world.crossed(_NAME_BYTES + _OPENING_BYTES)
        return await super().open(host, port, is_tls)

    async def exchange_datagram(self, host, port, data, size):
        self._world.crossed(_NAME_BYTES + 2 * (_DATAGRAM_BYTES + len(data)))
        return await super().exchange_datagram(host, port, data, size)

    def is_up(self):
        return self._world.way() is not None


class _Connection(wire.Connection):
    async def write(self, data):
        self._world.crossed(tcp_bytes(len(data)) + self._is_fresh * _HANDSHAKE_BYTES)
        await super().write(data)

    async def readinto(self, out):
        size = await super().readinto(out)
        self._world.crossed(tcp_bytes(size))
        return size
