"""The whole recorder against the simulated cloud, for figures: smallest heap, wire, idle cost."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time

import numpy as np

from device.errors import Transient
from device.queue.waits import Waits
from tools.cloud import Cloud
from tools.sim.audio import SAMPLE, read_samples
from tools.sim.board import SSID, BoardError, VirtualBoard, find_micropython

RATE_HZ = 16000
SHORTEST_CLIP_S = 30
ENOUGH_KB = 384
LEAST_KB = 64
STEP_KB = 4
_IDLE_S = 8
_ANSWER_S = 1.5
_OUTAGE_HOURS = 24
_BY_REQUESTS = pathlib.Path(__file__).with_name("clients") / "clips_by_requests.py"


@dataclasses.dataclass
class Wire:
    handshakes: int
    requests_a_clip: float
    api_bytes_a_clip: float
    audio_bytes: int  # of all clips
    up_bytes: int  # of TCP payload, both origins: TLS, heads and bodies
    down_bytes: int


class Bench:
    """A cloud, and one virtual board after the other. Use as a context. rom: the image of the ROM
    file system that they run from; None: from .mpy files.
    """

    def __init__(self, folder: pathlib.Path, rom: pathlib.Path | None = None):
        self._folder = folder
        self.rom = rom
        self._boards = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Bench":
        self._cloud = self._stack.enter_context(
            Cloud.start(self._folder / "cloud", rate_limits=False)
        )
        return self

    def __exit__(self, *details) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def board(self, seconds: float, heap_kb: int, clip_s: int = SHORTEST_CLIP_S):
        """A running board that will hear so many seconds."""
        self._boards += 1
        folder = self._folder / f"board-{self._boards}"
        folder.mkdir()
        _, token = self._cloud.register_recorder(f"BENCH-{self._boards:04}")
        heard = np.resize(read_samples(SAMPLE, RATE_HZ), int(seconds * RATE_HZ))
        (folder / "heard.pcm").write_bytes(heard.tobytes())
        board = VirtualBoard(folder, heap_kb=heap_kb, rom=self.rom)
        config = {
            "recording": {"mode": "button", "codec": "wav", "clip_length_s": clip_s},
            "wifi": {"networks": [SSID]},
            "cloud": {"api_url": self._cloud.api_origin, "heartbeat_s": 0},
            "upload": {"retry_first_s": 1, "retry_cap_s": 2},
            "clock": {"ntp_server": f"ntp.bota.test:{self._cloud.ntp_address[1]}", "wait_s": 5},
        }
        board.equip(
            audio=folder / "heard.pcm",
            rate_hz=RATE_HZ,
            speed=0,
            hosts=self._cloud.hosts,
            root_der=self._cloud.ca_der,
            config=config,
            token=token,
            flash_kb=max(8192, len(heard) // 256),
        )
        try:
            board.start()
            yield board
        finally:
            board.stop()
            (folder / "heard.pcm").unlink()

    def smallest_heap_kb(self, clip_mib: int, least_kb: int = LEAST_KB) -> int:
        """The least heap in which a clip of that size is recorded while another is on its way, and
        all is delivered without one shortage; in steps of STEP_KB. least_kb: known to fail.
        """
        low, high = least_kb, ENOUGH_KB
        while high - low > STEP_KB:
            middle = (low + high) // 2 // STEP_KB * STEP_KB
            if self.does_a_cycle(clip_mib, middle):
                high = middle
            else:
                low = middle
        return high

    def does_a_cycle(self, clip_mib: int, heap_kb: int) -> bool:
        """True if all is delivered in that heap, without a reset or a shortage of memory."""
        clip_s = max(SHORTEST_CLIP_S, clip_mib * 1024 * 1024 // (2 * RATE_HZ))
        with self.board(2.2 * clip_s, heap_kb, clip_s) as board:
            try:
                _deliver_all(board, 10 + clip_s / 10)
            except (BoardError, TimeoutError):
                return False
            return not board.resets and "memory" not in board.serial()

    def wire(self, clips: int) -> Wire:
        """What the wire carries for so many clips in one wake."""
        log = self._cloud.log
        log.clear()
        with self.board(clips * SHORTEST_CLIP_S, ENOUGH_KB) as board:
            status = _deliver_all(board, 120)
        wire = self._counted(clips)
        sent = status["queue"]["bytes_sent"]
        wire.api_bytes_a_clip = (sent - wire.audio_bytes) / clips
        return wire

    def wire_of_requests(self, clips: int, clip_bytes: int) -> Wire:
        """The same by a program of the frozen `requests`: a connection for each request."""
        self._cloud.log.clear()
        self._boards += 1
        _, token = self._cloud.register_recorder(f"BENCH-{self._boards:04}")
        path = self._folder / "clip.wav"
        path.write_bytes(os.urandom(clip_bytes))
        command = [find_micropython(), "-X", "heapsize=256K", _BY_REQUESTS]
        command += [self._cloud.api_origin, path, clips]
        done = subprocess.run(
            [str(word) for word in command],
            env={"MICROPYPATH": ".frozen", "PATH": os.defpath, "BENCH_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"requests: {(done.stdout + done.stderr)[-300:]}")
        return self._counted(clips)

    def _counted(self, clips: int) -> Wire:
        log = self._cloud.log
        log.wait_for(lambda log: all(c.closed_by for c in log.connections))
        requests = [r for r in log.requests if r.origin != "operator"]
        stored = sum(r.body_bytes for r in requests if r.origin == "storage")
        handshakes = [c for c in log.connections if c.origin != "operator"]
        return Wire(
            len(handshakes),
            len(requests) / clips,
            0,
            stored,
            sum(c.wire_bytes[0] for c in handshakes),
            sum(c.wire_bytes[1] for c in handshakes),
        )

    def wakeups_an_hour(self) -> float:
        """How often the process of an idle board wakes: its voluntary context switches."""
        with self.board(1, ENOUGH_KB) as board:
            _deliver_all(board, 30)
            # A window without commands: each of those is a wake-up of our own making.
            before = _switches(board.pid)
            time.sleep(_IDLE_S)
            return (_switches(board.pid) - before) * 3600 / _IDLE_S


def _deliver_all(board: VirtualBoard, limit_s: float) -> dict:
    """Press, hear everything, press, wait until nothing is left; the last status.
    Raises BoardError as soon as the board was reset.
    """
    deadline = time.monotonic() + limit_s
    _ask(board, "status", deadline)
    board.command("press", _ANSWER_S)
    while not board.control.has_event("microphone_end"):
        _check(board, deadline)
        time.sleep(0.02)
    board.command("press", _ANSWER_S)
    while True:
        status = _ask(board, "status", deadline)
        queue = status["queue"]
        if status["recorder"]["code"] == "idle" and not queue["waiting"]:
            if queue["code"] == "nothing_to_send":
                return status
        time.sleep(0.05)


def _ask(board: VirtualBoard, do: str, deadline: float) -> dict:
    while True:
        _check(board, deadline)
        try:
            return board.command(do, _ANSWER_S)
        except BoardError:
            pass  # it starts, or it will never: the deadline and the resets decide


def _check(board: VirtualBoard, deadline: float) -> None:
    if board.resets:
        raise BoardError("it was reset: " + board.resets[0])
    if time.monotonic() > deadline:
        raise TimeoutError("not delivered in time")


def _switches(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("voluntary_ctxt_switches:")[1].split()[0])


class _Clock:
    """As much of link.clock.Clock as the waits ask for, in virtual time."""

    def __init__(self):
        self.now_ms = 0

    def uptime_ms(self):
        return self.now_ms

    def unix_s(self):
        return 1_800_000_000 + self.now_ms // 1000


def requests_while_down() -> tuple[int, float]:
    """Attempts in the first hour of an outage and, on average, in each of the hours after it, with
    default settings and no jitter: the most that can be.
    """
    from device.config import defaults

    settings, clock = defaults(), _Clock()
    waits = Waits(
        settings["upload.retry_first_s"], settings["upload.retry_cap_s"], clock, lambda bits: 0
    )
    attempts = []
    while clock.now_ms < _OUTAGE_HOURS * 3_600_000:
        attempts.append(clock.now_ms)
        waits.failed(Transient("server_error"))
        clock.now_ms += waits.left_ms()
    first = sum(at_ms < 3_600_000 for at_ms in attempts)
    return first, (len(attempts) - first) / (_OUTAGE_HOURS - 1)
