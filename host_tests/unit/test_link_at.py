"""link.at and link.dialling over transcripts of two families of modems, and over a scripted one.

The transcripts are written after the formats in the manuals: SIMCom "A7600 Series AT Command
Manual" V1.01 and Quectel "EC20 AT Commands Manual" V1.3. A line ">" is what we send,
"<" what the modem sends (line ends around it unless it says `raw`), "<echo" the echo of what was
sent last.
"""

import asyncio
import random

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import NeedsOperator, Transient
from device.hal.sim.modem import Modem
from device.link import dialling
from device.link.at import At, fields

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


def dial(time, modem, rung=0, roaming=False, secrets=None, apn="iot.example"):
    """((roaming, dBm), lines of the log) of one call; raises as it does."""
    log, lines = fakes.make_log()
    wanted = {"apn": apn, "roaming": roaming}
    secrets = secrets or fakes.Secrets()
    fakes.run(dialling.call(modem, wanted, secrets, rung, log), time)
    return (modem.is_roaming, modem.signal_dbm), lines


def with_pin(pin):
    secrets = fakes.Secrets()
    secrets.values["cellular:pin"] = pin
    return secrets


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


# -- a modem with its own mind ----------------------------------------------------------------


@pytest.fixture(params=["simcom", "quectel"])
def family(request):
    return request.param


def test_from_the_factory_speed_to_data(time, family):
    modem = Modem({"family": family, "noise": True})
    facts, _ = dial(time, modem)
    assert modem.modem.data_mode and modem.modem.baud == 460_800
    assert facts == (False, -75) and time.seconds < 15


def test_one_that_is_off_is_switched_on_by_its_key(time, family):
    modem = Modem({"family": family, "is_on": False})
    dial(time, modem)
    assert modem.modem.data_mode and time.seconds < 60


def test_one_that_still_carries_the_data_of_before_a_reset(time, family):
    modem = Modem({"family": family, "baud": 115_200})
    dial(time, modem)
    assert modem.modem.data_mode
    dial(time, modem)  # a reset of ours knows nothing of the call
    assert modem.modem.data_mode and modem.modem.heard[-1] == "ATD*99#"


@pytest.mark.parametrize("has_supply", [True, False])
def test_the_rung_of_power_brings_back_one_that_hangs(time, family, has_supply):
    modem = Modem({"family": family, "silent": "until_power", "has_supply": has_supply})
    with pytest.raises(Transient) as error:
        dial(time, modem)
    assert error.value.code == "modem_silent" and time.seconds < 120
    dial(time, modem, rung=dialling.RUNG_POWER)
    assert modem.modem.data_mode


def test_one_that_stays_silent_is_given_up_in_time(time, family):
    with pytest.raises(Transient) as error:
        dial(time, Modem({"family": family, "silent": True}), rung=dialling.RUNG_POWER)
    assert error.value.code == "modem_silent" and time.seconds < 120


@pytest.mark.parametrize(
    "fault, code, kind, limit_s",
    [
        ({"no_sim": True}, "sim_absent", Transient, 40),
        ({"sim_busy_ms": 10**6}, "sim_busy", Transient, 40),
        ({"network": "denied"}, "cellular_denied", Transient, 70),
        ({"network": "none"}, "cellular_not_found", Transient, 150),
        ({"network": "roaming"}, "roaming", Transient, 20),
        ({"no_carrier": True}, "no_carrier", Transient, 20),
        ({"apn": "other.example"}, "no_carrier", Transient, 20),
        ({"pin": "1234"}, "sim_pin_needed", NeedsOperator, 20),
    ],
)
def test_each_failure_has_its_reason_in_time(time, family, fault, code, kind, limit_s):
    with pytest.raises(kind) as error:
        dial(time, Modem({"family": family, "noise": True, **fault}))
    assert error.value.code == code and time.seconds < limit_s


def test_a_sim_that_is_busy_for_a_while_is_waited_for(time, family):
    modem = Modem({"family": family, "sim_busy_ms": 8_000})
    dial(time, modem)
    assert modem.modem.data_mode and time.seconds > 7


def test_a_network_that_comes_late_is_waited_for(time, family):
    spec = {"family": family, "network": "none"}
    modem = Modem(spec)

    async def late():
        await asyncio.sleep(60)
        spec["network"] = "home"

    async def both():
        log, _ = fakes.make_log()
        wanted = {"apn": "a", "roaming": False}
        await asyncio.gather(dialling.call(modem, wanted, fakes.Secrets(), 0, log), late())

    fakes.run(both(), time)
    assert modem.modem.data_mode and 60 < time.seconds < 70


def test_roaming_where_it_is_allowed(time, family):
    facts, _ = dial(time, Modem({"family": family, "network": "roaming"}), roaming=True)
    assert facts[0] is True


# -- the PIN ----------------------------------------------------------------------------------


