"""link.budget: caps hold over days, months, reboots and clocks that step."""

import fakes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.dates import days_from_civil
from device.link.budget import _STEP_BYTES, DAY_S, Budget, wire_bytes
from device.store.slots import Slots

MB = 1_000_000


class FixedClock:
    """unix_s() as the test sets it."""

    def __init__(self, unix_s=fakes.T0):
        self.now_s = unix_s

    def unix_s(self):
        return self.now_s


class RamSlots:
    """What store.slots keeps, in memory: a reboot is another Budget over the same one."""

    def __init__(self):
        self.value = None
        self.writes = 0
        self.fails = False

    def read(self):
        return self.value

    def write(self, value):
        if self.fails:
            raise OSError(5)
        self.value = {name: list(v) if isinstance(v, list) else v for name, v in value.items()}
        self.writes += 1


def make(caps, slots=None, clock=None, offset_s=0):
    log, _ = fakes.make_log()
    return Budget(caps, slots or RamSlots(), clock or FixedClock(), offset_s, log)


def test_no_cap_means_no_limit_and_no_write():
    slots = RamSlots()
    budget = make({"wifi": (None, None)}, slots)
    budget.spend("wifi", 10**12)
    budget.spend("cellular", 10**12)
    assert budget.room_bytes("wifi") is None and budget.room_bytes("cellular") is None
    assert slots.value is None or slots.value["wifi"] == [0, 0, 0]
    assert budget.as_dict() == {}


def test_zero_means_nothing_at_all():
    budget = make({"cellular": (0, None)})
    assert budget.room_bytes("cellular") == 0
    assert budget.reason("cellular")[0] == "cap_day"


def test_the_tighter_cap_names_the_reason_and_when_it_ends():
    clock = FixedClock(days_from_civil(2026, 2, 27) * DAY_S + 3600)
    budget = make({"cellular": (10 * MB, 15 * MB)}, clock=clock)
    budget.spend("cellular", 9 * MB)
    assert budget.room_bytes("cellular") == 1 * MB
    assert budget.reason("cellular") == ("cap_day", DAY_S - 3600)
    clock.now_s += DAY_S  # the 28th of February
    assert budget.room_bytes("cellular") == 6 * MB
    assert budget.reason("cellular") == ("cap_month", DAY_S - 3600)
    clock.now_s += DAY_S  # the 1st of March
    assert budget.room_bytes("cellular") == 10 * MB


@pytest.mark.parametrize("year, month, days", [(2026, 1, 31), (2028, 2, 29), (2026, 12, 31)])
def test_the_month_ends_with_the_local_month(year, month, days):
    offset_s = 9 * 3600
    first_s = days_from_civil(year, month, 1) * DAY_S - offset_s
    clock = FixedClock(first_s)
    budget = make({"cellular": (None, MB)}, clock=clock, offset_s=offset_s)
    assert budget.reason("cellular") == ("cap_month", days * DAY_S)
    budget.spend("cellular", MB)
    clock.now_s = first_s + days * DAY_S - 1
    assert budget.room_bytes("cellular") == 0
    clock.now_s += 1
    assert budget.room_bytes("cellular") == MB


def test_without_the_time_the_old_period_goes_on():
    slots = RamSlots()
    budget = make({"cellular": (MB, None)}, slots)
    budget.spend("cellular", MB)
    after = make({"cellular": (MB, None)}, slots, FixedClock(None))
    assert after.room_bytes("cellular") == 0
    assert after.reason("cellular") == ("cap_day", None)


