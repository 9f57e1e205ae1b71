"""capture.ring: one producer, perhaps an interrupt, and one consumer."""

import asyncio
import sys

import fakes
from hypothesis import given
from hypothesis import strategies as st

from device.capture.ring import BlockRing


def fill(ring, value, frames=None):
    block = ring.slot()
    if block is None:
        ring.overrun(ring.frames_per_block)
        return False
    block[:2] = value.to_bytes(2, "little")
    ring.commit(ring.frames_per_block if frames is None else frames)
    return True


def take(ring):
    found = ring.oldest()
    if found is None:
        return None
    samples, frames, lost = found
    value = int.from_bytes(samples[:2], "little")
    ring.release()
    return value, frames, lost


def test_blocks_come_out_in_order_and_belong_to_one_side_at_a_time():
    ring = BlockRing(3, 4)
    assert ring.oldest() is None and len(ring) == 0
    slot = ring.slot()
    assert slot is ring.slot() and len(slot) == 8
    for value in (1, 2, 3):
        assert fill(ring, value)
    assert ring.slot() is None and len(ring) == 3
    first = ring.oldest()[0]
    assert first is ring.oldest()[0]
    assert take(ring) == (1, 4, 0)
    assert ring.slot() is first, "given back to the driver"
    assert [take(ring), take(ring), take(ring)] == [(2, 4, 0), (3, 4, 0), None]


def test_overruns_are_counted_and_placed():
    ring = BlockRing(2, 4)
    for value in range(5):  # two fit, three are lost
        fill(ring, value)
    assert ring.lost_frames == 12
    assert [take(ring), take(ring)] == [(0, 4, 0), (1, 4, 0)], "nothing missing before these"
    fill(ring, 7, frames=3)
    fill(ring, 8)
    assert [take(ring), take(ring)] == [(7, 3, 12), (8, 4, 0)]
    assert ring.lost_frames == 12


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=80))
def test_it_is_a_bounded_queue_that_counts_what_it_drops(count, steps):
    ring, model, lost, total, value = BlockRing(count, 2), [], 0, 0, 0
    for is_fill in steps:
        if is_fill:
            value += 1
            if len(model) < count:
                model.append((value, 2, lost))
                lost = 0
                assert fill(ring, value)
            else:
                lost += 2
                total += 2
                assert not fill(ring, value)
        else:
            assert take(ring) == (model.pop(0) if model else None)
        assert (len(ring), ring.lost_frames) == (len(model), total)


def test_clear_forgets_all_but_the_count():
    ring = BlockRing(2, 4)
    for value in range(4):
        fill(ring, value)
    ring.clear()
    assert ring.oldest() is None and len(ring) == 0 and ring.lost_frames == 8
    fill(ring, 9)
    assert take(ring) == (9, 4, 0), "what was lost before the clear is not placed after it"


def test_waiting(time):
    ring = BlockRing(2, 4)

    async def main():
        waiter = asyncio.create_task(ring.wait())
        await asyncio.sleep(1)
        assert not waiter.done()
        fill(ring, 1)
        await asyncio.wait_for(waiter, 1)
        await asyncio.wait_for(ring.wait(), 1)  # a block is there: no wait
        take(ring)
        waiter = asyncio.create_task(ring.wait())
        await asyncio.sleep(0)
        ring.wake()
        await asyncio.wait_for(waiter, 1)
        assert ring.oldest() is None

    fakes.run(main(), time)


def interrupted(function, interrupt, step):
    """Run function and call interrupt once, before its bytecode number `step`.

    Returns (result, True if the function was that long). MicroPython runs a soft interrupt between
    two bytecodes; CPython's tracing lets a test do the same at each of them in turn.
    """
    seen = [0]
    code = function.__code__ if hasattr(function, "__code__") else function.__func__.__code__

    def trace(frame, event, argument):
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if seen[0] == step:
                sys.settrace(None)
                interrupt()
                sys.settrace(trace)
            seen[0] += 1
        return trace

    sys.settrace(trace)
    try:
        return function(), seen[0] > step
    finally:
        sys.settrace(None)


def test_a_commit_in_the_middle_of_release_is_not_lost():
    for step in range(200):
        ring = BlockRing(4, 4)
        fill(ring, 1)
        fill(ring, 2)
        _, was_inside = interrupted(ring.release, lambda ring=ring: fill(ring, 3), step)
        if not was_inside:
            break
        assert [take(ring), take(ring), take(ring)] == [(2, 4, 0), (3, 4, 0), None], step
    assert step > 3


def test_a_commit_in_the_middle_of_oldest_does_not_change_which_is_the_oldest():
    for step in range(200):
        ring = BlockRing(4, 4)
        fill(ring, 1)
        fill(ring, 2)
        block, was_inside = interrupted(ring.oldest, lambda ring=ring: fill(ring, 3), step)
        if not was_inside:
            break
        assert int.from_bytes(block[0][:2], "little") == 1, step
    assert step > 3
