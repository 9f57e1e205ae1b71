"""The serial line itself: what a board says by itself, a question to a running recorder, and the
way to MicroPython's prompt. Everything is bounded in time, and nothing here writes to a board's
files.

mpremote does the work of a session; it knows neither how to look without stopping the program, nor
how to meet a board that is starting just now (it sends its Ctrl-C once, and waits ten seconds).
"""

import contextlib
import itertools
import json
import time

import serial

from tools.recorder.errors import NoDevice
from tools.recorder.manners import busy_message

BAUD = 115200
_PROMPT = b">>> "
# Out of a running program, and out of a raw REPL that a killed mpremote left.
_TO_THE_PROMPT = b"\r\x03\x02"
_TRY_AGAIN_S = 0.5
_ASK_AGAIN_S = 1.0
_LOOK_S = 0.05
_MOST_HEARD_BYTES = 20_000

# What `list` and `doctor` wait for: a running recorder answers within a look of its console, but
# an erase of flash or a handshake may come first.
ANSWER_LIMIT_S = 2.5
PROMPT_LIMIT_S = 5.0  # a board that starts: its boot loader, a card to mount, boot.py

_question_numbers = itertools.count(1)


class Line:
    """One open port. Raises NoDevice where it is absent, busy, or goes away."""

    def __init__(self, device: str):
        self.device = device
        self._rest = b""
        try:
            self._port = serial.serial_for_url(
                device, baudrate=BAUD, timeout=_LOOK_S, write_timeout=1.0, exclusive=True
            )
        except (OSError, ValueError):  # SerialException is an OSError
            raise NoDevice(busy_message(device)) from None

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_details) -> None:
        # In mpremote's order: Windows would reset an ESP32 in the other.
        with contextlib.suppress(OSError):
            self._port.rts = False
            self._port.dtr = False
        self._port.close()

    def read(self) -> bytes:
        """What has come, or b"" after a short look."""
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except OSError:
            raise NoDevice(self._gone()) from None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError:  # also a write that nobody takes
            raise NoDevice(self._gone()) from None

    def lines(self, limit_s: float | None):
        """Whole lines as they come, without their ends, until limit_s is over; None: for ever.

        Yields None at each look on which nothing came, so that a caller can do other things.
        """
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while end_s is None or time.monotonic() < end_s:
            data = self.read()
            *whole, self._rest = (self._rest + data).split(b"\n")
            self._rest = self._rest[-_MOST_HEARD_BYTES:]
            for line in whole:
                yield line.decode(errors="replace").strip("\r\x04 ")
            if not data:
                yield None

    def ask(self, command: dict, limit_s: float | None = None):
        """The answer of the running recorder, None if none came. Its program goes on meanwhile."""
        number = f"q{next(_question_numbers)}.{time.monotonic_ns() % 1_000_000}"
        # The first end of line finishes what somebody may have left half typed.
        question = b"\n" + json.dumps(command | {"id": number}).encode() + b"\n"
        end_s = time.monotonic() + (limit_s or ANSWER_LIMIT_S)
        while (left_s := end_s - time.monotonic()) > 0:
            self.write(question)  # again: what comes while a board starts is lost
            for line in self.lines(min(left_s, _ASK_AGAIN_S)):
                if line and (answer := answer_of(line)) and answer["answer"] == number:
                    return answer["value"]
        return None

    def to_prompt(self, limit_s: float = PROMPT_LIMIT_S) -> tuple[bool, str]:
        """(True if MicroPython's prompt came, what was heard). Stops the program that runs."""
        heard = b""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            self.write(_TO_THE_PROMPT)
            again_s = time.monotonic() + _TRY_AGAIN_S
            while time.monotonic() < again_s:
                heard = (heard + self.read())[-_MOST_HEARD_BYTES:]
                if heard.endswith(_PROMPT):
                    return True, heard.decode(errors="replace")
        return False, heard.decode(errors="replace")

    def _gone(self) -> str:
        return (
            f"{self.device}: the board went away. Plug it in again and repeat the command: it "
            "goes on where it stopped."
        )


def answer_of(line: str) -> dict | None:
    """{"answer": id, "value": …} if a line of the console is one, else None."""
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    is_answer = isinstance(message, dict) and "answer" in message and "value" in message
    return message if is_answer else None
