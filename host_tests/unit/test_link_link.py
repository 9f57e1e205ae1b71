"""link.link: only a real exchange proves the way out (field case B34)."""

import asyncio

import fakes
import pytest

from device.errors import Transient
from device.link.link import Link, Way


class Wifi:
    """Joins in join_s unless `ends` says otherwise; counts what is asked of it."""

    def __init__(self, time, join_s=1.0, ends="up"):
        self._time = time
        self._join_s = join_s
        self.ends = ends
        self.state = "idle"
        self.connects = []
        self.leaves = 0
        self.connect_faults = []
        self._since = 0

    def connect(self, ssid, password):
        self.connects.append((ssid, password))
        if self.connect_faults:
            raise self.connect_faults.pop(0)
        self.state, self._since = "joining", self._time.seconds

    def status(self):
        if self.state == "joining" and self._time.seconds - self._since >= self._join_s:
            self.state = self.ends
        return self.state

    def disconnect(self):
        self.leaves += 1
        self.state = "idle"

    def is_up(self):
        return self.status() == "up"

    def address(self):
        return "192.0.2.7" if self.status() == "up" else None

    def rssi_dbm(self):
        return -60


NETWORKS = [("home", "secret-1"), ("office", "secret-2")]


class Bench:
    def __init__(self, time, networks=NETWORKS[:1], **wifi):
        self.time = time
        self.wifi = Wifi(time, **wifi)
        self.log, self.lines = fakes.make_log()
        self.changes = []
        secrets = fakes.Secrets()
        secrets.values.update({"wifi:" + name: password for name, password in networks})
        ways = [Way("wifi", name, self.wifi, secrets) for name, _ in networks]
        self.probes = []  # what each finds; None: the way is proved
        self.link = Link(
            ways, self.changes.append, self.log, lambda: True, self._probe, None, None
        )
        self.check_ins = []

    async def _probe(self, is_doubted):
        return self.probes.pop(0) if self.probes else None, True

    def run(self, seconds, *steps):
        """steps: pairs (at second, function)."""

        async def main():
            start = self.time.seconds
            task = asyncio.create_task(self.link.run(self._check_in))
            for at, change in steps:
                await asyncio.sleep(start + at - self.time.seconds)
                change()
            await asyncio.sleep(start + seconds - self.time.seconds)
            fakes.stop(task)

        fakes.run(main(), self.time)

    def _check_in(self, within_ms):
        if self.check_ins:
            before, limit = self.check_ins[-1]
            assert self.time.seconds - before <= limit, "overdue"
        self.check_ins.append((self.time.seconds, within_ms / 1000))


def test_it_joins_and_says_so(time):
    b = Bench(time)
    assert not b.link.is_up() and b.link.reason == "link_down"
    b.run(10)
    assert b.link.is_up() and b.changes == [True] and len(b.wifi.connects) == 1
    assert b.link.as_dict() == {
        "up": True,
        "proved": False,
        "way": "wifi",
        "joins": 1,
        "step": "join",
        "rssi_dbm": -60,
    }


def test_without_networks_it_says_so_and_does_nothing(time):
    b = Bench(time, networks=[])
    b.run(4000)
    assert b.link.reason == "no_wifi_configured" and b.wifi.connects == []
    assert b.link.as_dict()["reason"] == "no_wifi_configured"


@pytest.mark.parametrize(
    "ends, reason",
    [("not_found", "wifi_not_found"), ("refused", "wifi_refused"), ("failed", "link_down")],
)
def test_a_join_that_fails_has_its_reason_and_is_tried_again_ever_more_rarely(time, ends, reason):
    b = Bench(time, ends=ends)
    b.run(3600)
    assert b.link.reason == reason and b.changes == []
    assert 12 <= len(b.wifi.connects) <= 22 and b.wifi.leaves == len(b.wifi.connects)


def test_a_join_that_never_ends_is_left(time):
    b = Bench(time, join_s=10**6)
    b.run(21)
    assert (b.link.reason, b.wifi.leaves) == ("link_down", 1)


def test_networks_take_turns(time):
    b = Bench(time, networks=NETWORKS, ends="not_found")
    b.run(60)
    assert b.wifi.connects[:4] == [NETWORKS[0], NETWORKS[1], NETWORKS[0], NETWORKS[1]]


def test_a_port_that_raises_is_handled(time):
    b = Bench(time)
    b.wifi.connect_faults = [Transient("wifi_error", "Wifi Internal Error")] * 2
    b.run(60)
    assert b.link.is_up() and len(b.wifi.connects) == 3


