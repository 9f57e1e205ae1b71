"""The last seconds before somebody speaks, as encoded frames in one buffer made once.

Whole frames lie one behind the other; one that does not fit before the end begins at the start.
The oldest go when the newest need their place or their time is over.
"""


class PreRoll:
    """size_bytes of memory for at most max_samples; frame_samples: a frame stands for at most so
    many, and at least half of it.
    """

    def __init__(self, size_bytes, max_samples, frame_samples):
        self._data = memoryview(bytearray(size_bytes))
        self._count_max = 2 * max_samples // frame_samples + 2
        self._at = [0] * self._count_max
        self._size = [0] * self._count_max
        self._samples = [0] * self._count_max
        self.max_samples = max_samples
        self._oldest = self._count = self._end = 0
        self.samples = 0  # that it holds
        self.dropped = 0  # samples of the frames that went since the last clear() or restart()

    def push(self, frame, samples):
        """Keep a copy of frame, which stands for so many samples."""
        size = len(frame)
        while self._count and (
            self.samples + samples > self.max_samples or self._count == self._count_max
        ):
            self._drop()
        if size > len(self._data) or samples > self.max_samples:
            self.dropped += samples
            return
        at = self._place(size)
        self._data[at : at + size] = frame
        slot = (self._oldest + self._count) % self._count_max
        self._at[slot], self._size[slot], self._samples[slot] = at, size, samples
        self._count += 1
        self._end = at + size
        self.samples += samples

    def _place(self, size):
        """Where size bytes may lie, after dropping what is in the way."""
        at = self._end
        if not self._count or at + size > len(self._data):
            # Frames between here and the end would be passed by: they are the oldest.
            while self._count and self._at[self._oldest] >= at:
                self._drop()
            at = 0
        while self._count and at <= self._at[self._oldest] < at + size:
            self._drop()
        return at

    def _drop(self):
        _, samples = self.pop()
        self.dropped += samples

    def pop(self):
        """(frame, samples) of the oldest, lent until the next push; None if there is none."""
        if not self._count:
            return None
        slot = self._oldest
        self._oldest = (slot + 1) % self._count_max
        self._count -= 1
        self.samples -= self._samples[slot]
        at = self._at[slot]
        return self._data[at : at + self._size[slot]], self._samples[slot]

    def clear(self):
        """Drop all; returns the samples that went in all since the last call."""
        while self._count:
            self._drop()
        return self.take_dropped()

    def take_dropped(self):
        dropped, self.dropped = self.dropped, 0
        return dropped
