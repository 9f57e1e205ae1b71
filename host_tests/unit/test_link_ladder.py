"""link.link brings a dead way back step by step, and stops at any step where it is held (B38)."""

import pytest
from link_world import HOUR, MINUTE, World


@pytest.fixture
def world(time, tmp_path):
    return lambda **options: World(time, tmp_path, **options)


# -- the ladder -------------------------------------------------------------------------------


def test_the_ladder_of_wifi_ends_with_one_planned_reset(world):
    w = world(modem=False)
    w.run(5 * MINUTE)
    w.fates["home"] = "timeout"
    w.run(HOUR)
    assert w.steps[:3] == ["join", "rejoin", "radio_off"]
    assert w.resets == ["link_dead"], "once an outage"
    pauses = [
        at - max(off for off in w.radio.off_times if off <= at)
        for at, _ in w.radio.connects
        if any(off <= at for off in w.radio.off_times)
    ]
    assert max(pauses) >= 29, "the radio was off for a while"
    w.boot()  # what was planned took place, and the outage goes on
    w.run(2 * HOUR)
    assert w.resets == ["link_dead"]
    w.fates.clear()
    w.run(10 * MINUTE)
    assert w.link.as_dict()["proved"]
    w.fates["home"] = "timeout"
    w.run(HOUR)
    assert len(w.resets) == 2, "another outage"


def test_a_driver_that_refuses_climbs_too(world):
    w = world(modem=False)
    w.radio.driver_fault = True
    w.run(HOUR)
    assert w.resets == ["wifi_error"] and w.link.reason == "wifi_error"
    w.radio.driver_fault = False
    w.run(6 * MINUTE)
    assert w.link.is_up()


@pytest.mark.parametrize("fault", [{"no_sim": True}, {"network": "denied"}, {"pin": "1234"}])
def test_what_a_reset_does_not_cure_plans_none_or_one(world, fault):
    w = world(names=(), spec=fault)
    w.run(6 * HOUR)
    assert len(w.resets) <= (1 if "no_sim" in fault else 0)
    assert w.link.reason in ("sim_absent", "cellular_denied", "sim_pin_needed")


def test_no_network_in_reach_is_nobodys_fault(world):
    w = world(modem=False)
    w.radio.in_reach = set()
    w.run(24 * HOUR)
    assert w.resets == [] and w.link.reason == "wifi_not_found"


def test_a_modem_that_carries_nothing_for_45_minutes(world):
    """B38: PPP says connected, takes every byte, and nothing comes back."""
    w = world(names=())
    w.run(5 * MINUTE)
    begun = w.time.seconds
    w.modem.spec["ppp_silent"] = True
    w.run(45 * MINUTE)
    left = [at for at, up, _ in w.history if at > begun and not up]
    assert left[0] - begun < 4 * MINUTE, "found by our own limits"
    assert w.steps[:3] == ["dial", "redial", "power"]
    assert len(w.resets) <= 1
    w.modem.spec["ppp_silent"] = False
    w.run(3 * MINUTE)
    assert w.link.as_dict()["proved"] and w.sent[-1] > w.time.seconds - 60


@pytest.mark.parametrize("silent, limit_s", [("until_power", 10 * MINUTE), (True, 45 * MINUTE)])
def test_a_modem_that_falls_silent(world, silent, limit_s):
    w = world(names=(), spec={"has_supply": True})
    w.run(2 * MINUTE)
    w.modem.spec.update(silent=silent, ppp_silent=silent)
    w.run(limit_s)
    if silent == "until_power":
        assert w.link.as_dict()["proved"] and "power" in w.steps
    else:
        assert w.link.reason == "modem_silent" and len(w.resets) == 1
        w.modem.spec.update(silent=None, ppp_silent=False)
        w.run(8 * MINUTE)
        assert w.link.as_dict()["proved"]


