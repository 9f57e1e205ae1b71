"""Ctrl-C reaches a virtual board where its interpreter holds nothing, as on a real one."""

import subprocess
import time

import pytest

from tools.sim import ctrl_c
from tools.sim.board import find_micropython

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
# Says where it was when it heard Ctrl-C, and ends at the end of its input.
PROGRAM = """
import sys, time
open({started!r}, "w").close()
while True:
    where = "busy"
    try:
        while True:
            where = "busy"
            for _ in range({rounds}):
                [None] * 1000
            where = "asleep"
            time.sleep(0.05)
    except KeyboardInterrupt:
        print("taken", where)
"""
OFTEN, FOR_EVER = 20_000, 10**12


@pytest.fixture
def start(tmp_path):
    """start(rounds) -> (process, CtrlC) of a program that is at work."""
    processes = []

    def make(rounds):
        started = tmp_path / "started"
        code = PROGRAM.format(started=str(started), rounds=rounds)
        command = [find_micropython(), "-c", code]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        key = ctrl_c.CtrlC(processes[-1], started)
        deadline = time.monotonic() + 30
        while not key.is_heard():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return processes[-1], key

    yield make
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def press(key):
    key.press()
    while key.is_due:
        key.tick()
        time.sleep(0.001)


def test_it_waits_for_a_place_where_nothing_is_held(start, monkeypatch):
    monkeypatch.setattr(ctrl_c, "_BUSY_S", 30.0)
    process, key = start(OFTEN)
    for _ in range(5):
        key.forget()
        press(key)
        assert process.stdout.readline() == b"taken asleep\n"
    assert process.poll() is None


def test_a_loop_that_never_sleeps_hears_it_all_the_same(start, monkeypatch):
    monkeypatch.setattr(ctrl_c, "_BUSY_S", 0.2)
    process, key = start(FOR_EVER)
    press(key)
    assert process.stdout.readline() == b"taken busy\n"


def test_a_second_press_at_once_is_the_same_one(start):
    process, key = start(OFTEN)
    press(key)
    key.press()
    assert not key.is_due and key.was_sent
    key.forget()  # the prompt was seen
    key.press()
    assert key.is_due


def test_nothing_is_sent_to_what_has_not_started(tmp_path):
    process = subprocess.Popen(["sleep", "30"])  # has no handler: a signal would end it
    try:
        for started in (tmp_path / "not there", tmp_path):
            key = ctrl_c.CtrlC(process, started)
            key.press()
            key.tick()
            assert key.is_due and process.poll() is None
    finally:
        process.kill()
        process.wait()
