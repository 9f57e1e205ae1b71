"""link.clock: never 1970, never 2000, never a guess (field cases B03, B25, B43)."""

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.link.clock import BOUNDED, KNOWN, UNKNOWN, Clock
from device.store.slots import Slots

T0_MS = fakes.T0 * 1000
PERIOD_MS = 1 << 30


def make(boot=1, folder=None, build_unix_s=fakes.T0 - 86_400, kind=Clock):
    log, lines = fakes.make_log()
    clock = kind(fakes.ClockPort(build_unix_s), boot, log)
    clock.lines = lines
    if folder is not None:
        clock.attach(Slots("boots2", str(folder) + "/boots"))
    return clock


def clip(boot, up, **more):
    return {"boot": boot, "up": up, **more}


def start(clock, record):
    found = clock.start_of(record)
    return found and found[0]


def test_clips_made_before_the_time_is_known_get_it_later(time):
    clock = make()
    assert (clock.unix_ms(), clock.unix_s(), clock.state) == (None, None, UNKNOWN)
    clips = [clip(1, up) for up in (10_000, 120_000, 400_000)]
    assert [start(clock, c) for c in clips] == [None] * 3
    assert all(clock.may_still_learn(c) for c in clips)
    time.advance(600_000)
    assert clock.witness(T0_MS, 20, "ntp")
    assert [T0_MS - start(clock, c) for c in clips] == [590_000, 480_000, 200_000]
    assert not any(clock.may_still_learn(c) for c in clips)


def test_a_boot_that_never_knew_the_time_stays_without(time, tmp_path):
    make(boot=1, folder=tmp_path)
    time.advance(60_000)
    second = make(boot=2, folder=tmp_path)
    second.witness(T0_MS, 20, "ntp")
    assert start(second, clip(1, 10_000)) is None
    assert not second.may_still_learn(clip(1, 10_000))


def test_a_boot_that_knew_is_remembered(time, tmp_path):
    first = make(boot=1, folder=tmp_path)
    time.advance(600_000)
    first.witness(T0_MS, 20, "ntp")
    again = make(boot=2, folder=tmp_path)
    assert start(again, clip(1, 10_000)) == T0_MS - 590_000
    assert start(again, clip(3, 10_000)) is None


def test_what_the_clip_itself_knows_is_used_last(time):
    clock = make(boot=2)
    assert start(clock, clip(1, 5, start=T0_MS)) == T0_MS
    assert start(clock, clip(1, 5, start="2026")) is None


def test_ten_boots_are_remembered_and_the_file_stays_small(time, tmp_path):
    for boot in range(95, 120):
        time.advance(1000)
        make(boot, tmp_path).witness(T0_MS + boot, 20, "ntp")
    clock = make(200, tmp_path)
    known = [boot for boot in range(95, 120) if start(clock, clip(boot, 0)) is not None]
    assert known == list(range(110, 120))
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 512


@pytest.mark.parametrize(
    "unix_s", [0, 5, 946_684_805, fakes.T0 - 86_401, 4_000_000_000, 2**40, -5]
)
def test_an_impossible_time_is_refused(time, unix_s):
    clock = make()
    assert not clock.witness(unix_s * 1000, 20, "ntp")
    assert clock.unix_s() is None and clock._port.set_to == []
    assert any("time refused" in line for line in clock.lines)


def test_a_date_is_good_to_the_second_and_ntp_to_the_tenth(time):
    clock = make()
    clock.witness_date("Sun, 01 Mar 2026 12:00:00 GMT")
    assert (clock.state, clock.unix_ms()) == (BOUNDED, T0_MS + 500)
    clock.witness(T0_MS + 900, 40, "ntp")
    assert (clock.state, clock.unix_ms(), clock.uncertainty_ms) == (KNOWN, T0_MS + 900, 40)


def test_a_date_moves_a_known_clock_only_when_it_is_far_off(time):
    clock = make()
    clock.witness(T0_MS + 900, 40, "ntp")
    clock.witness_date("Sun, 01 Mar 2026 12:00:04 GMT")
    assert clock.unix_ms() == T0_MS + 900
    clock.witness_date("Sun, 01 Mar 2026 13:00:00 GMT")
    assert clock.unix_ms() == T0_MS + 3_600_500


@pytest.mark.parametrize("text", ["", "now", "Thu, 01 Jan 1970 00:00:00 GMT", "2026-03-01"])
def test_a_date_that_is_none_changes_nothing(time, text):
    clock = make()
    clock.witness_date(text)
    assert clock.state == UNKNOWN


