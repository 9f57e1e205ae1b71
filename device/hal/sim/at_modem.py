"""A scripted modem: bytes in, bytes out, the ways of two families and the faults of the field.

Written after the formats of the manufacturers' manuals, in our own words: SIMCom A7600 Series AT
Command Manual V1.01 and SIM7500_SIM7600 Series V1.12 (*ATREADY, +SPIC), Quectel EC20 AT Commands
Manual V1.3 (RDY, +QIND, +QPINC); common to both: 3GPP TS 27.007 and ITU-T V.250. It knows what a
recorder asks and says ERROR to all else.
"""

from device.compat import ticks_add, ticks_diff, ticks_ms

_BOOT_MS = 2_000
_GREETING = {
    "simcom": ("*ATREADY: 1", "+CPIN: %s", "SMS DONE", "PB DONE"),
    "quectel": ("RDY", "+CFUN: 1", "+CPIN: %s", "+QUSIM: 1", "+QIND: SMS DONE"),
}
_RUBBISH = b"\x00\xf8\x80\x1c\xe0"


class AtModem:
    """spec: dict of family, pin (or None), apn (what the network takes, None: any), network
    ("home", "roaming", "denied", "none"), csq, latency_ms, and faults: `silent` (True, or
    "until_power"), `sim_busy_ms`, `no_sim`, `no_carrier`, `noise`. All may change while it runs.
    """

    def __init__(self, spec):
        self.spec = spec
        self.baud = 115_200
        self.line_baud = 115_200  # of the other end
        self.is_on = bool(spec.get("is_on", True))
        self.tries_left = 3
        self.stored_apn = spec.get("stored_apn", "")
        self.heard = []  # every command, for tests
        self.data_mode = False
        self._out = []  # [due ticks, bytes]
        self._begin()

    def _begin(self):
        """What a start-up brings."""
        self._line = bytearray()
        self._echo = True
        self._numeric_errors = False
        self._radio_on = True
        self._is_open = not self.spec.get("pin")  # the SIM
        self.data_mode = False
        self._since = ticks_ms()
        self._pluses = None

    def power(self, is_on):
        """Supply or key: off at once, on with a greeting."""
        if is_on == self.is_on:
            return
        self.is_on = is_on
        self._out = []
        if is_on:
            if self.spec.get("silent") == "until_power":
                self.spec["silent"] = None
            self.baud = 115_200
            self._begin()
            state = "READY" if self._is_open else "SIM PIN"
            for text in _GREETING[self.spec["family"]]:
                self.say(text % state if "%" in text else text, _BOOT_MS)

    def say(self, text, delay_ms=0):
        self._send(b"\r\n" + text.encode() + b"\r\n", delay_ms)

    def take(self, data):
        """Bytes from the other end."""
        if not self.is_on or self.spec.get("silent") or self._is_booting():
            return
        if self.line_baud != self.baud:
            self._send(_RUBBISH)
            return
        if self.data_mode:
            self._pluses = ticks_ms() if data == b"+++" else None
            return
        for i in range(len(data)):
            byte = data[i : i + 1]
            if self._echo:
                self._send(byte)
            if byte == b"\r":
                command, self._line = bytes(self._line).decode(), bytearray()
                if command:
                    self._obey(command)
            elif byte != b"\n":
                self._line += byte

    def give(self, buf):
        """Bytes for the other end that are due; returns how many."""
        if self._pluses is not None and ticks_diff(ticks_ms(), self._pluses) >= 1_000:
            self._pluses = None
            self.data_mode = False
            self._answer("OK")
        n = 0
        while self._out and n < len(buf) and ticks_diff(ticks_ms(), self._out[0][0]) >= 0:
            data = self._out[0][1]
            part = data[: len(buf) - n]
            buf[n : n + len(part)] = part
            n += len(part)
            if len(part) < len(data):
                self._out[0][1] = data[len(part) :]
            else:
                del self._out[0]
        return n

    def end_data(self):
        """PPP has ended: back to commands, as after a terminate request."""
        if self.data_mode:
            self.data_mode = False
            self.say("NO CARRIER")

    def _is_booting(self):
        return ticks_diff(ticks_ms(), self._since) < _BOOT_MS and self._out

    def _send(self, data, delay_ms=0):
        due = ticks_add(ticks_ms(), delay_ms)
        self._out.append([due, data])

    def _answer(self, *texts):
        delay_ms = self.spec.get("latency_ms", 0)
        for text in texts:
            self.say(text, delay_ms)

    def _error(self, number, text):
        if self._numeric_errors:
            self._answer("+CME ERROR: %d" % number)
        elif self.spec["family"] == "simcom":
            self._answer("+CME ERROR: " + text)
        else:
            self._answer("ERROR")

    def _obey(self, command):
        self.heard.append(command)
        if self.spec.get("noise"):
            self.say('+QIND: "csq",18,99')
            self._send(b"\xff\xfe+CR")  # half a report
        name, _, value = command.partition("=")
        handler = _COMMANDS.get(name)
        if handler:
            handler(self, value)
        elif command in ("AT", "ATE0", "ATV1", "ATQ0", "ATH", "ATZ"):
            self._echo = self._echo and command != "ATE0"
            self._answer("OK")
        else:
            self._answer("ERROR")

    def _cmee(self, value):
        self._numeric_errors = value == "1"
        self._answer("OK")

    def _ipr(self, value):
        self._answer("OK")
        self.baud = int(value)

    def _sim_fault(self):
        if self.spec.get("no_sim"):
            self._error(10, "SIM not inserted")
        elif ticks_diff(ticks_ms(), self._since) < self.spec.get("sim_busy_ms", 0):
            self._error(14, "SIM busy")
        else:
            return False
        return True

    def _cpin(self, value):
        """+CPIN? and +CPIN="pin"."""
        if self._sim_fault():
            return
        if self.tries_left < 1:
            self._error(12, "SIM PUK required")
        elif value.strip('"') == self.spec.get("pin") and not self._is_open:
            self._is_open, self.tries_left = True, 3
            self._answer("OK", "+CPIN: READY")
        else:
            self.tries_left -= 1
            self._error(16, "incorrect password")

    def _ask_cpin(self, _):
        if not self._sim_fault():
            locked = "SIM PIN" if self.tries_left else "SIM PUK"
            self._answer("+CPIN: " + ("READY" if self._is_open else locked), "OK")

    def _qpinc(self, _):
        if self.spec["family"] != "quectel":
            self._answer("ERROR")
        else:
            self._answer('+QPINC: "SC",%d,10' % self.tries_left, '+QPINC: "P2",3,10', "OK")

    def _spic(self, _):
        if self.spec["family"] != "simcom":
            self._answer("ERROR")
        else:
            self._answer("+SPIC: %d,10,3,10" % self.tries_left, "OK")

    def _cfun(self, value):
        self._radio_on = value == "1"
        self._answer("OK")

    def _ask_context(self, _):
        self._answer('+CGDCONT: 1,"IP","%s","0.0.0.0",0,0,0,0' % self.stored_apn, "OK")

    def _context(self, value):
        self.stored_apn = value.split(",")[2].strip('"')
        self._answer("OK")

    def _stat(self):
        if not self._radio_on or not self._is_open:
            return 0
        return {"home": 1, "roaming": 5, "denied": 3, "none": 2}[self.spec.get("network", "home")]

    def _csq(self, _):
        self._answer("+CSQ: %d,99" % self.spec.get("csq", 19), "OK")

    def _ask_attached(self, _):
        self._answer("+CGATT: %d" % (self._stat() in (1, 5)), "OK")

    def _dial(self, _):
        wanted = self.spec.get("apn")
        if self.spec.get("no_carrier") or wanted not in (None, self.stored_apn):
            self._answer("NO CARRIER")
        elif self._stat() in (1, 5):
            self._answer("CONNECT 150000000" if self.spec["family"] == "quectel" else "CONNECT")
            self.data_mode = True
        else:
            self._error(30, "no network service")


def _registration(name):
    return lambda modem, _: modem._answer("+%s: 0,%d" % (name, modem._stat()), "OK")


_COMMANDS = {
    "AT+CMEE": AtModem._cmee,
    "AT+IPR": AtModem._ipr,
    "AT+CPIN": AtModem._cpin,
    "AT+CPIN?": AtModem._ask_cpin,
    "AT+QPINC?": AtModem._qpinc,
    "AT+SPIC": AtModem._spic,
    "AT+CFUN": AtModem._cfun,
    "AT+CGDCONT?": AtModem._ask_context,
    "AT+CGDCONT": AtModem._context,
    "AT+CREG?": _registration("CREG"),
    "AT+CGREG?": _registration("CGREG"),
    "AT+CEREG?": _registration("CEREG"),
    "AT+CSQ": AtModem._csq,
    "AT+CGATT?": AtModem._ask_attached,
    "ATD*99#": AtModem._dial,
}
