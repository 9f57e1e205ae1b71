"""hal.esp32.unpack: both twins give the same values, the right ones, within a board's 32 bits."""

import random
import subprocess
from array import array

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from device.hal.esp32 import unpack_plain
from host_tests.codec import checked_viper
from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

VIPER = checked_viper.load(ROOT / "device" / "hal" / "esp32" / "unpack_viper.py")
ZERO = 0x40000000
EXTREMES = [-(1 << 31), (1 << 31) - 1, 0, -1, 255, 256, -256]
_slots = st.lists(
    st.one_of(st.sampled_from(EXTREMES), st.integers(-(1 << 31), (1 << 31) - 1)), max_size=120
)


def unpacked(module, slots, shift=16, words=1, channel=0, level=0, at=0):
    raw = bytearray(np.array(slots, "<i4").tobytes())
    n = len(slots) // words - at
    out, state = bytearray(2 * n), array("I", [ZERO + level, shift, words, channel])
    module.unpack(at, n, raw, memoryview(out), state)
    return np.frombuffer(out, "<i2").tolist(), state.tolist()


@settings(max_examples=100)
@given(_slots, st.integers(9, 16), st.sampled_from([(1, 0), (2, 0), (2, 1)]), st.data())
@example([-(1 << 31), (1 << 31) - 1] * 60, 9, (2, 1), None)
def test_the_twins_agree_within_a_boards_bits(slots, shift, layout, data):
    words, channel = layout
    slots = slots[: len(slots) // words * words]
    level = (1 << 29) - 1 if data is None else data.draw(st.integers(-(1 << 29), (1 << 29) - 1))
    at = 0 if data is None or not slots else data.draw(st.integers(0, len(slots) // words))
    details = (slots, shift, words, channel, level, at)
    assert unpacked(VIPER, *details) == unpacked(unpack_plain, *details)


def test_the_chosen_channel_is_heard():
    left, right = [1000 << 16] * 40, [-2000 << 16] * 40
    slots = [v for pair in zip(left, right, strict=True) for v in pair]
    assert unpacked(unpack_plain, slots, words=2, channel=0)[0][0] == 1000
    assert unpacked(unpack_plain, slots, words=2, channel=1)[0][0] == -1999


@pytest.mark.parametrize("shift", range(9, 17))
def test_the_shift_is_what_it_says_and_saturates(shift):
    quiet = unpacked(unpack_plain, [1 << 20], shift=shift)[0][0]
    assert abs(quiet - (1 << (20 - shift))) <= 1 + (1 << (20 - shift)) // 1000
    loud, _ = unpacked(unpack_plain, [0x7FFFFFFF, -0x80000000], shift=shift)
    if shift < 16:
        assert loud == [32767, -32768]


def test_an_offset_goes_away_and_speech_stays():
    rate_hz = 16000
    tone = 3_000_000 * np.sin(2 * np.pi * 200 * np.arange(4 * rate_hz) / rate_hz)
    slots = np.rint(tone + 40_000_000).astype(np.int64).tolist()
    samples = np.array(unpacked(unpack_plain, slots, shift=12)[0][2 * rate_hz :], float)
    assert abs(samples.mean()) < 1
    assert samples.std() == pytest.approx(3_000_000 / 4096 / np.sqrt(2), rel=0.01)


@settings(max_examples=100)
@given(st.integers(1, 300), st.sampled_from([1, 2]), st.integers(0, 300), st.randoms())
def test_how_far_the_driver_came_is_seen(frames, words, done, randoms):
    """It copies 30 frames at a time."""
    raw = bytearray(4 * words * frames)
    for module in (unpack_plain, VIPER):
        module.mark(frames, raw, words)
        copied = min(frames, done // 30 * 30)
        for i in range(copied * words):  # 24 bits and a low byte of whatever the line picked up
            raw[4 * i : 4 * i + 4] = bytes([randoms.randrange(256), 0, 0, 0])
        assert module.filled(frames, raw, words) == copied


PORT = """
import sys
sys.path.insert(0, sys.argv[1])
from array import array
from device.hal.esp32 import unpack
import micropython
raw = bytearray(open(sys.argv[2], "rb").read())
n = len(raw) // 8
out, state = bytearray(2 * n), array("I", [0x40000000, 11, 2, 1])
view = memoryview(out)
micropython.heap_lock()
unpack.unpack(0, n, raw, view, state)
unpack.mark(n, raw, 2)
far = unpack.filled(n, raw, 2)
micropython.heap_unlock()
open(sys.argv[2], "wb").write(out)
which = "viper" if "device.hal.esp32.unpack_viper" in sys.modules else "plain"
print(list(state), far, which)
"""


def test_the_port_runs_the_viper_twin_and_agrees_without_allocating(tmp_path):
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("there is no MicroPython unix port for this platform")
    seed = random.randrange(1 << 30)
    print("seed", seed)
    slots = np.random.default_rng(seed).integers(-(1 << 31), (1 << 31) - 1, 8000, "<i4")
    slots[:8] = EXTREMES + [0]
    (tmp_path / "raw").write_bytes(slots.tobytes())
    (tmp_path / "run.py").write_text(PORT)
    code = build(ROOT / "build" / "device")
    command = [micropython, tmp_path / "run.py", code, tmp_path / "raw"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    values, state = unpacked(unpack_plain, slots.tolist(), shift=11, words=2, channel=1)
    assert done.stdout == "%s 0 viper\n" % state, done.stderr
    assert np.frombuffer((tmp_path / "raw").read_bytes(), "<i2").tolist() == values


def test_the_checker_would_see_a_wider_level():
    with pytest.raises(checked_viper.Overflow):
        unpacked(VIPER, [-(1 << 31)] * 4, level=(1 << 30) + (1 << 29))