def test_the_rtc_is_set_once_and_not_for_jitter(time):
    clock = make()
    clock.witness(T0_MS, 20, "ntp")
    for _ in range(5):
        time.advance(3_600_000)
        clock.witness(clock.unix_ms() + 300, 20, "ntp")
    assert clock._port.set_to == [fakes.T0]
    clock.witness(clock.unix_ms() + 5000, 20, "ntp")
    assert len(clock._port.set_to) == 2


@pytest.mark.parametrize("step_s", [-10, 31_536_000, -86_000])
def test_a_step_changes_neither_lengths_nor_order(time, step_s):
    """B25: clips of one boot keep their distance whatever the clock does in between."""
    clock = make()
    clock.witness(T0_MS, 20, "ntp")
    first = clip(1, clock.uptime_ms())
    time.advance(30_000)
    clock.witness(T0_MS + 30_000 + step_s * 1000, 20, "ntp")
    time.advance(10_000)
    second = clip(1, clock.uptime_ms())
    assert second["up"] - first["up"] == 40_000
    assert start(clock, second) - start(clock, first) == 40_000
    assert any("step_ms" in line for line in clock.lines[1:])


def test_ticks_wrap_and_nobody_notices(time):
    """B43: the ticks of the ESP32 begin again after 12.4 days."""
    time.seconds = (PERIOD_MS - 5000) / 1000
    clock = make()
    clock.witness(T0_MS, 20, "ntp")
    passed = 0
    for step_ms in (10_000, 1_200_000, 21_600_000, 5 * 86_400_000, 1):
        time.advance(step_ms)
        passed += step_ms
        assert clock.uptime_ms() == passed and clock.unix_ms() == T0_MS + passed


@given(st.integers(0, PERIOD_MS - 1), st.lists(st.integers(0, PERIOD_MS // 2 - 1), max_size=30))
def test_uptime_is_the_sum_of_what_passed(start_ms, steps):
    from device import compat

    real, compat.time = compat.time, fakes.Time()
    try:
        compat.time.seconds = start_ms / 1000
        clock = make()
        for n, step in enumerate(steps):
            compat.time.advance(step)
            assert abs(clock.uptime_ms() - sum(steps[: n + 1])) <= 1
    finally:
        compat.time = real


def test_a_boots_table_that_cannot_be_read_or_written_is_as_good_as_none(
    time, tmp_path, monkeypatch
):
    from device.store import slots

    (tmp_path / "boots1").write_bytes(b"\xff" * 600)
    clock = make(1, tmp_path)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5, -1), raising=False)
    assert clock.witness(T0_MS, 20, "ntp")
    assert clock.unix_s() == fakes.T0
    assert any("not written" in line for line in clock.lines)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5, -1, mode="r"), raising=False)
    assert start(make(2, tmp_path), clip(1, 0)) is None


def test_as_dict_tells_how_well_the_time_is_known(time):
    clock = make(boot=7)
    assert clock.as_dict()["state"] == UNKNOWN and clock.as_dict()["unix_s"] is None
    time.advance(5000)
    clock.witness(T0_MS, 20, "ntp")
    assert clock.as_dict() == {
        "state": KNOWN,
        "unix_s": fakes.T0,
        "uncertainty_ms": 20,
        "drift_ppb": None,
        "uptime_s": 5,
        "boot": 7,
    }


def test_uncertainty_grows_until_the_next_witness(time):
    clock = make()
    assert clock.uncertainty_ms is None
    clock.witness(T0_MS, 40, "ntp")
    assert (clock.uncertainty_ms, clock.state) == (40, KNOWN)
    time.advance(6 * 3_600_000)
    assert clock.uncertainty_ms == 40 + 2160 and clock.state == BOUNDED
    assert clock.witness(clock.unix_ms(), 40, "ntp") and clock.state == KNOWN


def test_a_witness_that_says_less_than_known_changes_nothing(time):
    clock = make()
    clock.witness(T0_MS, 40, "ntp")
    time.advance(60_000)
    assert not clock.witness(clock.unix_ms() + 100, 400, "ntp")
    assert clock.unix_ms() == T0_MS + 60_000
    time.advance(12 * 3_600_000)
    assert clock.witness(clock.unix_ms() + 1000, 1_500, "date"), "now a Date knows better"


