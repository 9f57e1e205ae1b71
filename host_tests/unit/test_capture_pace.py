"""capture.pace: the microphone's real rate, whatever the loop does to its blocks."""

import random

import pytest

from device.capture.pace import Pace

RATE_HZ = 16000


class Clock:
    up_ms, drift_ppb = 0, None

    def uptime_ms(self):
        return self.up_ms


def hear(ppm, seconds, block=1024, seed=1, tick_ppm=0):
    """A microphone that is ppm too fast, blocks up to 400 ms late, now and then four seconds."""
    clock = Clock()
    clock.drift_ppb = 1000 * tick_ppm if tick_ppm else None
    pace = Pace(RATE_HZ, clock)
    chance = random.Random(seed)
    blocks = int(seconds * RATE_HZ / block)
    last_ms = 0
    for number in range(1, blocks + 1):
        true_ms = number * block * 1000 / (RATE_HZ * (1 + ppm / 1e6))
        late_ms = chance.choice([0, 1, 2, 15, 60, chance.randrange(400)])
        if chance.random() < 0.001:
            late_ms = 4000
        last_ms = max(last_ms, int(true_ms / (1 + tick_ppm / 1e6) + late_ms))
        clock.up_ms = last_ms
        pace.add(block)
    return pace


@pytest.mark.parametrize("ppm", [-80, -20, 0, 35, 120])
def test_the_rate_is_measured_in_spite_of_late_blocks(ppm):
    pace = hear(ppm, 3600)
    assert pace.ppm() == pytest.approx(ppm, abs=4)
    assert pace.drift_ms() == pytest.approx(-ppm * 3.6, abs=8)


def test_nothing_is_said_before_ten_minutes():
    assert hear(50, 500).ppm() is None
    assert hear(50, 10).drift_ms() == 0
    assert hear(50, 700).ppm() == pytest.approx(50, abs=12)


def test_the_drift_of_the_ticks_is_taken_out():
    assert hear(30, 3600, tick_ppm=40).ppm() == pytest.approx(30, abs=4)


def test_a_start_begins_anew():
    pace = hear(50, 3600)
    pace.begin()
    assert pace.ppm() is None and pace.drift_ms() == 0
