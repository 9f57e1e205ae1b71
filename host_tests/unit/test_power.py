"""power: what the battery permits, when the radio rests, when the board sleeps, planned resets."""

import asyncio

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.joints import Joints
from device.link.slept_clock import SleptClock
from device.power import resets
from device.power.brown_out import Spare
from device.power.gate import Gate
from device.power.keeper import Keeper
from device.power.saver import Saver

HOUR_S = 3600


class Battery:
    def __init__(self, level=80, charging=False):
        self.level, self.charging = level, charging

    def percent(self):
        return self.level

    def voltage_mv(self):
        return None if self.level is None else 3700

    def is_charging(self):
        return self.charging


class System:
    def __init__(self, cause="power_on", reason=""):
        self.cause, self.reason = cause, reason
        self.resets = []

    def reset_cause(self):
        return self.cause

    def reset_reason(self):
        return self.reason

    def reset(self, reason=""):
        self.resets.append(reason)
        raise SystemExit(3)


class Part:
    """What keeper and saver ask of recorder, lane, link, heartbeat, recovery and indicator."""

    def __init__(self):
        self.rests, self.lane_rests, self.beat_ms = 86_400_000, 86_400_000, 86_400_000
        self.interval_ms = 600_000
        self.in_hand = 0
        self.recording = self.busy = self.is_asleep = self.is_asking = False
        self.pause = 0
        self.denied = []
        self.quiet, self.dozing = 0, []
        self.off = None
        self.offs = []

    def rests_ms(self):
        return self.rests

    def quiet_ms(self):
        return self.quiet

    def doze(self, dozes):
        """As the recorder: who dozes needs nothing."""
        if dozes != (self.dozing[-1:] == [True]):
            self.dozing.append(dozes)
            self.rests, self.quiet = (86_400_000, 0) if dozes else (0, 0)

    def is_recording(self):
        return self.recording

    def deny(self, code):
        self.denied.append(code)

    def slept(self, doubt_ms):
        self.doubt_ms = doubt_ms

    def resting_code(self):
        return "nothing_to_send"

    def hold(self, reason):
        if not self.offs or reason != self.off:
            self.offs.append(reason)
        self.off = reason

    def release(self):
        self.hold(None)

    def is_resting(self):
        return self.off is not None

    def pause_ms(self):
        return self.pause

    def is_busy(self):
        return self.busy


class Port:
    """Sleeps by moving time; `ends`: (at second, what ends it)."""

    drift_ppm = 10_000

    def __init__(self, time):
        self._time = time
        self.ends = []
        self.slices = []

    def light(self, limit_ms):
        self.slices.append(limit_ms)
        now = self._time.seconds
        if self.ends and self.ends[0][0] <= now + limit_ms / 1000:
            at, why = self.ends.pop(0)
            self._time.seconds = max(now, at)
            return why
        self._time.advance(limit_ms)
        return "time"


class Bench:
    """level: of the battery, None: not measured. port: None: the board cannot sleep."""

    def __init__(
        self,
        time,
        level=80,
        cause="power_on",
        saves=True,
        sleeps=True,
        scheduled=False,
        dozes=False,
    ):
        self.time = time
        self.log, self.lines = fakes.make_log()
        self.clock = SleptClock(fakes.ClockPort(), 1, self.log)
        self.battery = Battery(level)
        self.system, self.secrets = System(cause), fakes.Secrets()
        self.recorder, self.lane, self.link = Part(), Part(), Part()
        self.heartbeat, self.recovery, self.indicator = Part(), Part(), Part()
        self.joints = Joints(self.system, self.secrets, None, None, None, None)
        self.joints.recorder, self.joints.lane = self.recorder, self.lane
        self.joints.uptime_ms = self.clock.uptime_ms
        self.port = Port(time) if sleeps else None
        parts = (self.recorder, self.lane, self.link)
        all_parts = (*parts, self.heartbeat, self.recovery, self.indicator)
        saver = None
        if saves:
            saver = Saver(self.port, all_parts, self.clock, 60_000, scheduled, dozes)
        gates = (Gate(5, 5), Gate(10, 5))
        self.keeper = Keeper(self.battery, gates, *parts, cause, saver, self.clock, self.log)
        self.task = self.keeper if level is not None else Spare(self.link)

    def run(self, seconds, *steps):
        """steps: (at second from now, function)."""

        async def main():
            start = self.time.seconds
            task = asyncio.create_task(self.task.run(lambda within_ms: None))
            for at, change in steps:
                await asyncio.sleep(max(0, start + at - self.time.seconds))
                change()
            await asyncio.sleep(max(0, start + seconds - self.time.seconds))
            fakes.stop(task)
            await asyncio.wait([task])

        fakes.run(main(), self.time)

    def set(self, part, **values):
        return lambda: [setattr(part, name, value) for name, value in values.items()]


# -- the gates --------------------------------------------------------------------------------


