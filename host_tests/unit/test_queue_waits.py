"""queue.waits: one place decides how long the lane waits (field cases B01, B32)."""

import random

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import NeedsOperator, Transient
from device.identity import seeded_bits
from device.link.clock import Clock
from device.queue.waits import Waits
from device.store.slots import Slots

BUSY = Transient("throttled")


def make_clock(known=True):
    log, _ = fakes.make_log()
    clock = Clock(fakes.ClockPort(), 1, log)
    if known:
        clock.witness(fakes.T0 * 1000, 20, "ntp")
    return clock


def make(clock, first_s=30, cap_s=1800, bits=lambda n: 0, folder=None):
    waits = Waits(first_s, cap_s, clock, bits)
    if folder is not None:
        waits.attach(Slots("lane1", str(folder) + "/lane"))
    return waits


def test_the_wait_doubles_to_the_cap(time):
    waits = make(make_clock())
    found = [waits.failed(BUSY) for _ in range(9)]
    assert found == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert waits.left_ms() == 1_800_000
    time.advance(1_799_000)
    assert waits.left_ms() == 1000
    time.advance(5000)
    assert waits.left_ms() == 0


def test_jitter_comes_after_the_cap_and_never_shortens(time):
    spread = set()
    for bits in range(0, 1024, 33):
        waits = make(make_clock(), bits=lambda n, bits=bits: bits)
        for _ in range(9):
            waits.failed(BUSY)
        spread.add(waits.left_ms())
        assert 1_800_000 <= waits.left_ms() < 2_700_000
    assert len(spread) == 32 and max(spread) - min(spread) > 800_000


def test_two_devices_wait_differently_and_one_device_at_each_boot():
    def waits_of(device_id, boot):
        clock = make_clock()
        waits = make(clock, bits=seeded_bits(device_id, boot))
        waits.failed(BUSY)
        return waits.left_ms()

    state = random.getstate()
    try:
        found = {waits_of("dev-%d" % n, boot) for n in range(4) for boot in range(4)}
    finally:
        random.setstate(state)
    assert len(found) > 12


def test_the_larger_of_ours_and_theirs(time):
    waits = make(make_clock())
    assert waits.failed(Transient("throttled", "", 400)) == 400
    assert waits.failed(Transient("throttled", "", 1)) == 60
    assert waits.failed(Transient("throttled", "", 3600)) == 3600, "also above our own cap"


def test_a_day_of_429_stays_under_a_hundred_requests(time):
    for retry_after in (60, None):
        waits = make(make_clock())
        requests, end = 0, time.seconds + 86_400
        while time.seconds < end:
            requests += 1
            waits.failed(Transient("throttled", "", retry_after))
            time.advance(waits.left_ms())
        assert 40 < requests < 100


def test_a_success_clears_the_wait_at_once(time):
    waits = make(make_clock())
    for _ in range(5):
        waits.failed(BUSY)
    waits.succeeded()
    assert waits.left_ms() == 0
    assert waits.failed(BUSY) == 30


def test_somebody_must_act_so_it_is_asked_rarely(time):
    waits = make(make_clock())
    found = [waits.refused(NeedsOperator("auth_refused")) for _ in range(5)]
    assert found == [900, 1800, 3600, 3600, 3600]
    assert waits.code == "auth_refused"
    waits.cut_short()
    assert waits.left_ms() == 0


def test_the_wait_lasts_over_a_reboot(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    for _ in range(6):
        waits.failed(Transient("server_error"))
    again = make(make_clock(), folder=tmp_path)
    assert (again.code, again.failures) == ("server_error", 6)
    assert again.left_ms() == 960_000
    assert again.failed(BUSY) == 1800, "and goes on growing"


def test_time_that_passed_while_off_counts_if_a_clock_knows(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    for _ in range(6):
        waits.failed(BUSY)
    clock = make_clock(known=False)
    clock.witness((fakes.T0 + 900) * 1000, 20, "ntp")
    assert make(clock, folder=tmp_path).left_ms() == 60_000
    late = make_clock(known=False)
    late.witness((fakes.T0 + 86_400) * 1000, 20, "ntp")
    assert make(late, folder=tmp_path).left_ms() == 0


def test_a_clock_that_stepped_back_does_not_lengthen_the_wait(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    waits.failed(BUSY)
    clock = make_clock(known=False)
    clock.witness((fakes.T0 - 80_000) * 1000, 20, "ntp")
    assert make(clock, folder=tmp_path).left_ms() == 30_000


def test_without_a_clock_the_whole_wait_again(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    waits.failed(BUSY)
    assert make(make_clock(known=False), folder=tmp_path).left_ms() == 30_000


def test_a_success_is_kept_too(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    waits.failed(BUSY)
    waits.succeeded()
    again = make(make_clock(), folder=tmp_path)
    assert (again.failures, again.left_ms()) == (0, 0)


VALUES = st.one_of(st.none(), st.integers(-(10**12), 10**12), st.text(max_size=9), st.floats())


@given(st.dictionaries(st.sampled_from(["failures", "until", "wait_s", "code"]), VALUES))
def test_whatever_is_kept_the_rest_is_bounded(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("lane")
    Slots("lane1", str(folder) + "/lane").write(value)
    waits = make(make_clock(), folder=folder)
    assert 0 <= waits.left_ms() <= 3_600_000
    assert waits.failed(BUSY) <= 1800


def test_a_medium_that_fails_does_not_stop_the_waiting(time, tmp_path, monkeypatch):
    from device.store import slots

    waits = make(make_clock(), folder=tmp_path)
    monkeypatch.setattr(slots, "open", fakes.failing_open(28, -1), raising=False)
    assert waits.failed(BUSY) == 30
    assert waits.failed(BUSY) == 60 and waits.left_ms() == 60_000


@pytest.mark.parametrize("first_s, cap_s", [(1, 1), (3600, 3600), (30, 14400)])
def test_every_setting_gives_a_wait(time, first_s, cap_s):
    waits = make(make_clock(), first_s, cap_s)
    found = [waits.failed(BUSY) for _ in range(40)]
    assert min(found) >= 1 and max(found) == cap_s
    assert waits.refused(NeedsOperator("auth_refused")) >= 1


def test_a_long_wait_lasts_over_a_reboot(time, tmp_path):
    waits = make(make_clock(), 14_400, 14_400, folder=tmp_path)
    waits.failed(BUSY)
    assert make(make_clock(), 14_400, 14_400, folder=tmp_path).left_ms() == 14_400_000


def test_a_wait_cut_short_stays_cut_short_over_a_reboot(time, tmp_path):
    waits = make(make_clock(), folder=tmp_path)
    waits.refused(NeedsOperator("auth_refused"))
    waits.cut_short()
    assert make(make_clock(), folder=tmp_path).left_ms() == 0


def test_a_wait_that_was_slept_through_ends_later_not_earlier(time):
    """The ticks of a sleep may be 1 % ahead, and what the server asked for is a minimum."""
    waits = make(make_clock())
    waits.slept(500)
    assert waits.left_ms() == 0, "nobody waits"
    waits.failed(Transient("throttled", "", 900))
    time.advance(800_000)
    waits.slept(8_000)
    assert waits.left_ms() == 108_000