def test_what_is_spent_while_nobody_knows_the_time_counts_in_the_next_day_too():
    slots, clock = RamSlots(), FixedClock(None)
    budget = make({"cellular": (MB, None)}, slots, clock)
    budget.spend("cellular", MB // 2)
    budget = make({"cellular": (MB, None)}, slots, clock)  # and over a reboot
    clock.now_s = fakes.T0
    assert budget.room_bytes("cellular") <= MB // 2
    clock.now_s += DAY_S
    assert budget.room_bytes("cellular") == MB


def test_a_clock_set_back_brings_no_new_day_and_no_endless_one():
    clock = FixedClock()
    budget = make({"cellular": (MB, None)}, clock=clock)
    budget.spend("cellular", MB)
    clock.now_s -= 3 * DAY_S
    assert budget.room_bytes("cellular") == 0
    clock.now_s += DAY_S  # still before the day it was spent on, but a new one for this clock
    assert budget.room_bytes("cellular") == MB


def test_what_is_booked_is_spent_after_a_cut():
    slots = RamSlots()
    budget = make({"cellular": (10 * MB, None)}, slots)
    budget.book("cellular", 4 * MB)  # the power goes in the middle of the upload
    after = make({"cellular": (10 * MB, None)}, slots)
    assert 10 * MB - 4 * MB - _STEP_BYTES <= after.room_bytes("cellular") <= 6 * MB


def test_small_traffic_is_booked_by_the_step():
    slots = RamSlots()
    budget = make({"cellular": (100 * MB, None)}, slots)
    for _ in range(1000):
        budget.spend("cellular", 2000)  # heartbeats
    assert slots.writes <= 2 + 2_000_000 // _STEP_BYTES


def test_a_medium_that_fails_does_not_end_the_counting():
    slots = RamSlots()
    budget = make({"cellular": (MB, None)}, slots)
    slots.fails = True
    budget.spend("cellular", MB)
    assert budget.room_bytes("cellular") == 0


@pytest.mark.parametrize(
    "value",
    [
        {"day": "x"},
        {"day": 1, "month": 1, "cellular": 5},
        {"day": 1, "month": 1, "cellular": ["a", 1, 1]},
        {"day": 1, "month": 1, "cellular": [-5, -5, -5]},
        {},
    ],
)
def test_a_strange_state_is_no_state(value):
    slots = RamSlots()
    slots.value = value
    assert make({"cellular": (MB, None)}, slots).room_bytes("cellular") == MB


def test_it_survives_on_real_slots(tmp_path):
    slots = Slots("budget1", str(tmp_path) + "/budget")
    make({"cellular": (10 * MB, None)}, slots).spend("cellular", 3 * MB)
    again = Slots("budget1", str(tmp_path) + "/budget")
    assert make({"cellular": (10 * MB, None)}, again).room_bytes("cellular") <= 7 * MB


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("send", "send", "send", "cut", "hour", "day", "clock lost")),
            st.integers(1, 3 * MB),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 30 * MB),
    st.integers(1, 90 * MB),
)
@settings(max_examples=150)
def test_a_cap_is_never_exceeded_whatever_is_cut(events, a_day, a_month):
    """Who asks for room before sending never sends more than a cap in a day or month."""
    clock, slots = FixedClock(), RamSlots()
    budget = make({"cellular": (a_day, a_month)}, slots, clock)
    truth_s, is_known = fakes.T0, True
    sent: dict = {}
    for what, size in events:
        if what == "hour" or what == "day":
            truth_s += 3600 if what == "hour" else DAY_S
            is_known = True
        elif what == "clock lost":
            is_known = False
        elif what == "cut":
            budget = make({"cellular": (a_day, a_month)}, slots, clock)
        clock.now_s = truth_s if is_known else None
        if what in ("send", "cut") and size <= budget.room_bytes("cellular"):
            budget.book("cellular", size)
            for period in (("day", truth_s // DAY_S), ("month", "m%d" % month_of(truth_s))):
                sent[period] = sent.get(period, 0) + size
            if what == "cut":  # in flight: it left, and nobody counted it
                budget = make({"cellular": (a_day, a_month)}, slots, clock)
            else:
                budget.spend("cellular", size)
    for (period, _), total in sent.items():
        assert total <= (a_day if period == "day" else a_month)


def month_of(unix_s):
    from device.dates import civil_from_days

    year, month, _ = civil_from_days(unix_s // DAY_S)
    return 12 * year + month


def test_overhead_of_the_wire_is_counted():
    assert wire_bytes(1_000_000) == 1_050_000
    assert wire_bytes(0, 2) == 16384
