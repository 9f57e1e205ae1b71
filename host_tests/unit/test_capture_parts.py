"""The small parts of capture/: level report, microphone faults, gate, pre-roll, schedule."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.capture import schedule
from device.capture.gate import Gate, mean_square
from device.capture.level import Meter, dbfs_x10
from device.capture.preroll import PreRoll

RATE_HZ = 16000
BLOCK = 1024
T0 = 1_790_000_000 // 86400 * 86400  # midnight UTC


def sine(dbfs_rms, seconds, hz=440, offset=0):
    n = np.arange(int(seconds * RATE_HZ))
    wave = math.sqrt(2) * 32768 * 10 ** (dbfs_rms / 20) * np.sin(2 * np.pi * hz * n / RATE_HZ)
    return np.clip(np.rint(wave + offset), -32768, 32767).astype("<i2")


def feed(meter, samples, is_active=True):
    """Through the meter in blocks; returns the faults that were shown, in order."""
    faults = []
    for at in range(0, len(samples), BLOCK):
        block = samples[at : at + BLOCK]
        meter.measure(memoryview(block.tobytes()), len(block))
        meter.count(len(block), is_active)
        if not faults or faults[-1] != meter.fault:
            faults.append(meter.fault)
    return faults


@pytest.mark.parametrize("dbfs", [-60, -40, -23, -3.1])
def test_the_level_report_of_a_tone(dbfs):
    meter = Meter(RATE_HZ)
    feed(meter, sine(dbfs, 3))
    peak, rms, floor, clipped, active_s = meter.report()
    assert rms == pytest.approx(10 * dbfs, abs=1) and floor == pytest.approx(10 * dbfs, abs=2)
    assert peak == pytest.approx(10 * dbfs + 30, abs=3)
    assert (clipped, active_s) == (0, 3)


def test_the_noise_floor_is_the_quietest_half_second():
    meter = Meter(RATE_HZ)
    feed(meter, sine(-20, 2))
    feed(meter, sine(-70, 1), is_active=False)
    feed(meter, sine(-20, 2))
    _, rms, floor, _, active_s = meter.report()
    assert floor == pytest.approx(-700, abs=10) and rms > -230 and active_s == 4


def test_clipped_samples_are_counted_and_a_new_clip_begins_anew():
    meter = Meter(RATE_HZ)
    feed(meter, np.array([32767, -32768, 32766, -32767] * 100, "<i2"))
    assert meter.report()[3] == 200 and meter.report()[0] == 0
    meter.begin()
    assert meter.report() is None
    feed(meter, sine(-40, 0.1))
    assert meter.report()[3] == 0


def test_decibels_of_nothing_and_of_everything():
    assert [dbfs_x10(v) for v in (0, 0.5, 1, 1 << 30)] == [-999, -903, -903, 0]


def noise(peak, seconds):
    values = np.random.default_rng(3).integers(-peak, peak + 1, int(seconds * RATE_HZ))
    return values.astype("<i2")


@pytest.mark.parametrize(
    "samples, fault",
    [
        (np.zeros(4 * RATE_HZ, "<i2"), "microphone_dead"),
        (np.full(4 * RATE_HZ, -1, "<i2"), "microphone_stuck"),
        (np.full(4 * RATE_HZ, 32767, "<i2"), "microphone_stuck"),
        (noise(2, 12), "microphone_blocked"),
        (np.zeros(2 * RATE_HZ, "<i2"), None),
        (noise(2, 8), None),
        (noise(6, 12), None),
    ],
)
def test_a_microphone_that_gives_nothing_useful_is_recognised(samples, fault):
    meter = Meter(RATE_HZ)
    feed(meter, sine(-30, 1))
    assert feed(meter, samples) == ([None, fault] if fault else [None])
    assert meter.had_fault == fault
    assert feed(meter, sine(-30, 1)) == [None], "and it is fine again"
    assert meter.had_fault == fault, "but its clip knows"
    meter.begin()
    assert meter.had_fault is None


def gate(**how):
    settings = {"level_dbfs": -50, "above_floor_db": 9, "minimum_ms": 200, "hang_over_s": 2} | how
    return Gate(RATE_HZ, **settings)


def run(gate_, *parts):
    """parts: (dBFS, seconds). Returns the seconds at which the gate changed."""
    changes, now, was = [], 0.0, gate_.is_open
    for dbfs, seconds in parts:
        for _ in range(round(seconds * RATE_HZ / BLOCK)):
            now += BLOCK / RATE_HZ
            if gate_.update(mean_square(dbfs), BLOCK) != was:
                was = not was
                changes.append(now)
    return changes


def test_speech_opens_and_silence_closes_after_the_hang_over():
    opened, closed = run(gate(), (-70, 3), (-30, 4), (-70, 5))
    assert 3.2 <= opened <= 3.33 and 9.0 <= closed <= 9.2


def test_a_knock_opens_nothing_and_a_pause_closes_nothing():
    assert run(gate(), (-70, 3), (-20, 0.1), (-70, 3)) == []
    assert len(run(gate(), (-70, 3), (-30, 2), (-70, 1.5), (-30, 2), (-70, 1.5))) == 1


def test_hysteresis_keeps_what_is_a_little_too_quiet():
    assert len(run(gate(), (-70, 3), (-45, 2), (-54, 10))) == 1
    assert len(run(gate(), (-70, 3), (-45, 2), (-58, 10))) == 2
    assert run(gate(), (-70, 3), (-54, 10)) == []


def test_steady_noise_is_learnt_and_speech_above_it_is_heard():
    g = gate()
    assert run(g, (-40, 30)) == [], "a fan is no speech"
    assert len(run(g, (-28, 3))) == 1
    louder = gate()
    run(louder, (-70, 5))
    assert len(run(louder, (-40, 500))) == 2, "a fan that is switched on is speech for a while"


def test_no_minimum_opens_at_the_first_block():
    assert run(gate(minimum_ms=0), (-70, 1), (-30, 0.1)) == [pytest.approx(1.088)]


@given(st.integers(0, 1 << 30), st.integers(2100, 9000), st.integers(1024, 40_000))
def test_the_pre_roll_keeps_the_newest_whole_frames(seed, size_bytes, max_samples):
    random_ = random.Random(seed)
    preroll = PreRoll(size_bytes, max_samples, 1024)
    pushed, dropped = [], 0
    for number in range(200):
        frame = bytes([number % 251]) * random_.choice([11, 700, 1080, 2066])
        preroll.push(frame, 1024)
        pushed.append(frame)
        if random_.random() < 0.03:
            found = drain(preroll)
            newest = pushed[len(pushed) - len(found) :]
            assert found == newest
            dropped += preroll.take_dropped()
            assert dropped == 1024 * (len(pushed) - len(found))
            pushed, dropped = [], 0
    held = preroll.samples
    found = drain(preroll)
    assert held == 1024 * len(found) <= max_samples
    assert found == pushed[len(pushed) - len(found) :]
    assert (
        sum(map(len, found)) + 4132 + 2066 > size_bytes
        or held + 1024 > max_samples
        or (len(found) == len(pushed))
    ), "it is used"


def drain(preroll):
    found = []
    while (entry := preroll.pop()) is not None:
        found.append(bytes(entry[0]))
    return found


def test_a_frame_that_never_fits_is_dropped_and_counted():
    preroll = PreRoll(100, 10_000, 1024)
    preroll.push(bytes(101), 1024)
    assert preroll.pop() is None and preroll.take_dropped() == 1024
    preroll.push(bytes(99), 1024)
    assert preroll.clear() == 1024 and preroll.samples == 0


@pytest.mark.parametrize(
    "text", ["", "8:00-9:00", "08:00-08:00", "24:00-08:00", "08:60-09:00", "08:00 09:00"]
)
def test_a_window_that_is_none(text):
    with pytest.raises(ValueError):
        schedule.parse(text)


@pytest.mark.parametrize("text", ["25:00-26:00", "0a:00-09:00", "-1:00-09:00", "08.00-09.00"])
def test_a_window_of_no_day(text):
    with pytest.raises(ValueError):
        schedule.parse(text)


@pytest.mark.parametrize("offset_min", [0, 60, -300, 345, 840])
@given(
    st.lists(
        st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda w: w[0] != w[1]),
        max_size=4,
    ),
    st.integers(0, 86399),
)
def test_the_schedule_is_what_a_clock_on_the_wall_would_say(offset_min, windows, second):
    texts = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in windows]
    plan = schedule.Schedule(texts, offset_min)

    def by_hand(unix_s):
        minute = (unix_s + 60 * offset_min) // 60 % 1440
        return any(
            minute in range(a, b) or (b < a and (minute >= a or minute < b)) for a, b in windows
        )

    now = T0 + second
    assert plan.is_inside(now) == by_hand(now)
    change_s = plan.next_change_s(now)
    assert 0 < change_s <= 86400
    for later in range(now, now + change_s, 61):
        assert plan.is_inside(later) == by_hand(now), "nothing changes before it says so"
