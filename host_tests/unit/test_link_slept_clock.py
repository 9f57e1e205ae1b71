"""link.slept_clock: what a sleep makes doubtful, over witnesses, clips and reboots."""

import fakes
from test_link_clock import T0_MS, clip, make, start

from device.link.clock import BOUNDED, KNOWN
from device.link.slept_clock import SleptClock


def test_a_sleep_makes_the_time_doubtful_until_a_witness_comes(time):
    clock = make(kind=SleptClock)
    clock.witness(T0_MS, 20, "ntp")
    time.advance(3_600_000)
    clock.slept(3_600_000, 10_000)
    assert clock.state == BOUNDED and 36_000 < clock.uncertainty_ms < 36_500
    assert clock.witness(T0_MS + 3_610_000, 20, "ntp"), "ten seconds off is within what it said"
    assert clock.state == KNOWN and clock.unix_ms() == T0_MS + 3_610_000
    assert clock.drift_ppb is None, "the RC oscillator's error is not the crystal's drift"


def test_a_clip_made_before_a_sleep_keeps_its_own_better_start(time):
    clock = make(kind=SleptClock)
    clock.witness(T0_MS, 20, "ntp")
    record = clip(1, 1000)
    record["start"], record["doubt"] = clock.start_of(record)
    assert record["doubt"] < 100
    time.advance(36_000_000)
    clock.slept(36_000_000, 10_000)
    clock.witness(T0_MS + 36_200_000, 20, "ntp")  # the ticks lost 200 s
    assert clock.start_of(record) == (T0_MS + 1000, record["doubt"])
    start_ms, doubt_ms = clock.start_of(clip(1, 1000))  # one that had none of its own
    assert abs(start_ms - (T0_MS + 1000)) <= doubt_ms


def test_a_start_of_its_own_that_disagrees_was_a_false_witness(time):
    clock = make(kind=SleptClock)
    record = clip(1, 1000, start=T0_MS + 3_600_000, doubt=5)
    time.advance(10_000)
    clock.witness(T0_MS, 20, "ntp")
    assert start(clock, record) == T0_MS - 9000


def test_the_doubt_of_sleeps_outlives_a_reboot(time, tmp_path):
    first = make(boot=1, folder=tmp_path, kind=SleptClock)
    first.witness(T0_MS, 20, "ntp")
    time.advance(36_000_000)
    first.slept(36_000_000, 10_000)
    first.witness(T0_MS + 36_200_000, 20, "ntp")
    again = make(boot=2, folder=tmp_path, kind=SleptClock)
    own = clip(1, 1000, start=T0_MS + 1000, doubt=30)
    assert again.start_of(own) == (T0_MS + 1000, 30)
    start_ms, doubt_ms = again.start_of(clip(1, 1000))
    assert abs(start_ms - (T0_MS + 1000)) <= doubt_ms


def test_a_clock_that_went_on_through_sleeps_is_a_worse_witness(time, tmp_path):
    make(boot=1, folder=tmp_path, kind=SleptClock).witness(T0_MS, 20, "ntp")
    # Three resets, an hour apart each: the doubt of one is not forgotten by the next.
    for boot, most_ms in ((2, 41_020), (3, 82_015), (4, 123_010)):
        clock = make(boot=boot, folder=tmp_path, kind=SleptClock)
        clock._port.rtc_unix_s = lambda boot=boot: fakes.T0 + 3600 * (boot - 1)
        clock.witness_rtc("watchdog")
        assert abs(clock.uncertainty_ms - most_ms) < 50
    clock = make(boot=5, folder=tmp_path)
    clock._port.rtc_unix_s = lambda: fakes.T0 + 4 * 3600
    clock.witness_rtc("watchdog")
    assert clock.uncertainty_ms == 5_000, "a board that never sleeps"
