"""Manners of one device; a whole fleet of them is host_tests/fleet."""

import random

import fakes

from device.link.clock import Clock
from device.queue.manners import Manners


def test_one_device_in_a_project_without_limits_never_waits(tmp_path, time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    for _ in range(100):
        manners.ended(True)
        assert manners.refusal() == (None, 0) and manners.pace_ms == 0


def test_the_last_request_of_a_minute_ends_the_asking(time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    manners.told(30, 0, 40)
    manners.told(100, 70, 40)
    manners.ended(True)
    assert manners.refusal()[0] == "taking_turns" and 40_000 <= manners.refusal()[1] <= 100_000


def test_the_pace_is_bounded_and_falls_when_there_is_room(time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    for _ in range(50):
        manners.refused()
    assert manners.pace_ms == 600_000
    for _ in range(20):
        manners.told(30, 29, 5)
        manners.ended(True)
    assert manners.pace_ms == 0
