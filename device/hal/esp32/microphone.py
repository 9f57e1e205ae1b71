"""Microphone port: an I2S MEMS microphone with 24 bits in slots of 32 (INMP441 class).

The driver's non-blocking mode holds two of our buffers: one that its own task fills, one that
waits in a queue of length one; a third would be dropped without a word. That task goes on while
the interpreter is busy (TLS, a card, a name server), but not while the chip's flash is erased:
then only the DMA's memory takes samples, 8 bytes a frame whatever the format (`ibuf`).

When the DMA's memory is full its oldest buffer is dropped, silently. So lost frames are inferred:
elapsed time says how many frames there were. What two buffers and the DMA cannot hold is lost for
certain; a smaller hole shows as a lag that none of the next callbacks makes good.
"""

from array import array

from machine import I2S, Pin

from device.compat import const, ticks_diff, ticks_ms
from device.errors import Fatal
from device.hal.esp32.unpack import filled, mark, unpack

_DMA_FRAMES = const(256)  # one DMA buffer; what is lost is a multiple of it
_FRAME_BYTES = const(8)  # of a frame in the DMA's memory
_LOOKS = const(8)  # callbacks in a row that must lag before a lag is a loss
_LEVEL_ZERO = 0x40000000


class Microphone:
    """table: mic_* of hal/esp32/boards.py."""

    def __init__(self, table):
        self._table = table
        self._words = 2 if table["mic_channel"] == "right" else 1
        self._state = array("I", [_LEVEL_ZERO, table["mic_shift"], self._words, self._words - 1])
        self._raw = ()
        self._i2s = None
        self.rate_hz = 0

    def prepare(self, rate_hz, block_frames, blocks):
        """Make the buffers: each covers mic_stall_ms in whole blocks of the ring, but at most half
        of the ring, so that it takes both after a stall.
        """
        self.rate_hz = rate_hz
        stall_frames = rate_hz * self._table["mic_stall_ms"] // 1000
        self._block_frames = block_frames
        self._frames = block_frames * min(-(-stall_frames // block_frames), max(1, blocks // 2))
        size_bytes = 4 * self._words * self._frames
        self._raw = (bytearray(size_bytes), bytearray(size_bytes))
        dma_buffers = max(2, -(-rate_hz * self._table["mic_dma_ms"] // (1000 * _DMA_FRAMES)))
        self._ibuf_bytes = dma_buffers * _DMA_FRAMES * _FRAME_BYTES
        # Without a loss no more than this can be on its way while a callback runs.
        self._dma_frames = dma_buffers * _DMA_FRAMES
        self._cover_frames = self._frames + self._dma_frames

    def start(self, ring):
        table = self._table
        self._ring = ring
        self._turn = 0  # the buffer that the driver fills first
        self._held = -1  # the buffer that waits for room in the ring, from frame _at on
        self._at = 0
        self._behind = self._rest = 0  # frames that time says there were and we did not get
        self._lowest, self._looks = self._cover_frames, 0
        self._is_call_lost = False
        self._hole = self._hole_in = 0  # frames to report, and in how many callbacks
        try:
            self._i2s = I2S(
                table["mic_id"],
                sck=Pin(table["mic_sck_pin"]),
                ws=Pin(table["mic_ws_pin"]),
                sd=Pin(table["mic_sd_pin"]),
                mode=I2S.RX,
                bits=32,
                format=I2S.STEREO if self._words == 2 else I2S.MONO,
                rate=self.rate_hz,
                ibuf=self._ibuf_bytes,
            )
            self._last_ticks_ms = ticks_ms()
            self._i2s.irq(self._buffer_filled)
            self._lend(0)
            self._lend(1)
        except (OSError, ValueError, RuntimeError, MemoryError) as e:
            i2s, self._i2s = self._i2s, None
            if i2s:
                i2s.deinit()
            raise Fatal("microphone_failed", "I2S: %s" % e)

    def stop(self):
        i2s, self._i2s = self._i2s, None
        if i2s is None:
            return
        i2s.deinit()  # from here on nobody writes into our buffers
        if self._hole:
            self._tell_hole()
        turn = self._turn
        if self._held >= 0:
            self._drain(self._frames)
            order = (turn,)
        else:
            order = (turn, 1 - turn)
        for index in order:
            # A part, or a whole whose callback came too late.
            frames = filled(self._frames, self._raw[index], self._words)
            self._held, self._at = index, 0
            self._drain(frames)
            lost = self._lag(frames) - self._dma_frames
            if frames < self._frames:
                break
        if lost > 0:
            self._ring.overrun(lost)

    def _lend(self, index):
        mark(self._frames, self._raw[index], self._words)
        self._i2s.readinto(self._raw[index])

    def _buffer_filled(self, i2s):
        """The driver's callback: runs between two bytecodes of whatever runs now."""
        if self._i2s is not None:
            self._take_next()
            if self._is_call_lost:
                self._is_call_lost = False
                self._take_next()

    def _take_next(self):
        """The buffer whose turn it is, is full."""
        turn = self._turn
        self._turn = 1 - turn
        if self._hole:
            self._hole_in -= 1
            if self._hole_in <= 0:
                self._tell_hole()
        self._look_for_loss()
        if self._held >= 0 and not self._move():
            # No room for the other buffer in all this time: it must go, or nobody listens.
            self._ring.overrun(self._frames - self._at)
            self._lend(self._held)
        self._held, self._at = turn, 0
        self._move()

    def _move(self):
        """Give the held buffer to the ring, and back to the driver; False if there is no room."""
        while self._at < self._frames:
            block = self._ring.slot()
            if block is None:
                return False
            unpack(self._at, self._block_frames, self._raw[self._held], block, self._state)
            self._at += self._block_frames
            self._ring.commit(self._block_frames)
        held, self._held = self._held, -1
        self._lend(held)
        return True

    def _drain(self, frames):
        """After the stop: give what is there of the held buffer to the ring, its end too."""
        while self._at < frames:
            block = self._ring.slot()
            if block is None:
                self._ring.overrun(frames - self._at)
                return
            n = min(self._block_frames, frames - self._at)
            unpack(self._at, n, self._raw[self._held], block, self._state)
            self._at += n
            self._ring.commit(n)

    def _lag(self, frames):
        """How many frames time is ahead of what we got, frames included."""
        now = ticks_ms()
        self._rest += ticks_diff(now, self._last_ticks_ms) * self.rate_hz
        self._last_ticks_ms = now
        # I2S's divider and the ticks are of one crystal but round differently: never below 0.
        self._behind = max(0, self._behind + self._rest // 1000 - frames)
        self._rest %= 1000
        return self._behind

    def _look_for_loss(self):
        """Compare a full buffer with the time that passed."""
        behind = self._lag(self._frames)
        lost = behind - self._cover_frames
        if lost > 0:
            # The DMA dropped its oldest: the hole is behind the buffer that is full by now too.
            self._hole += lost
            self._hole_in = 2
            behind -= lost
        self._lowest = min(self._lowest, behind)
        self._looks += 1
        if self._looks >= _LOOKS:
            if self._lowest >= self._frames and self._held < 0 and self._is_full(self._turn):
                # The other one was full all the time: the scheduler had no place for a callback.
                self._is_call_lost = True
                self._lowest -= self._frames
            lost = (self._lowest + _DMA_FRAMES // 2) // _DMA_FRAMES * _DMA_FRAMES
            if lost:
                self._ring.overrun(lost)
            behind -= self._lowest  # and with it what the clocks differ
            self._lowest, self._looks = self._cover_frames, 0
        self._behind = behind

    def _is_full(self, index):
        return filled(self._frames, self._raw[index], self._words) == self._frames

    def _tell_hole(self):
        """Tell the ring before the first frames behind the hole are committed."""
        self._ring.overrun(self._hole)
        self._hole = 0
