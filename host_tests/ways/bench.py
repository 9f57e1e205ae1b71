"""A virtual recorder with two ways to the cloud that are really two: each its own network.

    namespace of the recorder             namespace of the way        this process
      process ── wlan0 10.77.1.2 ══ wire ══ 10.77.1.1 gate ──────────── 127.0.0.1 cloud
             └── wwan0 10.77.2.2 ══ wire ══ 10.77.2.1 gate ──────────── the same

The wires lose, delay and limit packets; the kernels on both sides do the rest. Neither network
leads into the other. Where namespaces are not allowed, a way is a relay on a loopback address of
its own: limited in rate, without loss.
"""

import contextlib
import dataclasses
import pathlib
import socket
from collections.abc import Iterator

from host_tests.system.conftest import Bench, speech
from host_tests.ways import namespaces
from host_tests.ways.carriers import Gate, Wire
from host_tests.ways.namespaces import Namespace
from tools.cloud import Cloud
from tools.sim.board import VirtualBoard


@dataclasses.dataclass(frozen=True)
class Quality:
    rate_bits_s: int
    delay_ms: float
    loss_pct: float


WIFI = Quality(3_000_000, 5, 0.5)
CELLULAR = Quality(1_500_000, 40, 1.0)


class RealWay:
    """interface: its name at the recorder; number: of its network, 10.77.number.0/24."""

    def __init__(self, stack, home: Namespace, interface: str, number: int, ports, quality, seed):
        self._home = home
        self._interface = interface
        self.address = f"10.77.{number}.1"
        far = stack.enter_context(contextlib.closing(Namespace()))
        ours = home.run(namespaces.open_tun, interface, f"10.77.{number}.2")
        theirs = far.run(namespaces.open_tun, "tun0", self.address)
        self.wire = Wire((ours, theirs), *dataclasses.astuple(quality), seed)
        stack.callback(self.wire.close)
        stack.callback(Gate(far.run(_listeners, self.address, *ports)).close)

    def set_up(self, is_up: bool) -> None:
        """`ip link set … up` or `down` at the recorder's end."""
        self._home.run(namespaces.set_up, self._interface, is_up)

    def counted(self) -> tuple[int, int]:
        """(bytes received, sent) by the recorder over it, headers and repeats included."""
        return self._home.run(namespaces.counters, self._interface)

    def lost(self) -> int:
        return self.wire.lost + self.wire.refused


class RelayedWay:
    """The same over a relay: number: of its address, 127.77.number.1."""

    def __init__(self, stack, number: int, ports, quality):
        self.address = f"127.77.{number}.1"
        self._gate = Gate(_listeners(self.address, *ports), quality.rate_bits_s)
        stack.callback(self._gate.close)

    def set_up(self, is_up: bool) -> None:
        self._gate.set_up(is_up)

    def counted(self) -> tuple[int, int]:
        return self._gate.bytes_in, self._gate.bytes_out

    def lost(self) -> int:
        return 0


@dataclasses.dataclass
class TwoWays:
    """bench: as in host_tests/system; refusal: why there are no namespaces, None: there are."""

    bench: Bench
    wifi: RealWay | RelayedWay
    cellular: RealWay | RelayedWay
    refusal: str | None

    def start(self) -> None:
        self._at_home(self.bench.board.start)

    def hosts(self, way) -> dict[str, str]:
        return dict.fromkeys(self.bench.cloud.hosts, way.address)


@contextlib.contextmanager
def two_ways(
    folder: pathlib.Path, seconds: float, seed: int, refusal: str | None
) -> Iterator[TwoWays]:
    """The bench with so much speech to hear; everything ends with it. refusal: why it is made of
    relays, None: of namespaces (namespaces.why_not()).
    """
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud.start(folder / "cloud", rate_limits=False))
        bench = Bench(folder, cloud, "micropython", speech(seconds))
        ports = [int(o.rsplit(":", 1)[1]) for o in (cloud.api_origin, cloud.storage_origin)]
        ports = (ports, cloud.ntp_address[1])
        if refusal is None:
            home = stack.enter_context(contextlib.closing(Namespace()))
            bench.board.stop()  # the line to it, and its process, are at home there
            bench.board = home.run(VirtualBoard, folder / "board", "micropython")
            ways = (
                RealWay(stack, home, "wlan0", 1, ports, WIFI, seed),
                RealWay(stack, home, "wwan0", 2, ports, CELLULAR, seed + 1),
            )
        else:
            ways = (RelayedWay(stack, 1, ports, WIFI), RelayedWay(stack, 2, ports, CELLULAR))
        made = TwoWays(bench, *ways, refusal)
        made._at_home = home.run if refusal is None else lambda work: work()
        stack.callback(lambda: bench.board.stop())
        yield made


def _listeners(address: str, tcp_ports: list[int], udp_port: int) -> list[socket.socket]:
    clock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    clock.bind((address, udp_port))
    return [clock, *(socket.create_server((address, port)) for port in tcp_ports)]
