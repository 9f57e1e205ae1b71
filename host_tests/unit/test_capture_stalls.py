"""How long a stall capture stands, with the ring of the defaults and the driver of the boards."""

import pytest

from tools.bench.capture import DRIVER_MS, frames_lost


@pytest.mark.parametrize("rate_hz, stall_ms", [(48000, 250), (48000, 500), (16000, 1000)])
def test_nothing_is_lost(rate_hz, stall_ms):
    assert frames_lost(rate_hz, stall_ms, turns=3) == 0


def test_the_ring_alone_takes_card_stalls_at_48_khz():
    assert frames_lost(48000, 250, driver_ms=64, turns=3) == 0


@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_beyond_it_just_the_rest_is_lost(rate_hz):
    lost_ms = 1000 * frames_lost(rate_hz, 2000, turns=3) / rate_hz
    assert lost_ms == pytest.approx(2000 - DRIVER_MS - 512, abs=70)
