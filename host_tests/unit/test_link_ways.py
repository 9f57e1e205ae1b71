"""link.link over several ways: which one is taken, when another, and which the settings close."""

import pytest
from link_world import HOUR, MINUTE, World


@pytest.fixture
def world(time, tmp_path):
    return lambda **options: World(time, tmp_path, **options)


# -- which way --------------------------------------------------------------------------------


def test_wifi_first_and_4g_where_there_is_none(world):
    w = world()
    w.run(MINUTE)
    assert w.link.kind == "wifi" and w.link.as_dict()["proved"] and w.modem.starts == 0
    w.radio.in_reach = set()
    w.run(2 * MINUTE)
    assert w.link.kind == "4g" and w.link.is_up() and w.link.as_dict()["proved"]
    assert w.link.rssi_dbm() == -75


def test_4g_first_where_the_settings_say_so(world):
    w = world(first="cellular")
    w.run(MINUTE)
    assert w.link.kind == "4g" and w.radio.connects == []
    w.modem.spec["network"] = "none"
    w.modem.spec["ppp_silent"] = True
    w.run(10 * MINUTE)
    assert w.link.kind == "wifi" and w.link.as_dict()["proved"]


def test_back_to_wifi_when_its_rest_is_over_and_no_clip_is_in_hand(world):
    w = world()
    w.radio.in_reach = set()
    w.run(2 * MINUTE)
    assert w.link.kind == "4g"
    w.radio.in_reach = {"home"}
    w.idle = False
    w.run(6 * MINUTE)
    assert w.link.kind == "4g" and not w.link.is_up(), "no new clip begins"
    w.idle = True
    w.run(10)
    assert w.link.kind == "wifi" and w.link.is_up()
    assert not w.modem.modem.data_mode and w.modem.modem.heard[-1] == "AT+CFUN=4"


def test_a_clip_that_never_ends_does_not_hold_the_lane_back_for_ever(world):
    w = world()
    w.radio.in_reach = set()
    w.run(2 * MINUTE)
    w.idle = False
    w.run(20 * MINUTE)
    assert w.link.is_up() and w.link.kind == "4g"


def test_hysteresis_a_day_without_wifi(world):
    """Wi-Fi out of reach is looked for ever more rarely, and costs next to no time of 4G."""
    w = world()
    w.radio.in_reach = set()
    w.run(24 * HOUR)
    assert len(w.radio.connects) <= 30
    assert len(w.sent) > 0.98 * 24 * 120


def test_hysteresis_wifi_that_joins_and_is_dead(world):
    w = world()
    w.fates["home"] = "timeout"
    w.run(24 * HOUR)
    assert len(w.radio.connects) <= 35, "not a flip-flop"
    assert len(w.sent) > 0.93 * 24 * 120
    w.fates.clear()
    w.run(70 * MINUTE)
    assert w.link.kind == "wifi"


def test_the_network_that_was_good_last_is_tried_first_after_a_boot(world):
    w = world(names=("home", "office"), modem=False)
    w.radio.in_reach = {"office"}
    w.run(MINUTE)
    w.boot()
    del w.radio.connects[:]
    w.run(3 * MINUTE)
    assert [ssid for _, ssid in w.radio.connects] == ["office"]
    w.radio.in_reach = {"home", "office"}
    w.run(10 * MINUTE)
    assert w.radio.joined == "home", "and the most wanted one when its time has come"
    w.run(5 * MINUTE)
    w.boot()
    del w.radio.connects[:]
    w.run(MINUTE)
    assert [ssid for _, ssid in w.radio.connects] == ["home"]


# -- ways that a rule of the settings closes --------------------------------------------------


def closed(**codes):
    """A planner's `shut` for which each kind of way has such a code, or none."""
    return lambda kind: (codes.get("lte" if kind == "4g" else kind), 60_000)


def test_a_way_that_is_closed_is_never_started(world):
    w = world()
    w.radio.in_reach = set()
    w.link.permits = closed(lte="cap_month")
    w.run(HOUR)
    assert not w.modem.modem.heard and not w.modem.starts
    assert w.link.reason == "cap_month", "what would end the wait, not wifi_not_found"
    assert w.link.shut() == ("cap_month", 60_000)
    w.link.permits = closed()
    w.run(6 * MINUTE)
    assert w.link.is_up() and w.link.kind == "4g" and w.link.shut() == (None, 0)


def test_a_way_that_is_closed_meanwhile_is_left_between_two_clips(world):
    w = world(names=())
    w.run(10 * MINUTE)
    w.idle = False
    w.link.permits = closed(lte="off_peak")
    w.run(10 * MINUTE)
    assert w.link.is_up(), "the clip in hand goes through"
    w.idle = True
    w.run(20)
    assert not w.link.is_up() and w.link.reason == "off_peak"
    assert w.modem.modem.heard[-1] == "AT+CFUN=4"
    starts = w.modem.starts
    w.run(HOUR)
    assert w.modem.starts == starts and not w.link.deaths
    w.link.permits = closed()
    w.run(6 * MINUTE)
    assert w.link.is_up()


def test_a_rule_that_holds_no_longer_is_noticed_at_once_where_somebody_says_so(world):
    w = world(names=())
    w.link.permits = closed(lte="cap_day")
    w.run(10 * MINUTE)
    w.link.permits = closed()
    w.link.look_again()
    assert w.link.reason == "link_down" and w.link.shut() == (None, 0)
    w.run(10)
    assert w.link.is_up()
    w.link.look_again()
    assert w.link.is_up()
    w.link.hold("battery_low")
    w.run(10)
    w.link.look_again()
    w.run(MINUTE)
    assert w.link.reason == "battery_low" and w.link.is_resting()


def test_out_of_hours_the_only_way_comes_back_on_the_minute(world):
    w = world(names=())
    opens = w.time.seconds + 2 * HOUR + 100
    w.link.permits = lambda kind: (
        (None, 0)
        if w.time.seconds >= opens
        else ("off_peak", round(1000 * (opens - w.time.seconds)))
    )
    w.run(2 * HOUR + 130)
    assert w.link.is_up()


def test_a_better_way_that_is_spent_makes_room_for_the_other(world):
    w = world()
    w.run(10 * MINUTE)
    assert w.link.kind == "wifi"
    w.link.permits = closed(wifi="cap_day")
    w.run(2 * MINUTE)
    assert w.link.is_up() and w.link.kind == "4g"
    starts = w.modem.starts
    w.link.permits = lambda kind: ("cap_day", 8 * HOUR * 1000) if kind == "wifi" else (None, 0)
    w.run(5 * HOUR)
    assert w.modem.starts - starts <= 7, "not hung up all the time to look for it"
    w.link.permits = closed()
    w.run(9 * HOUR)
    assert w.link.kind == "wifi"


def test_where_only_the_time_could_tell_the_way_may_bring_it(world):
    w = world(names=())
    w.link.permits = closed(lte="clock_wait")
    w.run(10 * MINUTE)
    assert w.link.is_up()


def test_no_secret_in_log_or_status(world):
    w = world()
    w.run(HOUR)
    assert "tok_abc" not in "".join(w.lines) + str(w.link.as_dict())
