"""Watches a running bench from outside and keeps one picture of it (`scene`), several times a
second.

It asks the recorder for its status document and takes all else where it really is: clips from the
flash image, requests from the wire log, recordings from the cloud, the log from the serial line,
what was heard from the microphone's own truth. scene.py joins them; nothing is invented here.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tools.page import scene
from tools.page.medium import read_clips
from tools.sim.board import BoardError
from tools.sim.proof import list_recordings

_LOOK_S = 0.1
_ANSWER_S = 1.5
_LEVEL_S = 0.1
_LOG_LINES = 40
_REQUESTS_KEPT = 2000
_DELIVERIES = ("create", "complete", "finalize")
_CLIP_LINE = re.compile(r"clip (closed|created|delivered) clip=(\d+)")


class Watch:
    """bench: see bench.py; knobs: told what the recorder says. Start it with `with`."""

    def __init__(self, bench, knobs):
        self._bench = bench
        self._knobs = knobs
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._looks = 0
        self.status: dict | None = None  # None: no power, or it has not answered yet
        self.marks: list[tuple[str, float]] = []  # what the recorder did, and when
        self.requests: list = []
        self._clip_of_recording: dict[str, int] = {}
        self._open_from = 1  # the oldest request that is not through
        self.clips: dict[int, dict] = {}
        self._flash_state: tuple | None = None
        self.log: list[str] = []
        self._log_at = 0
        self._log_rest = ""
        self._starts = self._takes = 0
        self.recordings: list[dict] = []
        self._listed_for: tuple | None = None
        self.level_dbfs: float | None = None
        self.heard_samples = 0
        self.run: dict[str, Any] = {"phase": "starting"}  # what the run says of itself
        self.scene: dict[str, Any] = {}
        self.version = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_details) -> None:
        self._stop.set()
        self._thread.join(timeout=_ANSWER_S + 1)

    def tell(self, **run: Any) -> None:
        """What the run says of itself, for the page; shown at once."""
        with self._changed:
            self.run = self.run | run
            if self.scene:
                self.scene = self.scene | {"run": self.run}
            self.version += 1
            self._changed.notify_all()

    def freeze(self) -> None:
        """Look no more: the picture stays, but for what the run says of itself."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def mark(self, name: str) -> None:
        with self._changed:
            self.marks.append((name, time.monotonic()))
            self._changed.notify_all()

    def wait(self, condition: Callable[["Watch"], Any], timeout_s: float) -> Any:
        """condition(self) once it is true, asked after each look; its last value if time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout_s)

    def fresh_status(self, timeout_s: float = 10.0) -> dict | None:
        """A status document that was asked for from now on; None if nobody answered."""
        with self._changed:
            wanted = self._looks + 2  # the look that runs may have begun before
            self._changed.wait_for(lambda: self._looks >= wanted, timeout_s)
            return self.status

    def _run(self) -> None:
        while not self._stop.is_set():
            begun_s = time.monotonic()
            self._look()
            self._compose()
            self._stop.wait(max(0.01, _LOOK_S - (time.monotonic() - begun_s)))

    def _look(self) -> None:
        status = self._ask()
        requests = self._bench.cloud.log.requests_from(self._open_from)
        clips = self._read_flash()
        with self._changed:
            self.status = status
            self._looks += 1
            self._take_requests(requests)
            if clips is not None:
                self.clips = clips
            self._read_log()
            self._measure()
        self._list_recordings()
        self._knobs.hear(scene.codes(status, self.requests, self._bench.cloud.log.now_s()))

    def _ask(self) -> dict | None:
        if not self._bench.board.is_running():
            return None
        try:
            return self._bench.board.command("status", timeout_s=_ANSWER_S)
        except BoardError:
            return None

    def _read_flash(self) -> dict[int, dict] | None:
        folder = self._bench.board.folder
        image = folder / "flash.img"
        try:
            stat = image.stat()
            state = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            state = None
        if state is not None and state == self._flash_state:
            return None
        clips = read_clips(folder)
        if clips is not None:
            self._flash_state = state
        return clips

    def _take_requests(self, newest: list) -> None:
        known = {request.number: i for i, request in enumerate(self.requests)}
        for request in newest:
            if request.origin == "operator":
                continue
            if request.number in known:
                self.requests[known[request.number]] = request
                scene.clip_of(request, self._clip_of_recording)
                continue
            self.requests.append(request)
            number = scene.clip_of(request, self._clip_of_recording)
            if number and request.route in ("put", "complete"):
                self.mark(f"clip {number} {request.route}")
        running = [request.number for request in newest if request.ended_s is None]
        if newest:
            self._open_from = min(running) if running else newest[-1].number + 1
        self.requests = self.requests[-_REQUESTS_KEPT:]

    def _read_log(self) -> None:
        path = self._bench.board.folder / "serial.log"
        if not path.exists():
            return
        with path.open("rb") as f:
            f.seek(self._log_at)
            data = f.read()
            self._log_at += len(data)
        *lines, self._log_rest = (self._log_rest + data.decode(errors="replace")).split("\n")
        for line in lines:
            if line.startswith("I start "):
                self._starts += 1
                self.mark(f"start {self._starts}")
            found = _CLIP_LINE.search(line)
            if found:
                self.mark(f"clip {found[2]} {found[1]}")
        self.log = (self.log + lines)[-_LOG_LINES:]

    def _measure(self) -> None:
        """How loud it is now, of what the microphone handed over last."""
        path = self._bench.board.folder / "truth.pcm"
        size = path.stat().st_size // 2 if path.exists() else 0
        self.level_dbfs = None
        if size > self.heard_samples:
            count = min(size - self.heard_samples, int(_LEVEL_S * self._bench.rate_hz)) or 1
            with path.open("rb") as f:
                f.seek(2 * (size - count))
                samples = np.frombuffer(f.read(2 * count), "<i2").astype(np.float64)
            rms = np.sqrt((samples**2).mean()) if len(samples) else 0.0
            self.level_dbfs = round(20 * np.log10(max(rms, 1.0) / 32768), 1)
        self.heard_samples = size
        begun = self._bench.board.control.count("microphone_start")
        while self._takes < begun:
            self._takes += 1
            self.mark(f"take {self._takes}")

    def _list_recordings(self) -> None:
        """Again after each request that changed the list, and while words are awaited."""
        changes = [r for r in self.requests if r.route in _DELIVERIES and r.service_status]
        done = (len(changes), changes[-1].number if changes else 0)
        words_due = any(r.get("transcript_due") for r in self.recordings)
        if done == self._listed_for and not (words_due and self._looks % 10 == 0):
            return
        self._listed_for = done
        with self._bench.cloud.operator() as operator:
            found = [scene.recording(self._bench.cloud, operator, r)
                     for r in list_recordings(operator)]  # fmt: skip
        with self._changed:
            self.recordings = found

    def _compose(self) -> None:
        composed = scene.compose(self, self._bench, self._knobs)
        with self._changed:
            if composed != self.scene:
                self.scene = composed
                self.version += 1
            self._changed.notify_all()