def test_three_low_readings_close_a_gate_and_hysteresis_opens_it():
    gate = Gate(10, 5)
    assert [gate.update(percent, False) for percent in (9, 9, 11, 9, 9)] == [False] * 5
    assert gate.is_open, "a sag of two readings is the radio's"
    assert gate.update(9, False) and not gate.is_open
    for percent in (10, 12, 14):
        assert not gate.update(percent, False) and not gate.is_open
    assert gate.update(15, False) and gate.is_open


def test_a_charger_opens_a_gate_at_once_and_a_failing_converter_moves_nothing():
    gate = Gate(10, 5)
    for percent in (3, None, 3, None, 3):
        gate.update(percent, False)
    assert not gate.is_open
    assert not gate.update(None, False) and not gate.is_open
    assert gate.update(3, True) and gate.is_open
    for _ in range(2):
        gate.update(3, False)
    assert gate.is_open, "without the charger it is counted anew"


def test_a_limit_of_0_never_closes():
    gate = Gate(0, 5)
    assert not any(gate.update(0, False) for _ in range(10)) and gate.is_open


@given(st.lists(st.integers(0, 100), max_size=200), st.integers(0, 60), st.integers(1, 40))
def test_a_gate_never_chatters(levels, stop, hysteresis):
    """Between closing and opening lies the hysteresis, between opening and closing three reads."""
    gate, moves = Gate(stop, hysteresis), []
    for n, level in enumerate(levels):
        if gate.update(level, False):
            moves.append((n, gate.is_open))
            assert level >= stop + hysteresis if gate.is_open else level < stop
    for (before, _), (after, is_open) in zip(moves, moves[1:], strict=False):
        assert is_open or after - before >= 3


# -- the battery's part of the keeper ---------------------------------------------------------


def test_a_falling_battery_first_stops_sending_then_recording(time):
    b = Bench(time, level=50, saves=False)
    b.lane.lane_rests = 0
    b.run(100, (50, b.set(b.battery, level=9)))
    assert b.link.off == "battery_low" and b.recorder.denied == []
    assert b.keeper.as_dict()["stopped"] == "sending"
    b.run(60, (1, b.set(b.battery, level=4)))
    assert b.recorder.denied == ["battery_low"]
    assert b.keeper.as_dict() == {
        "percent": 4,
        "charging": False,
        "mv": 3700,
        "stopped": "recording",
        "saving": False,
        "radio_rests": True,
    }
    b.run(60, (1, b.set(b.battery, level=12)))
    assert b.recorder.denied == ["battery_low", None] and b.link.off == "battery_low"
    b.run(60, (1, b.set(b.battery, level=4)), (30, b.set(b.battery, charging=True)))
    assert b.recorder.denied[-1] is None and b.link.off is None
    assert "stopped" not in b.keeper.as_dict()
    assert any("battery recording=0 percent=4" in line for line in b.lines)


@pytest.mark.parametrize("level", [80, None])
def test_after_a_brown_out_the_radio_waits_two_minutes(time, level):
    b = Bench(time, level=level, cause="brown_out", saves=False)
    seen = []
    b.run(130, (110, lambda: seen.extend(b.link.offs)))
    assert seen == ["brown_out"] and b.link.offs == ["brown_out", None]


# -- the radio --------------------------------------------------------------------------------


def test_the_radio_rests_while_nobody_needs_it_and_comes_for_a_clip(time):
    b = Bench(time, sleeps=False)
    b.lane.rests = 0
    b.run(60)
    assert b.link.offs == [None]
    b.run(20, (1, b.set(b.lane, rests=86_400_000)))
    assert b.link.offs == [None, "nothing_to_send"]

    def clip_is_closed():
        b.lane.rests = 0
        b.keeper.notify()
        b.closed_at = time.seconds

    b.run(3, (2, clip_is_closed))
    assert b.link.off is None and time.seconds - b.closed_at < 2


def test_a_short_cool_down_keeps_the_radio_on_a_long_one_not(time):
    b = Bench(time, sleeps=False)
    b.lane.rests = 15_000
    b.run(60)
    assert b.link.offs == [None]
    b.lane.rests = 600_000
    b.run(60)
    assert b.link.off == "nothing_to_send"


def test_on_the_charger_the_radio_stays_on(time):
    b = Bench(time, sleeps=False)
    b.battery.charging = True
    b.run(HOUR_S)
    assert b.link.offs == [None]


def test_at_rest_a_heartbeat_is_worth_joining_once_an_hour(time):
    b = Bench(time, sleeps=False)
    start = time.seconds

    def due():
        return int((start + 600 - time.seconds) * 1000)  # every ten minutes; overdue since

    b.heartbeat.rests_ms = due
    b.run(3500)
    assert b.link.offs == ["nothing_to_send"] or b.link.offs == [None, "nothing_to_send"]
    b.run(200)
    assert b.link.off is None


