"""Fake of `machine.I2S`: DMA, and the driver's task with its two buffers (see chip.py)."""

import collections
import errno

from host_tests.hal.fakes import chip as _chip

_DMA_FRAMES = 256


class I2S:
    RX, TX = 0, 1
    STEREO, MONO = 1, 0
    most_ibuf = 512 * 1024

    def __init__(self, id, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        """like extmod/machine_i2s.c (machine_i2s_init_helper) and ports/esp32/machine_i2s.c
        (mp_machine_i2s_init_helper, get_dma_buf_count): DMA is 32-bit stereo whatever the format,
        256 frames a buffer, ibuf counts 8 bytes a frame, at least two buffers.
        """
        if id not in (0, 1):
            raise ValueError("invalid id")
        if mode not in (self.RX, self.TX):
            raise ValueError("invalid mode")
        if bits not in (16, 32):
            raise ValueError("invalid bits")
        if ibuf > self.most_ibuf:
            raise OSError(errno.ENOMEM, "ESP_ERR_NO_MEM")
        previous = _chip.chip.i2s.get(id)
        if previous is not None:
            previous.deinit()
        self.bits, self.format, self.rate = bits, format, rate
        self.dma_count = max(2, ibuf // (_DMA_FRAMES * 8))
        self._dma = collections.deque()  # first frames of full DMA buffers
        self._made = 0  # frames since the start
        self._rest = 0
        self._full = 0  # frames in full DMA buffers so far
        self._taken = collections.deque()  # frames of the DMA buffer that the task reads
        self._callback = None
        self._job = self._queued = None  # [buffer, frames done]
        self.dropped = []  # first frames of DMA buffers that were overwritten
        self.ignored = 0  # readinto() without a place
        self._id = id
        _chip.chip.i2s[id] = self

    def irq(self, handler):
        """like extmod/machine_i2s.c (machine_i2s_irq): a handler makes it non-blocking."""
        if not callable(handler):
            raise ValueError("invalid callback")
        self._callback = handler

    def readinto(self, buf):
        """like extmod/machine_i2s.c (machine_i2s_stream_read): in non-blocking mode a queue of
        length one beside the task's own buffer; what finds no place there is dropped, and the
        size is answered all the same.
        """
        if len(buf) % (self.bits // 8 * (2 if self.format == self.STEREO else 1)):
            raise OSError(errno.EINVAL)
        if self._callback is None:
            raise AssertionError("this fake only knows the non-blocking mode")
        if self._job is None:
            self._job = [buf, 0]
        elif self._queued is None:
            self._queued = [buf, 0]
        else:
            self.ignored += 1
        return len(buf)

    def deinit(self):
        """like ports/esp32/machine_i2s.c (mp_machine_i2s_deinit): the channel, then the task."""
        if _chip.chip.i2s.get(self._id) is self:
            del _chip.chip.i2s[self._id]
        self._job = self._queued = None

    def _pass_ms(self):
        """like components/esp_driver_i2s/i2s_common.c (i2s_dma_rx_callback) of ESP-IDF: DMA goes
        on whatever the CPU does; with the queue full its oldest buffer is lost, and
        ports/esp32/machine_i2s.c (i2s_callbacks) has no handler that would tell.
        """
        self._rest += self.rate
        self._made += self._rest // 1000
        self._rest %= 1000
        while self._made >= self._full + _DMA_FRAMES:
            if len(self._dma) >= self.dma_count - 1:  # one is being written
                self.dropped.append(self._dma.popleft())
            self._dma.append(self._full)
            self._full += _DMA_FRAMES
        if not _chip.chip.is_flash_busy:
            self._work()

    def _work(self):
        """like ports/esp32/machine_i2s.c (task_for_non_blocking_mode, fill_appbuf_from_dma,
        i2s_frame_map): 30 frames at a time, while the interpreter is busy too.
        """
        while self._job is not None:
            buf, done = self._job
            words = 2 if self.format == self.STEREO else 1
            total = len(buf) // (4 * words)
            n = min(30, total - done)
            while len(self._taken) < n:  # i2s_channel_read waits until it has them all
                if not self._dma:
                    return
                first = self._dma.popleft()
                self._taken.extend(range(first, first + _DMA_FRAMES))
            for i in range(n):
                for word, v in enumerate(_chip.chip.sound(self._taken.popleft())[:words]):
                    k = 4 * ((done + i) * words + word)
                    buf[k : k + 4] = (v & 0xFFFFFFFF).to_bytes(4, "little")
            self._job[1] += n
            if self._job[1] == total:
                self._job, self._queued = self._queued, None
                _chip.chip.schedule(self._callback, self)
