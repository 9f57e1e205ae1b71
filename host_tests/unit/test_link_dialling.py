"""link.dialling over a modem with its own mind, of either family and with every fault."""

import asyncio
import random

import fakes
import pytest

from device.errors import NeedsOperator, Transient
from device.hal.sim.modem import Modem
from device.link import dialling


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
