"""The microphone port over the faked driver: nothing lost that the driver had, holes counted and
placed, the end of a take kept.
"""

import random

import pytest

from device.capture.ring import BlockRing
from device.errors import Fatal
from device.hal.esp32 import boards

RATE_HZ, BLOCK = 16000, 1024  # 64 ms


def sample(frame):
    """What the microphone hears: neighbours differ, no long mean, no two alike for long."""
    return (frame * 7919) % 20011 - 10005


class Bench:
    """A microphone, a ring and a recorder that takes blocks when it is let."""

    def __init__(self, chip, blocks=8, rate_hz=RATE_HZ, **options):
        from device.hal.esp32.microphone import Microphone

        channel = options.get("mic_channel", "left")
        chip.sound = lambda frame: (
            (sample(frame) << 16, -5 << 16)
            if channel == "left"
            else (-5 << 16, sample(frame) << 16)
        )
        self.chip, self.ring = chip, BlockRing(blocks, BLOCK)
        self.table = dict(boards.BOARDS["esp32-s3-sd"], mic_shift=16, **options)
        self.microphone = Microphone(self.table)
        self.microphone.prepare(rate_hz, BLOCK, blocks)
        self.heard = []  # sample or None for a lost frame
        self.microphone.start(self.ring)
        self.driver = chip.i2s[0]

    def missing(self):
        """Frames that were made and neither heard nor counted as lost."""
        return self.driver._made - len(self.heard)

    def take(self, most=99):
        while most and (found := self.ring.oldest()):
            samples, frames, lost = found
            self.heard += [None] * lost
            self.heard += memoryview(samples).cast("h")[:frames].tolist()
            self.ring.release()
            most -= 1

    def run(self, duration_ms, step_ms=20, takes=99, **busy):
        for _ in range(0, duration_ms, step_ms):
            self.chip.run(step_ms, **busy)
            self.take(takes)

    def stop(self):
        self.microphone.stop()
        self.take()
        self.heard += [None] * self.ring.take_lost()

    def wrong(self, skip=6000):
        """Places where what was heard is neither the true sample nor a counted loss; the offset
        tracker settles in the first third of a second.
        """
        return [
            i
            for i, v in enumerate(self.heard)
            if i >= skip and v is not None and abs(v - sample(i)) > 400
        ]


@pytest.fixture
def bench(chip):
    return lambda **options: Bench(chip, **options)


def test_a_quiet_life_loses_nothing(bench):
    b = bench()
    b.run(20_000)
    b.stop()
    assert b.heard.count(None) == 0 and b.wrong() == []
    # Only what the DMA had not handed over by the stop is missing: less than a DMA buffer.
    assert 20 * RATE_HZ - len(b.heard) <= 256 + 30
    assert b.driver.ignored == 0, "never more than two buffers with the driver"


@pytest.mark.parametrize("channel, words", [("left", 1), ("right", 2)])
def test_channel_and_format(bench, channel, words):
    b = bench(mic_channel=channel)
    assert (b.driver.bits, b.driver.format) == (32, words - 1)
    b.run(3000)
    assert b.wrong() == []


def test_sizes_come_from_rate_and_stall(bench, chip):
    b = bench(mic_stall_ms=500, mic_dma_ms=256, blocks=16)
    assert [len(raw) for raw in b.microphone._raw] == [4 * 8 * BLOCK] * 2
    assert b.driver.dma_count == 16, "256 ms of 8 bytes a frame"
    b.microphone.stop()
    b.microphone.prepare(48000, BLOCK, 64)
    b.microphone.start(b.ring)
    assert chip.i2s[0].dma_count == 48 and len(b.microphone._raw[0]) == 4 * 24 * BLOCK


@pytest.mark.parametrize("stall_ms", [100, 300, 480])
def test_a_busy_interpreter_loses_nothing(bench, stall_ms):
    """TLS, a card, a name server: the driver's task goes on and fills both buffers."""
    b = bench()
    for _ in range(8):
        b.run(1300)
        b.chip.run(stall_ms, vm_busy=True)
    b.run(3000)
    b.stop()
    assert b.driver.dropped == []
    assert b.heard.count(None) == 0 and b.wrong() == []


def test_an_erase_within_the_dma_loses_nothing(bench):
    b = bench()
    for _ in range(20):
        b.run(500)
        b.chip.run(200, flash_busy=True)
    b.run(5000)
    b.stop()
    assert b.driver.dropped == [] and b.heard.count(None) == 0 and b.wrong() == []


@pytest.mark.parametrize("busy", ["vm_busy", "flash_busy"])
def test_what_the_driver_drops_in_silence_is_counted(bench, busy):
    b = bench()
    b.run(5000)
    b.chip.run(2500, **{busy: True})
    b.run(12_000)
    b.stop()
    lost = 256 * len(b.driver.dropped)
    assert lost > 10_000
    assert b.ring.lost_frames == b.heard.count(None)
    assert abs(b.heard.count(None) - lost) <= 256
    assert abs(len(b.heard) - b.chip.i2s.get(0, b.driver)._made) <= 600


