"""link.at tells an answer from noise; link.dialling over transcripts of two families of modems."""

import asyncio

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_link_dialling import dial, with_pin

from device.hal.sim.modem import Modem
from device.link.at import At, fields

# The transcripts are written after the formats in the manuals: SIMCom "A7600 Series AT Command
# Manual" V1.01 and Quectel "EC20 AT Commands Manual" V1.3. A line ">" is what we send,
# "<" what the modem sends (line ends around it unless it says `raw`), "<echo" the echo of what was
# sent last.

A7670_WITH_PIN = r"""
>AT
<echo
<OK
>ATE0
<echo
<OK
>ATV1
<OK
>ATQ0
<OK
>AT+CMEE=1
<OK
>AT+CPIN?
<+CPIN: SIM PIN
<OK
>AT+QPINC?
<ERROR
>AT+SPIC
<+SPIC: 3,10,3,10
<OK
>AT+CPIN="1234"
<OK
<+CPIN: READY
<SMS DONE
>AT+CPIN?
<+CPIN: READY
<OK
<PB DONE
>AT+CGDCONT?
<+CGDCONT: 1,"IP","web.example","0.0.0.0",0,0,0,0
<+CGDCONT: 2,"IPV4V6","","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0
<OK
>AT+CFUN=4
<+CPIN: READY
<OK
>AT+CGDCONT=1,"IP","iot.example"
<OK
>AT+CFUN=1
<OK
<+CGEV: EPS PDN ACT 1
>AT+CEREG?
<+CEREG: 0,2
<OK
>AT+CREG?
<+CREG: 0,2
<OK
>AT+CGREG?
<+CGREG: 0,0
<OK
>AT+CEREG?
<+CEREG: 0,1
<OK
>AT+CSQ
<+CSQ: 23,99
<OK
>AT+CGATT?
<+CGATT: 1
<OK
>ATD*99#
<CONNECT 115200
"""

EC200_THAT_REPORTS = r"""
>AT
raw<AT\r\r\nOK\r\n\r\n+QIND: SMS DO
>ATE0
raw<NE\r\nATE0\r\r\nOK\r\n
>ATV1
<OK
>ATQ0
<OK
>AT+CMEE=1
<OK
>AT+CPIN?
<+CME ERROR: 14
>AT+CPIN?
<+QIND: PB DONE
<+CPIN: READY
<OK
>AT+CGDCONT?
<+CGDCONT: 1,"IP","iot.example","0.0.0.0",0,0,0,0
<OK
>AT+CFUN=1
<OK
>AT+CEREG?
<+CEREG: 2,5,"5B2F","1A2D003",7
<OK
>AT+CREG?
<+CREG: 5,"5B2F","1A2D003",7
<+CREG: 2,5,"5B2F","1A2D003",7
<OK
>AT+CGREG?
<+CGREG: 0,0
<OK
>AT+CSQ
<+QIND: "csq",18,99
<+CSQ: 99,99
<OK
>AT+CGATT?
<+CGATT: 0
<OK
>AT+CGATT=1
<OK
>ATD*99#
<ERROR
>AT+CGDATA="PPP",1
<CONNECT 150000000
"""


class Line:
    """A modem port that follows a transcript and fails at the first byte that differs."""

    baud = 115_200
    key_on_ms = key_off_ms = 500

    def __init__(self, transcript):
        self._left = [line for line in transcript.strip().split("\n") if line]
        self._input = bytearray()
        self.speeds = []

    def open(self, baud):
        self.speeds.append(baud)

    def write(self, data):
        expected = self._left.pop(0)
        assert expected == ">" + data.decode().rstrip("\r"), expected
        while self._left and not self._left[0].startswith(">"):
            line = self._left.pop(0)
            if line.startswith("raw<"):
                self._input += line[4:].encode().decode("unicode_escape").encode("latin-1")
            elif line == "<echo":
                self._input += data + b"\r\n"[1:]
            else:
                self._input += ("\r\n%s\r\n" % line[1:]).encode()

    def readinto(self, buf):
        n = min(len(buf), len(self._input), 7)  # half lines
        buf[:n] = self._input[:n]
        del self._input[:n]
        return n

    def is_through(self):
        return self._left == []