def test_a_wrong_pin_is_tried_once_and_never_again(time, family):
    modem = Modem({"family": family, "pin": "1234"})
    secrets = with_pin("9999")
    for _ in range(5):
        with pytest.raises(NeedsOperator) as error:
            dial(time, modem, secrets=secrets)
        assert error.value.code == "sim_pin_wrong"
        modem.modem.power(False)
        modem.modem.power(True)
    assert modem.modem.tries_left == 2
    assert [c for c in modem.modem.heard if "9999" in c] == ['AT+CPIN="9999"']
    secrets.values["cellular:pin"] = "1234"
    dial(time, modem, secrets=secrets)
    assert modem.modem.data_mode and modem.modem.tries_left == 3


def test_the_last_try_is_left_for_a_person(time, family):
    modem = Modem({"family": family, "pin": "1234"})
    for pin in ("1111", "2222", "3333", "4444"):
        with pytest.raises(NeedsOperator):
            dial(time, modem, secrets=with_pin(pin))
    assert modem.modem.tries_left == 1


def test_a_cut_while_the_pin_is_on_its_way_does_not_lock_a_right_one_out(time, family):
    """The mark that it was tried is there, and the SIM says that nobody got it wrong."""
    secrets = with_pin("1234")
    secrets.values["cellular:tried"] = "1234"
    modem = Modem({"family": family, "pin": "1234"})
    dial(time, modem, secrets=secrets)
    assert modem.modem.data_mode and secrets.values["cellular:tried"] == ""


def test_that_it_is_tried_is_durable_before_it_is_sent(time):
    secrets = with_pin("9999")
    modem = Modem({"family": "quectel", "pin": "1234"})
    seen = []
    take = modem.write

    def write(data):
        if b"+CPIN=" in data:
            seen.append(secrets.values.get("cellular:tried"))
        take(data)

    modem.write = write
    with pytest.raises(NeedsOperator):
        dial(time, modem, secrets=secrets)
    assert seen == ["9999"]


@pytest.mark.parametrize(
    "pin", ["", "12", "123456789", '1234";+CFUN=0', "abcd", "\u0661\u0662\u0663\u0664"]
)
def test_what_is_no_pin_is_not_tried(time, pin):
    modem = Modem({"family": "simcom", "pin": "1234"})
    with pytest.raises(NeedsOperator) as error:
        dial(time, modem, secrets=with_pin(pin))
    assert error.value.code == "sim_pin_needed" and modem.modem.tries_left == 3


def test_a_blocked_sim_is_said(time, family):
    modem = Modem({"family": family, "pin": "1234"})
    modem.modem.tries_left = 0
    with pytest.raises(NeedsOperator) as error:
        dial(time, modem, secrets=with_pin("1234"))
    assert error.value.code == "sim_blocked"
    assert not [c for c in modem.modem.heard if c.startswith("AT+CPIN=")]


# -- hanging up -------------------------------------------------------------------------------


def test_hanging_up_leaves_data_mode_and_puts_the_radio_off(time, family):
    modem = Modem({"family": family})
    dial(time, modem)
    assert fakes.run(dialling.hang_up(modem), time)
    assert not modem.modem.data_mode and modem.modem.heard[-1] == "AT+CFUN=4"
    dial(time, modem)
    assert modem.modem.data_mode


def test_hanging_up_a_silent_one_is_bounded(time):
    modem = Modem({"family": "simcom"})
    dial(time, modem)
    modem.spec["silent"] = True
    before = time.seconds
    assert not fakes.run(dialling.hang_up(modem), time)
    assert time.seconds - before < 10


def test_seeded_trouble_always_ends_in_a_reason_or_in_data(time):
    """300 modems with random faults: each call ends, within its limit, one way or the other."""
    rng = random.Random(20260301)
    from device.link.link import _START_MS

    ends = {}
    for _ in range(300):
        spec = {"family": rng.choice(["simcom", "quectel"]), "noise": rng.random() < 0.5}
        spec |= {"latency_ms": rng.choice([0, 50, 390, 900]), "is_on": rng.random() < 0.8}
        spec |= {"network": rng.choice(["home", "home", "roaming", "denied", "none"])}
        spec |= {"silent": rng.choice([None, None, None, True, "until_power"])}
        spec |= {"no_sim": rng.random() < 0.1, "no_carrier": rng.random() < 0.1}
        spec |= {"pin": rng.choice([None, None, "1234"])}
        before = time.seconds
        try:
            dial(time, Modem(spec), rung=rng.randrange(4), secrets=with_pin("1234"))
            code = "data"
        except (Transient, NeedsOperator) as e:
            code = e.code
        ends[code] = ends.get(code, 0) + 1
        assert (time.seconds - before) * 1000 < _START_MS, spec
    assert ends["data"] > 20 and len(ends) > 5, ends
