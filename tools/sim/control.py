"""Our end of the control channel: JSON lines from and to the board (device/hal/sim/control.py)."""

import itertools
import json
import socket
import threading
import time

MAX_EVENTS = 100_000


class ControlServer:
    """Accepts the board's connection, again after each of its starts. Thread-safe."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.events: list[dict] = []
        self._answers: dict[int, dict] = {}
        self._changed = threading.Condition()
        self._connection: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._limit_s: float | None = None
        self._fed_s = 0.0
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._connection = connection
                self._changed.notify_all()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            pass
        with self._changed:
            if self._connection is connection:
                self._connection = None
            self._changed.notify_all()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # cut off by a power cut
        with self._changed:
            if "answer" in message:
                self._answers[message["answer"]] = message["value"]
            elif message.get("event") == "fed":
                self._fed_s = time.monotonic()
            else:
                if message.get("event") == "watchdog":
                    self._limit_s = message["limit_ms"] / 1000
                    self._fed_s = time.monotonic()
                if len(self.events) < MAX_EVENTS:
                    self.events.append(message)
            self._changed.notify_all()

    def command(self, do: str, timeout_s: float, **values) -> dict:
        """Send one command and wait for its answer; raises TimeoutError."""
        number = next(self._numbers)
        line = json.dumps({"do": do, "id": number, **values}).encode() + b"\n"
        deadline = time.monotonic() + timeout_s
        sent_on = None
        with self._changed:
            while number not in self._answers:
                connection = self._connection
                if connection is not None and connection is not sent_on:
                    sent_on = connection  # once for each connection: commands can be repeated
                    try:
                        connection.sendall(line)
                    except OSError:
                        sent_on = None
                if not self._changed.wait(max(0.0, min(0.2, deadline - time.monotonic()))):
                    if time.monotonic() >= deadline:
                        raise TimeoutError(do)
            return self._answers.pop(number)

    def wait_event(self, name: str, timeout_s: float, since: int = 0) -> dict:
        """The first event `name` from index `since` on; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for event in self.events[since:]:
                    if event["event"] == name:
                        return event
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError(name)
                self._changed.wait(left_s)

    def has_event(self, name: str) -> bool:
        with self._changed:
            return any(event["event"] == name for event in self.events)

    def count(self, name: str) -> int:
        """How often an event came, over all starts."""
        with self._changed:
            return sum(event["event"] == name for event in self.events)

    def forget_feeds(self) -> None:
        with self._changed:
            self._limit_s = None

    def has_watchdog(self) -> bool:
        """True if the supervisor's watchdog runs."""
        with self._changed:
            return self._limit_s is not None

    def is_starved(self) -> bool:
        """True if a watchdog runs and was not fed in time."""
        with self._changed:
            return self._limit_s is not None and time.monotonic() - self._fed_s > self._limit_s

    def close(self) -> None:
        self._listener.close()
        with self._changed:
            if self._connection is not None:
                self._connection.close()
