"""Targets: what a modem says, what somebody types or sends over the cable, tokens."""

import json

from device.errors import DeviceError
from device.hal.commands import MAX_LINE_BYTES, parse_command
from device.link import at as at_module
from device.link import dialling
from device.link.at import At, fields
from device.supervisor.people import People
from device.transfer.tokens import clean_token
from host_tests.fuzz.disk import DISK
from host_tests.fuzz.engine import Target, at_once, drive, replaced

_ANSWERED_MS = 50  # of time that passes at each look for an answer
_PIN = "70294168"  # no number that an error tells by chance
_ASKED_MS = 10_000  # and at each look at a limit of many questions


class _Ticks:
    def __init__(self, step_ms):
        self.now_ms = 0
        self._step_ms = step_ms

    def __call__(self):
        self.now_ms += self._step_ms
        return self.now_ms


class Mouth:
    """A modem port that says the same to every question."""

    def __init__(self, data):
        self._data = data
        self._at = len(data)

    def write(self, data):
        self._at = 0

    def readinto(self, buf):
        part = self._data[self._at : self._at + len(buf)]
        buf[: len(part)] = part
        self._at += len(part)
        return len(part)


def modem(data: bytes) -> str:
    """Every question of a call, answered with data. The steps raise or say what they found."""
    with (
        replaced(at_module, sleep_ms=at_once, ticks_ms=_Ticks(_ANSWERED_MS)),
        replaced(dialling, sleep_ms=at_once, ticks_ms=_Ticks(_ASKED_MS)),
    ):
        return _call(data)


def _call(data):
    log = DISK.log
    at = At(Mouth(data))
    result, lines = drive(at.ask("AT+CSQ", 400, "+CSQ:"))
    assert len(lines) <= 8 and all(" " <= c <= "~" for c in result + "".join(lines))
    for line in lines:
        assert isinstance(fields(line), list)
    outcome = result or "silent"
    steps = (
        lambda: dialling.signal_dbm(at),
        lambda: dialling._tries_left(at),
        lambda: dialling._unlock(at, _Secrets(), log),
        lambda: dialling._set_context(at, "iot.example", 0),
        lambda: dialling._register(at, False),
        lambda: dialling._attach(at),
        lambda: dialling._dial(at),
    )
    for step in steps:
        try:
            drive(step())
        except DeviceError as e:
            assert _PIN not in str(e), "the PIN"
    return outcome


class _Secrets:
    def get(self, key):
        return _PIN

    def set(self, key, text):
        """The wrong PIN is noted."""

    def counter(self, key):
        return 0


class _Ring:
    folder = DISK.root + "/none"

    def pending(self):
        return b"I a line\n"


class _Part:
    """Recorder, lane and status document as the console asks them."""

    def want(self, wanted):
        assert isinstance(wanted, bool)

    def look_again(self):
        """Nothing to look at."""

    def document(self):
        return {"status": 1}


def console(data: bytes) -> str:
    """A line of the console: a command, answered, or nothing at all."""
    command = parse_command(data)
    if command is None:
        return "no command"
    assert len(data) <= MAX_LINE_BYTES
    part = _Part()
    answer = People(None, None, part, part, part, _Ring())._answer(command)
    json.dumps({"answer": command.get("id"), "value": answer})
    return "unknown" if "error" in answer else "answered"


def token(data: bytes) -> str:
    text = clean_token(data.decode("utf-8", "replace"))
    assert all("!" <= letter <= "~" for letter in text)
    return "token" if text else "none"


_SAID = (
    b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
    b"\r\n+CPIN: READY\r\n\r\nOK\r\n",
    b'\r\n+CPIN: SIM PIN\r\n+SPIC: 3,10,3,10\r\n+QPINC: "SC",3,10\r\nOK\r\n',
    b'+CGDCONT: 1,"IP","web.example","0.0.0.0",0,0\r\nOK\r\n',
    b"+CEREG: 0,5\r\n+CREG: 0,1\r\n+CGATT: 1\r\nOK\r\n",
    b"\r\n+CME ERROR: SIM not inserted\r\n",
    b"\r\nCONNECT 115200\r\n",
)
TARGETS = (
    Target("AT answer", _SAID, modem),
    Target(
        "console line",
        (
            b'{"do":"status","id":1}',
            b'{"do":"record","on":true}',
            b'{"do":"log","at":[1,200],"id":"x"}',
            b'{"do":"look_again"}',
        ),
        console,
    ),
    Target("token", (b"\xef\xbb\xbfBearer dtok_0123456789abcdef\r\n",), token),
)