def test_a_simcom_with_a_pin_and_another_access_point(time):
    line = Line(A7670_WITH_PIN)
    secrets = with_pin("1234")
    facts, lines = dial(time, line, secrets=secrets)
    assert line.is_through() and facts == (False, -67)
    assert secrets.values["cellular:tried"] == ""
    assert "1234" not in "".join(lines)


def test_a_quectel_that_reports_in_between_and_roams(time):
    line = Line(EC200_THAT_REPORTS)
    facts, _ = dial(time, line, roaming=True)
    assert line.is_through() and facts == (True, None)


# -- framing ----------------------------------------------------------------------------------


class Mouth:
    """A port that says what a test wrote, whatever it is asked."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.sent = b""

    def write(self, data):
        self.sent += data

    def readinto(self, buf):
        if not self.sent or not self.pieces:
            return 0
        n = min(len(buf), len(self.pieces[0]))
        buf[:n] = self.pieces[0][:n]
        self.pieces[0] = self.pieces[0][n:]
        if not self.pieces[0]:
            self.pieces.pop(0)
        return n


@pytest.mark.parametrize(
    "said, result, lines",
    [
        (b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n", "OK", ["20,99"]),
        (b"\xff\x00+CSQ: 20,99\n\nOK\n", "OK", ["20,99"]),
        (b"RING\r\n+CREG: 1\r\n\r\n+CSQ: 20,99\r\nOK\r\n", "OK", ["20,99"]),
        (b"\r\n+CME ERROR: 10\r\n", "CME 10", []),
        (b"\r\n+CME ERROR: SIM not inserted\r\n", "CME 10", []),
        (b"\r\n+CME ERROR: something new\r\n", "ERROR", []),
        (b"\r\n+CMS ERROR: 500\r\n", "CME 500", []),
        (b"\r\nERROR\r\n", "ERROR", []),
        (b"OKAY\r\nNOK\r\n", "", []),
        (b"+CSQ: 1", "", []),
        (b"", "", []),
        (b"+CSQ: 1,2\r\n" * 40 + b"OK\r\n", "OK", ["1,2"] * 8),
        (b"A" * 5000 + b"\r\nOK\r\n", "OK", []),
    ],
)
def test_an_answer_is_told_from_everything_else(time, said, result, lines):
    found = fakes.run(At(Mouth(said)).ask("AT+CSQ", 3000, "+CSQ:"), time)
    assert found == (result, lines) and time.seconds <= 3.1


@given(st.binary(max_size=400), st.integers(1, 70))
def test_whatever_comes_the_wait_is_bounded_and_the_answer_plain(said, size):
    time = fakes.Time()
    pieces = [said[i : i + size] for i in range(0, len(said), size)]
    from device import compat

    kept, compat.time = compat.time, time
    try:
        result, lines = fakes.run(At(Mouth(*pieces)).ask("AT+CSQ", 1000, "+CSQ:"), time)
    finally:
        compat.time = kept
        if time.runner:
            time.runner.close()
    assert time.seconds <= 1.1 and len(lines) <= 8
    assert all(32 <= ord(letter) < 127 for letter in result + "".join(lines))


def test_the_answer_to_an_earlier_question_is_not_taken_for_this_one(time):
    modem = Modem({"family": "simcom", "latency_ms": 700, "baud": 115_200})
    at = At(modem)

    async def two():
        first = await at.ask("AT+CSQ", 300, "+CSQ:")
        await asyncio.sleep(1)
        return first, await at.ask("AT+CGATT?", 3000, "+CGATT:")

    assert fakes.run(two(), time) == (("", []), ("OK", ["1"]))


def test_fields():
    assert fields('1,"IP","a,b",0') == ["1", "IP", "a,b", "0"]
    assert fields("") == [""] and fields(' 3 , "x') == ["3", "x"]
