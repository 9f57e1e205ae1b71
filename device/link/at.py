"""AT commands over a byte port: one question at a time, its answer told from all else that comes.

A modem echoes, reports in between (URCs), greets with rubbish at a wrong speed, and may stop in
the middle of a line. So a line counts as an answer only if it begins as the question says; a
result code ends the answer; everything else is passed over. Every wait is bounded by the caller.

Framing and result codes: ITU-T V.250 (5.7, 6.2); +CME ERROR: 3GPP TS 27.007 (9.2); the escape
"+++" between two pauses of a second: V.250 (6.2.9) and each manufacturer's manual.
"""

from device.compat import const, is_digits, sleep_ms, ticks_diff, ticks_ms
from device.errors import Transient

_LOOK_MS = const(20)
_LINE_BYTES = const(128)  # a longer line is none that we ask for: its rest is dropped
_SYNC_MS = const(400)
_GUARD_MS = const(1_100)  # S12 is 50/50 s by default
_BYTES_A_LOOK = const(256)  # so that a flood does not stop everything else

_FINAL = (
    "OK", "ERROR", "CONNECT", "NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE",
    "COMMAND NOT SUPPORT",
)  # fmt: skip
# What a modem says with AT+CMEE=2 in place of a number (TS 27.007 9.2.1), as far as it matters.
_SIM_TEXTS = (
    ("SIM NOT INSERTED", 10), ("SIM PIN REQUIRED", 11), ("SIM PUK REQUIRED", 12),
    ("SIM FAILURE", 13), ("SIM BUSY", 14), ("SIM WRONG", 15), ("INCORRECT PASSWORD", 16),
)  # fmt: skip


class At:
    """port: the modem port (write, readinto). One owner at a time. way: once its is_held is true,
    questions and pauses end with Transient(link_changing); None: nobody interrupts.
    """

    def __init__(self, port, way=None):
        self._port = port
        self._way = way
        self._piece = bytearray(64)
        self._line = bytearray()

    async def ask(self, command, limit_ms, prefix=""):
        """Send command (text, without its line end) and return (result, lines).

        result: "OK", "ERROR", "CONNECT", … or "" if none came within limit_ms; "CME n" of an error
        with a number. lines: the rest of each line that begins with prefix, at most eight.
        """
        self._drop_input()
        self._port.write(command.encode() + b"\r")
        return await self._answer(command, limit_ms, prefix)

    async def pause(self, duration_ms):
        """Wait between two questions."""
        self._go_on()
        await sleep_ms(duration_ms)
        self._go_on()

    def _go_on(self):
        if self._way is not None and self._way.is_held:
            raise Transient("link_changing", "dialling was interrupted")

    async def sync(self, tries):
        """True if the modem answers AT with OK. Its echo is off afterwards, errors are numbers."""
        for _ in range(tries):
            if (await self.ask("AT", _SYNC_MS))[0] == "OK":
                # V1: results as words; Q0: results at all. One command a line: a modem that does
                # not know one of them still takes the others.
                for command in ("ATE0", "ATV1", "ATQ0", "AT+CMEE=1"):
                    await self.ask(command, _SYNC_MS)
                return True
        return False

    async def escape(self):
        """Out of data mode, where the modem carries bytes and hears no command; then hang up."""
        await sleep_ms(_GUARD_MS)
        self._drop_input()
        self._port.write(b"+++")
        await sleep_ms(_GUARD_MS)
        await self.ask("ATH", 2 * _SYNC_MS)

    async def _answer(self, command, limit_ms, prefix):
        lines = []
        started = ticks_ms()
        while ticks_diff(ticks_ms(), started) < limit_ms:
            self._go_on()
            for line in self._arrived():
                if line == command:
                    continue  # the echo
                result = _result(line)
                if result:
                    return result, lines
                if prefix and line.startswith(prefix) and len(lines) < 8:
                    lines.append(line[len(prefix) :].strip())
            await sleep_ms(_LOOK_MS)
        return "", lines

    def _arrived(self):
        """The whole lines that are there now, as printable text."""
        found = []
        for _ in range(_BYTES_A_LOOK // len(self._piece)):
            n = self._port.readinto(self._piece)
            if not n:
                break
            for i in range(n):
                byte = self._piece[i]
                if byte in (10, 13):
                    if self._line:
                        found.append(self._line.decode())
                        self._line = bytearray()
                elif 32 <= byte < 127 and len(self._line) < _LINE_BYTES:
                    self._line.append(byte)  # what is not printable came at a wrong speed
        return found

    def _drop_input(self):
        for _ in range(_BYTES_A_LOOK):
            if not self._port.readinto(self._piece):
                break
        self._line = bytearray()


def _result(line):
    """The result code that ends an answer, or ""."""
    for word in ("+CME ERROR:", "+CMS ERROR:"):
        if line.startswith(word):
            said = line[len(word) :].strip()
            if is_digits(said):
                return "CME " + said
            for text, number in _SIM_TEXTS:
                if said.upper() == text:
                    return "CME %d" % number
            return "ERROR"
    if line.startswith("CONNECT"):
        return "CONNECT"  # with or without a speed
    return line if line in _FINAL else ""


def fields(text):
    """The fields of an information line: '1,"IP","web"' -> ["1", "IP", "web"]."""
    found = [""]
    is_quoted = False
    for letter in text:
        if letter == '"':
            is_quoted = not is_quoted
        elif letter == "," and not is_quoted:
            found.append("")
        else:
            found[-1] += letter
    return [field.strip() for field in found]