@pytest.mark.parametrize("ppm", [-60, -3, 0, 25, 150])
def test_drift_is_measured_between_good_witnesses_and_applied(time, ppm):
    """ppm: how much faster than the ticks time passes."""
    clock = make()

    def truth_ms():
        return T0_MS + round(time.seconds * 1000 * (1 + ppm / 1e6))

    time.seconds = 0.0
    clock.witness(truth_ms(), 30, "ntp")
    for _ in range(3):
        time.advance(6 * 3_600_000)
        error_ms = abs(clock.unix_ms() - truth_ms())
        assert error_ms <= clock.uncertainty_ms or abs(ppm) > 100
        clock.witness(truth_ms(), 30, "ntp")
    assert clock.drift_ppb == pytest.approx(1000 * ppm, abs=5000)
    time.advance(86_400_000)
    assert abs(clock.unix_ms() - truth_ms()) <= 30 + 86_400 * 5 // 1000
    assert clock.uncertainty_ms == 30 + 1728
    early = clip(1, 3 * 3_600_000)
    true_start_ms = T0_MS + round(3 * 3_600_000 * (1 + ppm / 1e6))
    found_ms, doubt_ms = clock.start_of(early)
    assert abs(found_ms - true_start_ms) <= doubt_ms
    assert make(2).start_of(early) is None


def test_a_start_of_an_older_boot_keeps_its_drift_and_doubt(time, tmp_path):
    first = make(1, tmp_path)
    for hours in (0, 6, 12):
        time.seconds = hours * 3600.0
        first.witness(T0_MS + round(time.seconds * 1000 * 1.00008), 30, "ntp")
    again = make(2, tmp_path)
    found_ms, doubt_ms = again.start_of(clip(1, 3 * 3_600_000))
    assert abs(found_ms - T0_MS - round(3 * 3_600_000 * 1.00008)) <= doubt_ms <= 900


def test_a_crystal_that_cannot_be_is_a_witness_that_was_wrong(time):
    clock = make()
    clock.witness(T0_MS, 30, "ntp")
    time.advance(6 * 3_600_000)
    clock.witness(T0_MS + 6 * 3_600_000 + 60_000, 30, "ntp")
    assert clock.drift_ppb is None
    time.advance(6 * 3_600_000)
    clock.witness(clock.unix_ms() + 216, 30, "ntp")
    assert clock.drift_ppb == pytest.approx(10_000, abs=100)


def test_the_known_time_is_kept_four_times_a_day_at_most(time, tmp_path):
    clock = make(1, tmp_path)
    writes = []
    clock._slots.write = lambda value: writes.append(time.seconds)
    for _ in range(7 * 24):
        clock.witness(T0_MS + clock.uptime_ms(), 30, "ntp")
        time.advance(3_600_000)
    assert 7 * 4 - 1 <= len(writes) <= 7 * 4


def test_a_boot_without_the_time_knows_after_what_it_is(time, tmp_path):
    first = make(1, tmp_path)
    assert first.not_before_s() == fakes.T0 - 86_400, "the firmware was built then"
    time.advance(100_000)
    first.witness(T0_MS, 30, "ntp")
    assert make(2, tmp_path).not_before_s() == fakes.T0


@pytest.mark.parametrize(
    "cause, shown_s, is_taken",
    [
        ("reset", 100, True),
        ("watchdog", 100, True),
        ("power_on", 100, False),
        ("brown_out", 100, False),
        ("deep_sleep", 100, False),
        ("reset", None, False),
        ("reset", -3600, False),
        ("reset", 946_684_800 - fakes.T0, False),
        ("reset", -fakes.T0, False),
    ],
)
def test_the_boards_own_clock_is_a_witness_if_it_ran_on(time, tmp_path, cause, shown_s, is_taken):
    make(1, tmp_path).witness(T0_MS, 30, "ntp")
    clock = make(2, tmp_path)
    clock._port.rtc_unix_s = lambda: None if shown_s is None else fakes.T0 + shown_s
    clock.witness_rtc(cause)
    assert clock.state == (BOUNDED if is_taken else UNKNOWN)
    if is_taken:
        assert clock.unix_s() == fakes.T0 + shown_s and clock.uncertainty_ms == 5000
        assert clock.witness(clock.unix_ms() + 2000, 30, "ntp") and clock.state == KNOWN


@pytest.mark.parametrize(
    "table", [{"1": 5}, {"1": [1, 2, 3]}, {"1": ["a", 1, 1, 1]}, {"x": [1, 1, 1, 1]}, {"1": None}]
)
def test_a_table_of_another_form_is_as_good_as_none(time, tmp_path, table):
    Slots("boots2", str(tmp_path) + "/boots").write(table)
    clock = make(2, tmp_path)
    assert clock.start_of(clip(1, 0)) is None
    assert clock.witness(T0_MS, 30, "ntp")