def test_a_hole_is_placed_behind_what_came_before_it(bench):
    """Sample for sample right again behind the hole, and before it."""
    b = bench()
    b.run(5000)
    b.chip.run(2500, vm_busy=True)
    b.run(12_000)
    first = b.driver.dropped[0]
    assert abs(b.heard.index(None) - first) <= 2 * 256
    behind = b.heard.index(None)
    assert [i for i in b.wrong() if i < behind - 512] == []
    tail = range(len(b.heard) - 30_000, len(b.heard))
    assert any(
        all(abs(b.heard[i] - sample(i + d)) < 400 for i in tail[::501]) for d in range(-256, 257)
    ), "and what follows is at most a DMA buffer from its place"


def test_a_small_hole_shows_in_the_next_seconds(bench):
    """Some DMA buffers: far less than two of ours can hide."""
    b = bench(mic_dma_ms=64)
    b.run(5000)
    b.chip.run(100, flash_busy=True)
    lost = 256 * len(b.driver.dropped)
    assert 256 <= lost <= 1024
    b.run(10_000)
    assert b.ring.lost_frames == lost


def test_a_callback_that_found_no_place_is_made_good(bench, chip):
    """Eight calls of others wait while C code runs: ours is dropped, its buffer is full."""
    b = bench()
    b.run(5000)
    chip.is_vm_busy = True
    for _ in range(8):
        chip.schedule(lambda argument: None, None)
    for _ in range(270):
        chip.now_ms += 1
        b.driver._pass_ms()
    chip.is_vm_busy = False
    b.run(10_000)
    assert chip.calls_lost == 1
    b.run(5000)
    assert b.driver._queued is not None, "two buffers are with the driver again"
    b.stop()
    assert b.heard.count(None) == 0 and b.wrong() == []
    assert b.missing() < 256 + 30


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clocks_that_differ_a_little_are_no_loss(bench, chip, ppm):
    b = bench()
    b.driver.rate = RATE_HZ + RATE_HZ * ppm // 1_000_000 + (1 if ppm > 0 else -1)
    b.run(60_000)
    assert b.ring.lost_frames == 0 and b.wrong() == []


def test_a_full_ring_holds_the_driver_back_before_anything_goes(bench):
    """A recorder that stands still: the driver's buffers keep what the ring cannot."""
    b = bench()
    b.run(5000)
    b.chip.run(600)
    b.run(5000)
    b.stop()
    assert b.heard.count(None) == 0 and b.wrong() == []


def test_a_recorder_that_stands_still_loses_the_oldest_and_it_is_counted(bench):
    b = bench()
    b.run(5000)
    b.chip.run(6000)
    b.run(8000)
    b.stop()
    assert b.heard.count(None) > 3 * RATE_HZ
    assert b.wrong() == [], "and all else is where it belongs"


@pytest.mark.parametrize("at_ms", [700, 1003, 1290, 1555])
def test_the_end_of_a_take_is_kept(bench, at_ms):
    """A take ends in the middle of a buffer: what the driver put there is taken out."""
    b = bench()
    b.run(at_ms, step_ms=1)
    b.stop()
    assert 0 <= b.missing() < 256 + 30
    assert b.wrong() == []


def test_a_stop_while_callbacks_wait_keeps_their_buffers(bench, chip):
    b = bench(blocks=32)
    b.run(4000)
    chip.is_vm_busy = True
    for _ in range(520):
        chip.now_ms += 1
        b.driver._pass_ms()
    b.stop()
    chip.is_vm_busy = False
    chip.run_scheduled()  # late: they must find nothing to do
    assert b.heard.count(None) == 0 and b.wrong() == []
    assert b.missing() < 256 + 30


def test_a_second_take_begins_anew(bench, chip):
    b = bench()
    b.run(3000)
    b.stop()
    b.ring.clear()
    chip.run(5000)  # nothing runs: no time to make good
    b.microphone.start(b.ring)
    b.heard.clear()
    b.run(6000)
    assert b.ring.lost_frames == 0 and b.wrong() == []


@pytest.mark.parametrize("fault", ["no memory", "no task"])
def test_a_driver_that_refuses_is_a_fault_of_the_microphone(bench, chip, monkeypatch, fault):
    import machine

    if fault == "no memory":
        monkeypatch.setattr(machine.I2S, "most_ibuf", 1000)
    else:

        def irq(self, handler):
            raise RuntimeError("failed to create I2S task")

        monkeypatch.setattr(machine.I2S, "irq", irq)
    with pytest.raises(Fatal) as error:
        bench()
    assert error.value.code == "microphone_failed"
    assert chip.i2s == {}


def test_random_days(bench):
    """Stalls of all kinds within the promise: nothing lost. Prints its seed."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    b = bench(blocks=16)
    for _ in range(25):
        b.run(rng.randrange(600, 1500), takes=rng.choice([1, 4, 99]))
        kind = rng.choice(["vm_busy", "flash_busy", ""])
        limit_ms = {"vm_busy": 600, "flash_busy": 200, "": 400}[kind]
        b.chip.run(rng.randrange(1, limit_ms), **({kind: True} if kind else {}))
    b.run(3000)
    b.stop()
    assert b.driver.dropped == [] and b.heard.count(None) == 0 and b.wrong() == []