def test_ppp_that_does_not_end_costs_the_modem_its_power(world):
    w = world(names=())
    w.run(2 * MINUTE)
    w.modem.spec["ppp_stuck"] = True
    w.modem.spec["ppp_silent"] = True
    w.run(5 * MINUTE)
    w.modem.spec.update(ppp_stuck=False, ppp_silent=False)
    w.run(3 * MINUTE)
    assert w.link.as_dict()["proved"] and any("power is cycled" in line for line in w.lines)


def test_one_way_after_the_other_through_a_bad_day(world):
    """Everything in turn: never both ways up, always a reason, and what is whole again is used."""
    w = world(names=("home", "office"))
    for fates, reach, spec in (
        ({"home": "portal"}, {"home"}, {}),
        ({}, set(), {"ppp_silent": True}),
        ({"4g": "dns_failed"}, {"office"}, {"ppp_silent": False}),
        ({"4g": "timeout", "office": "timeout", "home": "timeout"}, {"home", "office"}, {}),
        ({}, set(), {"no_carrier": True}),
        ({}, set(), {"no_carrier": False, "silent": "until_power"}),
    ):
        w.fates, w.radio.in_reach = fates, reach
        w.modem.spec.update(spec)
        w.run(40 * MINUTE)
    w.fates, w.radio.in_reach = {}, {"home"}
    w.run(70 * MINUTE)
    assert w.link.as_dict()["proved"] and w.radio.joined == "home"


# -- held meanwhile ---------------------------------------------------------------------------


def test_the_radios_are_off_while_somebody_holds_them(world):
    w = world()
    w.run(MINUTE)
    w.link.hold("clock_wait")
    w.run(10)
    assert not w.link.is_up() and w.radio.joined is None and w.link.reason == "clock_wait"
    w.run(HOUR)
    assert len(w.radio.connects) == 1 and w.modem.starts == 0
    w.link.release()
    w.run(10)
    assert w.link.is_up()


@pytest.mark.parametrize(
    "fault, rung",
    [
        ({"latency_ms": 300, "family": "simcom"}, 0),
        ({"is_on": False}, 0),
        ({"silent": True}, 0),
        ({"silent": True}, 3),
        ({"network": "none"}, 0),
        ({"sim_busy_ms": 60_000, "family": "simcom"}, 0),
        ({"latency_ms": 300}, 2),
    ],
    ids=str,
)
def test_a_dialling_is_interrupted_at_any_moment_and_hung_up(world, fault, rung):
    """Then it dials anew, with no rung more than it had."""
    for after_s in (1, 2, 4, 7, 11, 18):
        w = world(names=(), spec=fault)
        w.link.ways[0].rung = rung
        w.run(after_s, lane=False)
        before = w.link.ways[0].rung, w.link.deaths
        w.link.hold("battery_low")
        for _ in range(20):
            if not w.link.is_resting():
                w.run(1)
        assert w.link.is_resting(), after_s
        modem = w.modem.modem
        assert w.modem.data_status() == "idle" and not modem.data_mode, after_s
        hung_up = modem.heard[-1:] == ["AT+CFUN=4"]  # or heard nothing: its power goes next
        assert hung_up or w.link.ways[0].is_stuck, (after_s, modem.heard)
        assert (w.link.ways[0].rung, w.link.deaths) == before, "not the way's fault"
        heard = len(modem.heard)
        w.run(MINUTE)
        assert len(modem.heard) == heard and w.link.reason == "battery_low"
        w.modem.spec.update(silent=None, network="home", sim_busy_ms=0, ppp_silent=False)
        w.link.release()
        for _ in range(12):
            if not w.link.is_up():
                w.run(10)
        assert w.link.is_up(), after_s


@pytest.mark.parametrize("rung", [0, 2])
def test_a_joining_is_interrupted_within_a_second(world, rung):
    w = world(modem=False)
    w.link.ways[0].rung = rung
    w.radio.status = lambda: "joining"
    w.run(5, lane=False)
    assert not w.link.is_up() and bool(w.radio.connects) == (rung == 0)
    w.link.hold("battery_low")
    w.run(1.5)
    assert w.link.is_resting() and w.radio.joined is None
    assert len(w.radio.connects) == (rung == 0) and not w.link.deaths
