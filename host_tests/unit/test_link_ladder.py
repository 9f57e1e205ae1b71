"""link.link over several ways: which one, when another, and how a dead one is brought back (B34,
B38). Hours pass in virtual time; the modem is the scripted one, the lane tries every half minute.
"""

import asyncio

import fakes
import pytest

from device.errors import Transient
from device.hal.sim.modem import Modem
from device.link.link import Link, Way
from device.reasons import LANE, is_reason
from device.store.slots import Slots

INTERCEPTED = ("portal", "tls_untrusted", "tls_wrong_name")
SETTINGS = {"apn": "iot.example", "user": "", "auth": "none", "roaming": False}
MINUTE, HOUR = 60, 3600


class Radio:
    """Wi-Fi port: networks in reach join in a second. `opens`: what exchanges over it meet."""

    def __init__(self, time):
        self._time = time
        self.in_reach = {"home", "office"}
        self.driver_fault = False
        self.joined = None
        self.connects = []
        self.off_times = []
        self.lease = 7

    def connect(self, ssid, password):
        self.connects.append((round(self._time.seconds), ssid))
        if self.driver_fault:
            raise Transient("wifi_error", "Wi-Fi: Internal Error")
        self.joined = ssid
        self._since = self._time.seconds

    def status(self):
        if self.joined is None:
            return "idle"
        if self.joined not in self.in_reach:
            return "not_found"
        return "up" if self._time.seconds - self._since >= 1 else "joining"

    def disconnect(self):
        self.joined = None
        self.off_times.append(self._time.seconds)

    def is_up(self):
        return self.status() == "up"

    def address(self):
        return "192.0.2.%d" % self.lease if self.status() == "up" else None

    def rssi_dbm(self):
        return -60


class World:
    """A link with its ways, a lane that tries to send, and what each way meets out there."""

    def __init__(self, time, folder, names=("home",), modem=True, first="wifi", spec=()):
        self.time = time
        self.folder = folder
        self.radio = Radio(time)
        self.modem = Modem({"family": "quectel", "latency_ms": 30} | dict(spec)) if modem else None
        self.names, self.first = names, first
        self.fates = {}  # "home", "office" or "4g" -> code that exchanges end with
        self.idle = True
        self.has_time = True
        self.resets = []
        self.history = []  # (second, up, kind)
        self.sent = []  # second of each exchange that succeeded
        self.tasks = []
        self.due = None
        self.boot()

    def boot(self):
        for task in self.tasks:
            task.cancel()
        self.tasks = []
        secrets = fakes.Secrets()
        self.log, self.lines = fakes.make_log()
        ways = [Way("wifi", name, self.radio, secrets) for name in self.names]
        if self.modem:
            cellular = Way("4g", "4g", self.modem, secrets, SETTINGS)
            ways.insert(0 if self.first == "cellular" else len(ways), cellular)
        self.link = Link(
            ways,
            self._changed,
            self.log,
            lambda: self.idle,
            self._probe,
            self.resets.append,
            Slots("link1", str(self.folder) + "/link"),
        )
        self.steps = []

    def _changed(self, up):
        self.history.append((round(self.time.seconds), up, self.link.kind))

    def _fate(self):
        if self.link.kind == "4g":
            name = "4g"
            if not self.modem.carries():
                return "timeout"
        else:
            name = self.radio.joined
            if self.radio.status() != "up":
                return "link_down"
        return self.fates.get(name)

    async def _probe(self, is_doubted):
        """As link/probe.py: in doubt the time server alone is asked."""
        fate = self._fate()
        await asyncio.sleep(2 if fate == "timeout" else 0.5)
        if fate in INTERCEPTED:
            return ("away", True) if is_doubted else (fate, True)
        if is_doubted and fate is None:
            fate = "away"
        return fate, fate in (None, "away") and self.has_time

    async def _lane(self):
        while True:
            await asyncio.sleep(30)
            if not self.link.is_up():
                continue
            code = self._fate()
            if code == "timeout":
                await asyncio.sleep(15)
            code = "timeout" if code == "away" else code
            if code:
                self.link.exchange_failed(code)
            else:
                self.link.exchange_succeeded()
                self.sent.append(self.time.seconds)

    async def _watch_steps(self):
        while True:
            await asyncio.sleep(0.5)
            assert is_reason(LANE, self.link.reason), self.link.reason
            assert not (self.radio.joined and self.modem and self.modem.is_up()), "one at a time"
            step = self.link.current.step if self.link.current else ""
            if not self.steps or self.steps[-1] != step:
                self.steps.append(step)

    def run(self, seconds, lane=True):
        """The tasks live on from one run to the next, until boot()."""

        async def main():
            if not self.tasks:
                self.due = None
                works = [self.link.run(self._check_in), self._watch_steps()]
                works += [self._lane()] if lane else []
                self.tasks = [asyncio.create_task(work) for work in works]
            await asyncio.sleep(seconds)
            for task in self.tasks:
                assert not task.done() or task.result()

        fakes.run(main(), self.time)

    def _check_in(self, within_ms):
        assert self.due is None or self.time.seconds <= self.due, "overdue"
        self.due = self.time.seconds + within_ms / 1000


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


