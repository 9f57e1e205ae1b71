"""The room that a virtual recorder stands in: what can be heard there, as time goes by.

A recorder whose microphone listens to it (device/hal/sim/room.py) connects for as long as it
records and gets 16-bit mono samples from then on. Nobody connected: nobody hears what is said.

    quiet    the rustle of a room: zeros would be a dead microphone
    speech   the sample, over and over
    laptop   what somebody says at the page, as the browser brings it
"""

import socket
import threading
import time

import numpy as np
import soxr

SOURCES = ("quiet", "speech", "laptop")
_NOISE = 24  # steps of 65,536: about -69 dBFS
_LONGEST_SAID_S = 5.0  # of the laptop's microphone: more waits nowhere


class Room:
    """samples: the speech, at rate_hz. Thread-safe. `source` is one of SOURCES."""

    def __init__(self, samples: np.ndarray, rate_hz: int):
        self.rate_hz = rate_hz
        self.source = "quiet"
        self._samples = samples
        self._position = 0
        self._said = np.zeros(0, "<i2")
        self._once: tuple[np.ndarray, float] | None = None
        self._lock = threading.Condition()
        self._noise = np.random.default_rng(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._is_open = True
        threading.Thread(target=self._accept, name="room", daemon=True).start()

    def close(self) -> None:
        self._is_open = False
        self._listener.close()

    def set_source(self, source: str) -> None:
        if source not in SOURCES:
            raise ValueError(f"There is no source {source!r}: use one of {SOURCES}.")
        with self._lock:
            self.source = source
            self._said = self._said[:0]

    def say_once(self, samples: np.ndarray, speed: float) -> None:
        """Let these be heard once, from now on, so many times faster than in life."""
        with self._lock:
            self._once = samples, speed

    def is_saying(self) -> bool:
        """True while say_once() is not through."""
        with self._lock:
            return self._once is not None

    def say(self, pcm: bytes, rate_hz: int) -> None:
        """16-bit mono samples from the laptop's microphone. Heard if the source is "laptop"."""
        samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
        if rate_hz != self.rate_hz and len(samples):
            samples = soxr.resample(samples, rate_hz, self.rate_hz)
        with self._lock:
            said = np.concatenate([self._said, samples])
            self._said = said[-int(_LONGEST_SAID_S * self.rate_hz) :]

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(line,), daemon=True).start()

    def _speak(self, line: socket.socket) -> None:
        """Give one listener what is heard, at the pace of time, until it goes away."""
        due_s = time.monotonic()
        with line:
            while self._is_open:
                try:
                    asked = line.recv(2, socket.MSG_WAITALL)
                    if len(asked) < 2:
                        return
                    samples, lasts_s = self._next(int.from_bytes(asked, "little"))
                    # A busy laptop may be late, but not so that it must catch up for long.
                    due_s = max(due_s + lasts_s, time.monotonic() - 1.0)
                    time.sleep(max(0.0, due_s - time.monotonic()))
                    line.sendall(samples.astype("<i2").tobytes())
                except OSError:
                    return

    def _next(self, count: int) -> tuple[np.ndarray, float]:
        """So many samples, and how long they last."""
        rustle = self._noise.integers(-_NOISE, _NOISE, count, dtype="<i2")
        with self._lock:
            if self._once is not None:
                samples, speed = self._once
                piece, rest = samples[:count], samples[count:]
                self._once = (rest, speed) if len(rest) else None
                rustle[: len(piece)] = piece
                return rustle, count / self.rate_hz / speed
            if self.source == "speech":
                places = np.arange(self._position, self._position + count)
                rustle = self._samples.take(places, mode="wrap")
                self._position = (self._position + count) % len(self._samples)
            elif self.source == "laptop":
                piece, self._said = self._said[:count], self._said[count:]
                loudest = 32767 - _NOISE
                rustle[: len(piece)] += np.clip(piece, -loudest, loudest)
            return rustle, count / self.rate_hz
