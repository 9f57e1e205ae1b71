"""Blocks between the microphone's driver and the recorder: one producer, one consumer.

The buffers are made once and lent. While a block is being filled it belongs to the driver; from
commit() on to the consumer; from release() on to the driver again. When all blocks are full the
driver's samples are lost, counted, and placed: the next block knows how many frames are missing
before it.
"""

from device.compat import ThreadSafeFlag


class BlockRing:
    """count blocks of frames_per_block 16-bit samples.

    slot(), commit() and overrun() are interrupt-safe (they do not allocate); the rest is not.
    """

    def __init__(self, count, frames_per_block):
        self.frames_per_block = frames_per_block
        self._blocks = [memoryview(bytearray(2 * frames_per_block)) for _ in range(count)]
        self._frames = [0] * count
        self._lost_before = [0] * count
        # Both count to twice the number of blocks and begin again, so that full and empty differ.
        # One writer each: the driver (perhaps an interrupt) and the consumer.
        self._wrap = 2 * count
        self._committed = 0
        self._released = 0
        self._lost_now = 0  # frames dropped since the last commit
        self._flag = ThreadSafeFlag()
        self.lost_frames = 0

    def __len__(self):
        return (self._committed - self._released) % self._wrap

    def is_filling(self):
        """True if more than a quarter of the blocks wait for the consumer."""
        return 4 * len(self) > len(self._blocks)

    def slot(self):
        """The block to fill next, or None if all are full. It stays the same until commit()."""
        committed = self._committed
        if (committed - self._released) % self._wrap == len(self._blocks):
            return None
        return self._blocks[committed % len(self._blocks)]

    def commit(self, frames):
        """The block that slot() gave now holds frames samples: hand it to the consumer."""
        slot = self._committed % len(self._blocks)
        self._frames[slot] = frames
        self._lost_before[slot] = self._lost_now
        self._lost_now = 0
        self._committed = (self._committed + 1) % self._wrap
        self._flag.set()

    def overrun(self, frames):
        """frames samples had no block to go to."""
        self._lost_now += frames
        self.lost_frames += frames

    async def wait(self):
        """Wait until a block was committed or wake() was called. One waiter."""
        if self._committed == self._released:
            await self._flag.wait()

    def wake(self):
        """End a wait() without a block (the take ends)."""
        self._flag.set()

    def oldest(self):
        """(samples, frames, lost_before) of the oldest full block, or None. Lent until
        release().
        """
        if self._committed == self._released:
            return None
        slot = self._released % len(self._blocks)
        return self._blocks[slot], self._frames[slot], self._lost_before[slot]

    def release(self):
        """Give the oldest block back to the driver."""
        self._released = (self._released + 1) % self._wrap

    def take_lost(self):
        """Samples lost since the last block; only while the driver is stopped."""
        lost, self._lost_now = self._lost_now, 0
        return lost

    def clear(self):
        """Forget everything; only while the driver is stopped."""
        self._committed = self._released = self._lost_now = 0
