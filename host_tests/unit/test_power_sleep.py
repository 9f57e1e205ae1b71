"""power: when the board sleeps, for how long, and what wakes it or keeps it awake."""

import fakes
import pytest
from power_bench import HOUR_S, Bench


def test_it_sleeps_in_slices_of_a_third_of_the_watchdogs_limit(time):
    b = Bench(time)
    b.run(2 * HOUR_S)
    assert set(b.port.slices) == {20_000}
    state = b.keeper.as_dict()
    assert state["sleeps"] == 1 and 2 * HOUR_S - 140 <= state["slept_s"] <= 2 * HOUR_S - 100
    assert b.indicator.is_asleep and state["woken_by"] == "time"


class Supervisor:
    """What the saver tells; the watchdog's limit that is in force."""

    def __init__(self, port):
        self.port = port
        self.told = []

    def stands_still(self, limit_ms):
        self.told.append((len(self.port.slices), limit_ms))

    def goes_on(self, passed_ms):
        at, limit_ms = self.told[-1]
        assert self.port.slices[at:] == [limit_ms] and passed_ms <= limit_ms


def test_after_five_minutes_asleep_it_wakes_ten_times_an_hour(time):
    b = Bench(time)
    b.keeper.watched_by(Supervisor(b.port))
    b.run(120 + 300 + 2 * HOUR_S)
    short, long = b.port.slices[:15], b.port.slices[15:]
    assert set(short) == {20_000} and set(long) == {360_000} and 20 <= len(long) <= 21
    b.lane.rests = 100_000  # what is foreseen is not slept over
    b.run(10)
    assert b.port.slices[-1] == 100_000


def test_it_is_awake_for_two_minutes_after_the_start_and_one_after_a_touch(time):
    b = Bench(time)
    b.run(115)
    assert b.port.slices == []
    b.port.ends = [(1000, "button")]
    b.run(885 + 50)
    woken = len(b.port.slices)
    assert not b.indicator.is_asleep and b.keeper.as_dict()["woken_by"] == "button"
    b.run(30)
    assert len(b.port.slices) > woken and b.keeper.as_dict()["sleeps"] == 2


def test_a_command_over_the_cable_keeps_it_awake(time):
    b = Bench(time)
    b.run(300, *[(at, b.keeper.touched) for at in range(100, 300, 40)])
    assert b.port.slices == []


@pytest.mark.parametrize(
    "part, values",
    [
        ("recorder", {"rests": 0}),
        ("lane", {"rests": 0}),
        ("heartbeat", {"is_asking": True}),
        ("recovery", {"busy": True}),
        ("battery", {"charging": True}),
        ("battery", {"level": None}),
    ],
)
def test_it_does_not_sleep_while_something_is_to_be_done(time, part, values):
    b = Bench(time)
    b.set(getattr(b, part), **values)()
    b.run(600)
    assert b.port.slices == []


def test_it_sleeps_until_the_next_thing_is_due_and_no_longer(time):
    b = Bench(time)
    opens_at = 125 + 47

    def until_window():
        return max(0, int((opens_at - time.seconds) * 1000))

    b.recorder.rests_ms = until_window
    b.run(300)
    assert sum(b.port.slices) <= 52_000 and b.port.slices[-1] < 20_000
    assert not b.indicator.is_asleep


def test_out_of_reach_it_sleeps_from_attempt_to_attempt(time):
    b = Bench(time)
    b.lane.rests = 0  # a clip waits, and no network is there
    b.link.pause = 300_000
    b.run(200)
    assert b.link.off is None and b.port.slices
    b.link.pause = 0  # it tries
    count = len(b.port.slices)
    b.run(20)
    assert len(b.port.slices) <= count + 1


def test_an_empty_battery_sleeps_whatever_waits(time):
    b = Bench(time, level=4)
    b.lane.rests = 0
    b.run(600)
    assert b.link.off == "battery_low" and b.recorder.denied == ["battery_low"]
    assert sum(b.port.slices) > 400_000
    b.port.ends = [(time.seconds + 15, "other")]
    b.battery.charging = True
    b.run(60)
    assert b.link.off is None and b.recorder.denied[-1] is None and not b.indicator.is_asleep


@pytest.mark.parametrize(
    "part, values, idle",
    [
        ("lane", {"in_hand": 7}, {"in_hand": 0}),
        ("heartbeat", {"is_asking": True}, {"is_asking": False}),
    ],
)
def test_a_request_ends_before_it_sleeps_also_with_an_empty_battery(time, part, values, idle):
    """Asleep, its time limit would pass by up to a slice, and its buffers be held for so long."""
    b = Bench(time, level=4)
    b.set(getattr(b, part), **values)()
    b.run(600)
    assert b.link.off == "battery_low" and b.port.slices == []
    b.run(60, (1, b.set(getattr(b, part), **idle)))
    assert b.port.slices


def test_slept_ticks_are_doubted(time):
    b = Bench(time)
    b.clock.witness(fakes.T0 * 1000, 20, "ntp")
    b.run(HOUR_S)
    assert 30_000 < b.clock.uncertainty_ms < 40_000
    assert b.lane.doubt_ms == 200, "1 % of a slice: the cloud asked for a whole wait"


def test_where_the_board_hears_for_itself_it_sleeps_until_it_is_loud(time):
    b = Bench(time, dozes=True)
    b.recorder.rests = 0  # the microphone runs
    b.run(300)
    assert b.port.slices == [], "it was not quiet for long enough"
    b.recorder.quiet = 61_000
    b.port.ends = [(time.seconds + 150, "level")]
    b.run(90)
    assert b.recorder.dozing == [True] and b.port.slices
    b.run(60)
    count = len(b.port.slices)
    b.run(30)
    assert b.recorder.dozing == [True, False] and b.keeper.as_dict()["woken_by"] == "level"
    assert len(b.port.slices) == count, "awake, it listens itself"


def test_who_dozes_listens_again_as_soon_as_the_board_stays_awake(time):
    b = Bench(time, dozes=True)
    b.recorder.rests, b.recorder.quiet = 0, 61_000
    b.run(200)
    assert b.recorder.dozing == [True]
    b.battery.charging = True
    b.run(30)
    assert b.recorder.dozing == [True, False]