def test_up_in_name_only_is_left_and_joined_again(time):
    b = Bench(time)
    dead = lambda: b.link.exchange_failed("timeout")  # noqa: E731
    b.probes = [None, "timeout", "timeout", "timeout"]
    b.run(120, (20, dead))
    assert b.changes == [True, False, True] and b.wifi.leaves == 1
    assert any("link down way=wifi reason=link_dead" in line for line in b.lines)


def test_what_others_could_not_reach_is_asked_for_before_the_way_is_left(time):
    b = Bench(time)
    b.run(3600, *[(20 + 30 * n, lambda: b.link.exchange_failed("timeout")) for n in range(100)])
    assert b.changes == [True], "each probe was answered"


def test_an_answer_in_between_proves_the_way(time):
    b = Bench(time)
    b.probes = [None] + ["timeout", "timeout", None] * 30
    steps = [(20 + n, lambda: b.link.exchange_failed("timeout")) for n in range(0, 3500, 100)]
    b.run(3600, *steps)
    assert b.changes == [True] and b.wifi.leaves == 0


def test_a_link_that_drops_comes_back_and_both_are_told(time):
    b = Bench(time)
    b.run(30, (10, lambda: setattr(b.wifi, "state", "idle")))
    assert b.changes == [True, False, True] and b.link.is_up()


def test_each_loss_begins_with_a_short_wait_again(time):
    b = Bench(time, ends="not_found")
    b.run(2000)
    b.wifi.ends = "up"
    b.run(600)
    assert b.link.is_up()
    before = b.time.seconds
    b.run(10, (3, lambda: setattr(b.wifi, "state", "idle")))
    assert b.link.is_up() and b.time.seconds - before == pytest.approx(10)


def test_no_password_in_log_or_status(time):
    b = Bench(time, networks=NETWORKS, ends="refused")
    b.run(600)
    assert "secret" not in "".join(b.lines) + str(b.link.as_dict())


def test_it_checks_in_at_all_times(time):
    for ends in ("up", "refused"):
        Bench(time, ends=ends).run(3600)
    Bench(time, networks=[]).run(3600)


def test_put_to_rest_it_leaves_says_why_and_comes_back_at_once(time):
    b = Bench(time)
    b.run(10, (5, lambda: b.link.hold("battery_low")))
    assert (b.link.is_up(), b.link.is_resting(), b.link.reason) == (False, True, "battery_low")
    assert b.wifi.leaves == 1 and b.changes == [True, False]
    assert 0 < b.link.pause_ms() <= 300_000
    b.run(7 * 3600)
    assert len(b.wifi.connects) == 1, "nothing is tried while it rests"
    b.run(3, (1, lambda: b.link.release()))
    assert b.link.is_up() and not b.link.is_resting() and b.link.pause_ms() == 0


def test_put_to_rest_before_the_first_attempt_it_never_begins(time):
    b = Bench(time)
    b.link.hold("brown_out")
    b.run(60)
    assert b.wifi.connects == [] and b.link.reason == "brown_out" and b.link.is_resting()


def test_put_to_rest_while_it_joins_and_while_it_waits_to_try_again(time):
    b = Bench(time, join_s=10.0)
    b.run(8, (5, lambda: b.link.hold("nothing_to_send")))
    assert b.link.reason == "nothing_to_send" and b.wifi.state == "idle"
    b = Bench(time, ends="not_found")
    b.run(200)
    assert b.link.reason == "wifi_not_found" and b.link.pause_ms() > 0
    b.run(5, (1, lambda: b.link.hold("nothing_to_send")))
    assert b.link.reason == "nothing_to_send" and b.link.is_resting()


def test_without_networks_a_rest_and_its_end_are_told_too(time):
    b = Bench(time, networks=[])
    b.run(5, (1, lambda: b.link.hold("battery_low")))
    assert b.link.reason == "battery_low"
    b.run(5, (1, lambda: b.link.release()))
    assert b.link.reason == "no_wifi_configured"


def test_it_rests_only_once_the_radio_is_off(time):
    """The board may sleep from then on, and a radio does not survive that."""
    b = Bench(time, join_s=10.0)
    states = []

    def hold():
        b.link.hold("battery_low")
        states.append((b.link.is_resting(), b.wifi.state))

    b.run(8, (5, hold), (6, lambda: states.append((b.link.is_resting(), b.wifi.state))))
    assert states == [(False, "joining"), (True, "idle")]
