"""power: what the battery permits, and when the radio rests."""

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_bench import HOUR_S, Bench

from device.power.gate import Gate

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