def test_a_schedule_wants_the_time_better_than_twenty_seconds(time):
    b = Bench(time, sleeps=False, scheduled=True)
    b.run(60)
    assert b.link.off is None, "the time is not known at all"
    b.clock.witness(fakes.T0 * 1000, 20, "ntp")
    b.run(60)
    assert b.link.off == "nothing_to_send"
    b.clock.slept(HOUR_S * 1000, 10_000)
    b.run(6)
    assert b.link.off is None


# -- sleep ------------------------------------------------------------------------------------


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


# -- resets -----------------------------------------------------------------------------------


def test_causes_are_counted_durably(time):
    secrets = fakes.Secrets()
    for cause in ("power_on", "watchdog", "watchdog", "brown_out"):
        told = resets.count(System(cause), secrets)
    assert told == {
        "last": {"cause": "brown_out"},
        "counts": {"power_on": 1, "watchdog": 2, "brown_out": 1},
    }
    assert all(len("rst:" + cause) <= 15 for cause in resets.CAUSES.split()), "NVS: no longer key"


def test_why_a_reset_was_planned_is_told_after_it(time):
    told = resets.count(System("reset", "planned modem_silent"), fakes.Secrets())
    assert told["last"] == {"cause": "reset", "reason": "planned modem_silent"}


def test_a_planned_reset_waits_for_an_hour_and_for_what_is_in_hand(time):
    b = Bench(time)

    async def main():
        b.joints.plan_reset("modem_silent")
        b.joints.plan_reset("another")
        b.recorder.recording, b.lane.in_hand = True, 7
        await asyncio.sleep(3590)
        assert b.joints.resets["planned"] == "modem_silent"
        await asyncio.sleep(100)
        b.recorder.recording = False
        await asyncio.sleep(100)
        assert b.system.resets == [], "a clip is in hand"
        b.lane.in_hand = 0
        await asyncio.sleep(100)

    with pytest.raises(SystemExit):
        fakes.run(main(), time)
    assert b.system.resets == ["planned modem_silent"]


def test_a_recorder_that_never_stops_is_reset_for_want_of_memory_after_six_hours(time):
    """Its take is closed in order first; a poor link alone never ends a take."""
    b = Bench(time)
    denied = []

    def deny(code):
        denied.append((time.seconds, code))
        b.recorder.recording = False

    async def main(bench, reason):
        bench.recorder.recording, bench.recorder.deny = True, deny
        await asyncio.sleep(2 * HOUR_S)
        bench.joints.plan_reset(reason)
        await asyncio.sleep(5.9 * HOUR_S)
        assert denied == ([] if bench is b else denied[:1]) and bench.system.resets == []
        await asyncio.sleep(100 * HOUR_S)

    with pytest.raises(SystemExit):
        fakes.run(main(b, "low_memory"), time)
    assert denied == [(pytest.approx(8 * HOUR_S, abs=10), "low_memory")]
    assert b.system.resets == ["planned low_memory"]
    b.joints._task.cancel()
    other = Bench(time)
    fakes.run(main(other, "modem_silent"), time)
    other.joints._task.cancel()
    assert len(denied) == 1 and other.system.resets == []


@pytest.mark.parametrize("level", [None, 80])
def test_each_of_three_brown_outs_in_a_row_gives_recording_two_minutes(time, level):
    """B20: the radio is what breaks the supply. Until it starts again, recording goes on; the
    count is in the status.
    """
    secrets = fakes.Secrets()
    for boot in (1, 2, 3):
        b = Bench(time, level, cause="brown_out", saves=False)
        told = resets.count(System("brown_out"), secrets)
        assert told["counts"] == {"brown_out": boot}
        b.recorder.deny = lambda code: pytest.fail(code)
        seen = []

        async def main(b=b, seen=seen):
            task = asyncio.create_task(b.task.run(lambda within_ms: None))
            for _ in range(13):
                await asyncio.sleep(10)
                seen.append(b.link.offs[-1])
            fakes.stop(task)

        fakes.run(main(), time)
        time.advance(60_000)
        assert seen[:11] == 11 * ["brown_out"] and seen[-1] is None


# Not an hour to the second: there both ends of a life would stop the loop at once.
@given(st.lists(st.integers(1, 7200).filter(lambda s: s != HOUR_S), min_size=1, max_size=30))
def test_two_planned_resets_are_an_hour_apart_whatever_happens_between(pauses):
    """Other resets come after so many seconds each; every boot wants a planned one at once."""
    from device import compat

    real, compat.time = compat.time, fakes.Time()
    time, planned = compat.time, []

    async def life(boot, pause):
        boot.joints.plan_reset("again")
        await asyncio.sleep(pause)

    try:
        for pause in pauses:
            boot = Bench(time)
            try:
                fakes.run(life(boot, pause), time)
            except SystemExit:
                planned.append(time.seconds)
            boot.joints._task.cancel()
    finally:
        time.runner.close()
        compat.time = real
    assert all(b - a >= HOUR_S for a, b in zip(planned, planned[1:], strict=False))