# -- found dead -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["portal", "tls_untrusted", "tls_wrong_name"])
def test_somebody_else_who_answers_drives_it_to_the_other_way(world, code):
    w = world()
    w.fates["home"] = code
    w.run(90)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]
    assert any(code in line for line in w.lines)


def test_a_portal_on_the_only_way_is_said_and_waited_for(world):
    w = world(modem=False)
    w.fates["home"] = "portal"
    w.run(HOUR)
    assert w.link.as_dict()["trouble"] == "portal" and len(w.radio.connects) <= 2
    assert w.resets == []
    w.fates.clear()
    w.run(2 * MINUTE)
    assert w.link.as_dict()["proved"] and "trouble" not in w.link.as_dict()


@pytest.mark.parametrize("code", ["timeout", "dns_failed", "connection_lost", "connect_failed"])
def test_a_dead_way_is_left_within_minutes(world, code):
    """A gateway that is dead, a name server that lies: any code."""
    w = world()
    w.run(5 * MINUTE)
    w.fates["home"] = code
    begun = w.time.seconds
    w.run(5 * MINUTE)
    left = [at for at, up, _ in w.history if at > begun and not up]
    assert left and left[0] - begun < 3 * MINUTE and w.link.kind == "4g"


def test_a_dead_way_is_left_though_nothing_is_sent(world):
    w = world()
    w.fates["home"] = "timeout"
    w.run(4 * MINUTE, lane=False)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]


def test_a_cloud_that_is_away_for_an_hour_is_not_a_dead_way(world):
    w = world(modem=False)
    w.run(MINUTE)
    w.fates["home"] = "away"
    w.run(HOUR)
    assert len(w.radio.connects) == 1 and w.resets == [] and w.link.is_up()
    w.fates.clear()
    w.run(40)
    assert w.sent[-1] > w.time.seconds - 40, "within one try it goes on"


def test_where_no_time_server_answers_its_silence_counts_less(world):
    """A firewall that lets only HTTPS pass, and a cloud that is away for some minutes."""
    w = world(modem=False)
    w.has_time = False
    w.run(MINUTE)
    w.fates["home"] = "timeout"
    w.run(5 * MINUTE)
    w.fates.clear()
    w.run(MINUTE)
    assert len(w.radio.connects) == 1 and w.link.as_dict()["proved"]
    w.fates["home"] = "timeout"
    w.run(10 * MINUTE)
    assert len(w.radio.connects) == 2, "but a way that is dead is found there too"


def test_an_answer_of_the_time_server_alone_is_not_enough_for_ever(world):
    """Small packets pass and large ones do not: perhaps another way carries both."""
    w = world()
    w.fates["home"] = "away"
    w.run(6 * MINUTE)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]


def test_another_address_means_new_sockets(world):
    w = world(modem=False)
    w.run(MINUTE)
    assert [up for _, up, _ in w.history] == [True]
    w.radio.lease = 9
    w.run(10)
    assert [up for _, up, _ in w.history][-2:] == [False, True]


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
