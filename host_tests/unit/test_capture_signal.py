"""capture.signal: both twins give the same values, the right ones, within a board's 32 bits."""

import math
import random
import subprocess
from array import array

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.capture import signal_plain
from device.capture.conditioner import Conditioner, gain_parts, rate_parts
from host_tests.codec import checked_viper
from tools.sim.board import find_micropython
from tools.sim.build import ROOT, build

VIPER = checked_viper.load(ROOT / "device" / "capture" / "signal_viper.py")
EXTREMES = [-32768, 32767, 0, -1, 1, 255, -256]
_wave = st.lists(st.one_of(st.sampled_from(EXTREMES), st.integers(-32768, 32767)), max_size=200)


def words(values):
    return bytearray(np.array(values, "<i2").tobytes())


def measured(module, values):
    marks = array("I", bytes(20))
    module.measure(0, len(values), words(values), marks)
    return marks.tolist()


@given(_wave)
def test_measures_are_the_same_and_right(values):
    low, high, fine, coarse, clipped = measured(signal_plain, values)
    assert measured(VIPER, values) == [low, high, fine, coarse, clipped]
    assert (coarse << 15) + fine == sum(v * v for v in values)
    if values:
        assert (low - 32768, high - 32768) == (min(values), max(values))
    assert clipped == values.count(-32768) + values.count(32767)


@pytest.mark.parametrize("value", [-32768, 32767])
def test_the_longest_block_at_full_scale_fits_a_board(value):
    values = [value] * 16384
    assert measured(VIPER, values) == measured(signal_plain, values)


def conditioned(module, values, state):
    data = words(values)
    state = array("I", state)
    module.condition(0, len(values), data, state)
    return np.frombuffer(data, "<i2").tolist(), state.tolist()


@given(_wave, st.integers(0, 40), st.sampled_from([0, 1, 20, 80, 400]), st.integers(-32768, 32767))
@example([-32768, 32767] * 90, 40, 400, -32768)
def test_conditioning_is_the_same_within_a_boards_bits(values, gain_db, high_pass_hz, level):
    state = [0x40000000 + (level << 14), *rate_parts(high_pass_hz, 8000), *gain_parts(gain_db)]
    assert conditioned(VIPER, values, state) == conditioned(signal_plain, values, state)


def test_without_gain_and_high_pass_nothing_changes():
    values = list(range(-32768, 32768, 7))
    assert conditioned(signal_plain, values, [0x40000000, 0, 0, *gain_parts(0)])[0] == values


@pytest.mark.parametrize("gain_db", range(0, 41, 5))
def test_gain_is_what_it_says(gain_db):
    mantissa, shift = gain_parts(gain_db)
    assert mantissa < 16384
    assert 20 * math.log10(mantissa / 2**shift) == pytest.approx(gain_db, abs=0.002)


def response(rate_hz, high_pass_hz, tone_hz, offset=0):
    """dB that a tone keeps, and the offset that remains, after a second."""
    conditioner = Conditioner(rate_hz, 0, high_pass_hz)
    conditioner.begin()
    tone = 8000 * np.sin(2 * np.pi * tone_hz * np.arange(2 * rate_hz) / rate_hz) + offset
    data = memoryview(words(np.rint(tone)))
    for at in range(0, 2 * rate_hz, 1000):
        conditioner.apply(data[2 * at : 2 * at + 2000], 1000)
    after = np.frombuffer(data, "<i2")[rate_hz:].astype(float)
    return 20 * math.log10(after.std() / tone.std()), after.mean()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("high_pass_hz", [20, 80, 400])
def test_the_high_pass_is_first_order_at_its_corner(rate_hz, high_pass_hz):
    at_corner, _ = response(rate_hz, high_pass_hz, high_pass_hz)
    below, _ = response(rate_hz, high_pass_hz, high_pass_hz / 4)
    above, offset = response(rate_hz, high_pass_hz, 1000 if high_pass_hz < 400 else 3000, 900)
    assert at_corner == pytest.approx(-3, abs=0.05)
    assert below == pytest.approx(-12.3, abs=0.2)
    assert above > -0.2
    assert abs(offset) < 1, "an offset goes away"


def test_saturation_does_not_wrap():
    out, _ = conditioned(signal_plain, [20000, -20000], [0x40000000, 0, 0, *gain_parts(12)])
    assert out == [32767, -32768]


PORT = """
import sys
sys.path.insert(0, sys.argv[1])
from array import array
from device.capture import signal
import micropython
data = bytearray(open(sys.argv[2], "rb").read())
marks, state = array("I", bytes(20)), array("I", [int(v) for v in sys.argv[3].split(",")])
n = len(data) // 2
micropython.heap_lock()
signal.measure(0, n, data, marks)
signal.condition(0, n, data, state)
micropython.heap_unlock()
open(sys.argv[2], "wb").write(data)
which = "viper" if "device.capture.signal_viper" in sys.modules else "plain"
print(list(marks), list(state), which)
"""


def test_the_port_runs_the_viper_twin_and_agrees_without_allocating(tmp_path):
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("there is no MicroPython unix port for this platform")
    seed = random.randrange(1 << 30)
    print("seed", seed)
    wave = np.random.default_rng(seed).integers(-32768, 32767, 16384, "<i2")
    wave[:8] = [-32768, 32767] * 4
    state = [0x40000000, *rate_parts(80, 16000), *gain_parts(15)]
    (tmp_path / "wave").write_bytes(wave.tobytes())
    (tmp_path / "run.py").write_text(PORT)
    code = build(ROOT / "build" / "device")
    command = [
        micropython,
        tmp_path / "run.py",
        code,
        tmp_path / "wave",
        ",".join(map(str, state)),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    values, after = conditioned(signal_plain, wave.tolist(), state)
    expected = f"{measured(signal_plain, wave.tolist())} {after} viper\n"
    assert done.stdout == expected, done.stderr
    assert np.frombuffer((tmp_path / "wave").read_bytes(), "<i2").tolist() == values


def test_the_checker_would_see_a_wider_gain():
    with pytest.raises(checked_viper.Overflow):
        conditioned(VIPER, [32767, -32768], [0x40000000, 0, 0, 70_000, 10])
