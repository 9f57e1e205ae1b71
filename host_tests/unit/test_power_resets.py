"""power: resets are counted, and planned ones wait for what is in hand."""

import asyncio

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_bench import HOUR_S, Bench, System

from device.power import resets


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
