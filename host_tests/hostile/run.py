"""One recorder under one row of the hostile world: every act on one route, one after the other.

The recorder is the real one, on the unix port, over TLS, with shorter time limits (compiled anew:
they are constants of the product). One clip waits and is tried until the acts are over; each act
must be followed by the reason that the table says, then the clip arrives, once, with proof.
"""

import contextlib
import dataclasses
import pathlib
import re
import shutil
import socket
import threading
import time

from host_tests.conftest import ROOT
from host_tests.hostile.world import TRAP, Act, acts
from host_tests.system.conftest import Bench, speech
from tools.cloud import Cloud
from tools.sim.build import HOST_ARCH, build, compile_module

# What the recorder's own limits are in this run; seconds instead of half minutes.
LIMITS = {
    "device/http/client.py": (
        ("_HANDSHAKE_MS = const(30_000)", "_HANDSHAKE_MS = const(4_000)"),
        ("_PROGRESS_MS = const(30_000)", "_PROGRESS_MS = const(2_000)"),
        ("_ANSWER_MS = const(60_000)", "_ANSWER_MS = const(4_000)"),
    ),
    "device/supervisor/heartbeat.py": (("_CHECK_MS = const(5_000)", "_CHECK_MS = const(200)"),),
}
_WAITS = re.compile(r"lane waits (?:clip=\d+|for somebody) reason=(\w+)")
_BEATS = re.compile(r"heartbeat (?:failed|refused) (\w+)")
_AGAIN = re.compile(r"the line before came (\d+) times more")
_NOISE = ("low_memory", "short of memory", "task failed", "Traceback", "MemoryError")


@dataclasses.dataclass
class Outcome:
    """What came of one route. faults: sentences, empty if all is as it must be."""

    route: str
    acts: int
    requests: int
    recordings: int
    seconds: float
    faults: list[str]


def hasty(folder: pathlib.Path) -> pathlib.Path:
    """The product as it is built, but for LIMITS; in folder."""
    code = folder / "code"
    shutil.copytree(build(ROOT / "build" / "device"), code)
    for name, changes in LIMITS.items():
        text = (ROOT / name).read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise AssertionError(f"{name} has no line {old}")
            text = text.replace(old, new)
        source = folder / "source.py"
        source.write_text(text)
        compile_module(source, (code / name).with_suffix(".mpy"), name, HOST_ARCH)
    return code


class Trap:
    """The host that redirects point to. Whoever connects is counted."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.caught = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return
            self.caught += 1

    def close(self):
        self._listener.close()


@dataclasses.dataclass
class World:
    """The hasty product and a trap: made once, for as many routes as wished."""

    code: pathlib.Path
    trap: Trap
    folder: pathlib.Path

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: pathlib.Path):
        trap = Trap()
        try:
            yield cls(hasty(folder), trap, folder)
        finally:
            trap.close()

    def run(self, route: str, names=None, limit_s: float = 600.0) -> Outcome:
        """Every act (or those named) on route."""
        row = acts(route, names)
        folder = self.folder / route
        folder.mkdir()
        began_s = time.monotonic()
        with Cloud.start(folder / "cloud", rate_limits=False) as cloud:
            bench = Bench(folder, cloud, "micropython", speech(12))
            bench.board.code = self.code
            try:
                faults = self._judge(bench, route, row, limit_s)
            finally:
                bench.board.stop()
            requests = bench.device_requests()
        faults += _strangers(requests)
        seconds = time.monotonic() - began_s
        creates = [r for r in requests if r.route == "create" and r.answer_status == 201]
        recordings = len({r.answer_json["id"] for r in creates if r.answer_json})
        return Outcome(route, len(row), len(requests), recordings, seconds, faults)

    def _judge(self, bench: Bench, route: str, row: list[Act], limit_s: float) -> list[str]:
        is_beat = route == "heartbeat"
        cloud = bench.cloud
        bench.equip(
            upload={"retry_first_s": 1, "retry_cap_s": 1},
            cloud={"api_url": cloud.api_origin, "heartbeat_s": 1 if is_beat else 0},
            hosts=cloud.hosts | {"trap.bota.test": "127.0.0.1"},
        )
        cloud.switches.keep_alive_s = 0.4  # kept connections are stale between two tries
        struck = [cloud.faults.add(route, **self._aimed(act)) for act in row]
        bench.board.start()
        bench.record_all()
        _until(lambda: all(r.hits for r in struck), bench, limit_s)
        bench.wait_delivered(limit_s)
        serial = bench.board.serial()
        said = (_BEATS if is_beat else _WAITS).findall(_unfolded(serial))
        faults = _compare(row, route, said)
        faults += [f"the log says {word}" for word in _NOISE if word in serial]
        proofs, missing = bench.prove()
        status = bench.board.status()
        if len(proofs) != 1 or missing:
            faults.append(f"{len(proofs)} recordings, {missing} samples missing")
        if status["queue"]["aside"] or status["queue"]["set_aside"]:
            faults.append("a clip was set aside")
        if bench.board.resets:
            faults.append(f"resets: {bench.board.resets}")
        if self.trap.caught:
            faults.append("somebody followed a redirect")
        return faults

    def _aimed(self, act: Act) -> dict:
        fault = dict(act.fault)
        where = TRAP.format(port=self.trap.port)
        headers = fault.get("headers", {})
        fault["headers"] = {k: where if v == TRAP else v for k, v in headers.items()}
        return fault


def _unfolded(serial: str) -> str:
    """The serial log with the lines back that it only counted (device/log.py)."""
    lines = []
    for line in serial.splitlines():
        again = _AGAIN.search(line)
        lines += int(again[1]) * lines[-1:] if again else [line]
    return "\n".join(lines)


def _compare(row: list[Act], route: str, said: list[str]) -> list[str]:
    """Sentences for reasons that are not the table's."""
    wanted = [act for act in row if act.reasons(route)]
    faults = [
        f"{act.name}: {code} in place of {act.reasons(route)}"
        for act, code in zip(wanted, said, strict=False)
        if code not in act.reasons(route).split()
    ]
    # A busy host may be late once more when the acts are over.
    if len(said) < len(wanted) or set(said[len(wanted) :]) - {"timeout"}:
        faults.append(f"{len(said)} waits for {len(wanted)} acts: {' '.join(said)}")
    return faults


def _strangers(requests: list) -> list[str]:
    """What went where it must not: the token to storage, other bytes under one key."""
    faults = []
    creates = [r for r in requests if r.route == "create"]
    if len({r.idempotency_key for r in creates}) != 1:
        faults.append("more than one key of create")
    if len({r.body_sha256 for r in creates} - {None}) > 1:
        faults.append("more than one body of create")
    for request in requests:
        if request.origin == "storage" and request.credential:
            faults.append("the token went to storage")
    return faults


def _until(is_so, bench: Bench, limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline_s:
            rows = [r for r in bench.cloud.faults.list() if not r.hits]
            raise AssertionError((rows[:1], bench.board.serial()[-3000:]))
        time.sleep(0.1)
