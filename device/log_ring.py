"""The log that outlives a reset: the last 64 KiB of its lines on the board's own flash.

    log/0 … log/3     16 KiB each, round and round (device/log_file.py)
    every line        "<boot>+<seconds since boot> <line>", behind its checksum

A line that is torn or damaged is passed over by its reader, so a cut costs the lines of one write.

Writes are paid from a budget, because a fault that repeats must not wear out the flash: a write
costs about one erase (host_tests/power/test_log_cuts.py counts them), one is earned a minute and
four are saved up at most. Errors are written at once while one is left; other lines when they are
a minute old or fill half of the buffer, and they leave one for errors. What finds no room in the
buffer meanwhile is counted, and the count is written.
"""

import asyncio

from device.compat import const, forget_module, sleep_ms, ticks_add, ticks_diff, ticks_ms

_PENDING_BYTES = const(1024)
_MOST_LINE_CHARS = const(300)
_EARN_MS = const(60_000)
_MOST_SAVED = const(4)
_LOOK_MS = const(5_000)


class LogRing:
    """The log's sink: shows each line on the console (a sink too) and keeps it in folder."""

    def __init__(self, folder, boot, console):
        self.folder = folder
        self._boot = boot
        self._console = console
        self._pending = bytearray(_PENDING_BYTES)
        self._used = 0
        self._came = asyncio.Event()  # a line, where none was
        self._since_ticks_ms = 0  # when the oldest pending line came
        self._lost = 0
        self._saved = 2  # writes that are paid for
        self._earned_ticks_ms = ticks_ms()
        self._newest = None  # the segment that is written to
        self.uptime_ms = None  # the clock's, once there is one

    def sink(self, text):
        """One line, which begins with its level's letter. Never raises."""
        self._console(text)
        try:
            is_error = text[:1] == "E"
            for line in text.split("\n"):
                self._keep(line[:_MOST_LINE_CHARS], is_error)
            if is_error and self._may_write(1):
                self.flush()
        except MemoryError:
            self._lost += 1

    def last_words(self, text):
        """A line, and everything before it, on the flash at once: the program is at its end."""
        self.sink(text)
        if self._used:
            self.flush()

    async def run(self, check_in):
        """Write what is old enough. Cancelled: everything, for then a reset follows."""
        try:
            while True:
                if not self._used:
                    check_in(None)
                    self._came.clear()
                    await self._came.wait()
                check_in(60_000)
                await sleep_ms(_LOOK_MS)
                self.tick()
        finally:
            self.flush()

    def tick(self):
        if self._used:
            is_due = ticks_diff(ticks_ms(), self._since_ticks_ms) >= _EARN_MS
            if (is_due or self._used > _PENDING_BYTES // 2) and self._may_write(2):
                self.flush()

    def pending(self):
        """Lines that are not on the flash yet: a view, to be used at once."""
        return memoryview(self._pending)[: self._used]

    def flush(self):
        """Write what is pending, paid for or not. Never raises: it is tried again later."""
        self._saved = max(0, self._saved - 1)
        try:
            if self._used:
                from device import log_file

                self._newest = log_file.write(self.folder, self._newest, self.pending())
                self._used = 0
            if self._lost:
                lost, self._lost = self._lost, 0
                self._keep("W %d lines found no room in the log" % lost, True)
        except (OSError, MemoryError, ImportError):
            self._newest = None  # looked for anew
        forget_module("device.log_file")

    def _keep(self, text, is_error):
        up_s = self.uptime_ms() // 1000 if self.uptime_ms else 0
        line = ("%d+%d %s\n" % (self._boot, up_s, text)).encode()
        # The last quarter is for errors.
        room = _PENDING_BYTES - self._used - (0 if is_error else _PENDING_BYTES // 4)
        if len(line) > room:
            self._lost += 1
            return
        if not self._used:
            self._since_ticks_ms = ticks_ms()
            self._came.set()
        self._pending[self._used : self._used + len(line)] = line
        self._used += len(line)

    def _may_write(self, least):
        """True if at least so many writes are saved."""
        earned = max(0, ticks_diff(ticks_ms(), self._earned_ticks_ms)) // _EARN_MS
        self._earned_ticks_ms = ticks_add(self._earned_ticks_ms, earned * _EARN_MS)
        self._saved = min(_MOST_SAVED, self._saved + earned)
        return self._saved >= least
