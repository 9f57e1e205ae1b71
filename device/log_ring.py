"""The log that outlives a reset: the last 64 KiB of its lines on the board's own flash.

    log/0 … log/3     16 KiB each; the first line says which is the newest: "log1 <number>"
    every line        CRC-32 of the rest in hex, a blank, "<boot>+<seconds since boot> <line>"

A line that is torn or damaged is passed over by its reader, so a cut costs the lines of one write.

Writes are paid from a budget, because a fault that repeats must not wear out the flash: a write
costs about one erase (host_tests/power/test_log_cuts.py counts them), one is earned a minute and
four are saved up at most. Errors are written at once while one is left; other lines when they are
a minute old or fill half of the buffer, and they leave one for errors. What finds no room in the
buffer meanwhile is counted, and the count is written.
"""

import os
from binascii import crc32

from device.compat import const, file_size, sleep_ms, sync_file, ticks_add, ticks_diff, ticks_ms

_SEGMENTS = const(4)
_SEGMENT_BYTES = const(16384)
_PENDING_BYTES = const(1024)
_MOST_LINE_CHARS = const(300)
_EARN_MS = const(60_000)
_MOST_SAVED = const(4)
_LOOK_MS = const(5_000)
# What tokens, keys and signed addresses begin with; nothing after it is kept.
_SECRET_MARKS = ("dtok_", "sk_", "rk_", "up_", "Bearer ", "X-Amz-")
_LEAST_SECRET_CHARS = const(4)


def seal(text):
    """A line with its checksum, as bytes."""
    data = text.encode()
    return b"%08x %s\n" % (crc32(data) & 0xFFFFFFFF, data)


def opened(line):
    """The text of a sealed line, or None if it is torn or damaged."""
    if len(line) < 10 or line[-1:] != b"\n" or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) == crc32(line[9:-1]) & 0xFFFFFFFF:
            return line[9:-1].decode()
    except (ValueError, UnicodeError):
        pass
    return None


def redacted(text):
    """text without what looks like a secret. Whoever logs leaves them out; this is the net."""
    for mark in _SECRET_MARKS:
        start = text.find(mark)
        while start >= 0:
            after = end = start + len(mark)
            while end < len(text) and text[end] not in " \"'&":
                end += 1
            if end - after >= _LEAST_SECRET_CHARS and not text[start - 1 : start].isalpha():
                text = text[:after] + "***" + text[end:]
            start = text.find(mark, after)
    return text


def segments(folder):
    """[(number, path, bytes)] of what is there, oldest first. Raises OSError."""
    found = []
    for i in range(_SEGMENTS):
        path = folder + "/" + str(i)
        size = file_size(path)
        if size <= 0:
            continue
        with open(path, "rb") as f:
            words = (opened(f.readline(40)) or "").split()
        if len(words) == 2 and words[0] == "log1" and words[1].isdigit():
            found.append((int(words[1]), path, size))
    found.sort()
    return found


class LogRing:
    """The log's sink: shows each line on the console (a sink too) and keeps it in folder."""

    def __init__(self, folder, boot, console):
        self.folder = folder
        self._boot = boot
        self._console = console
        self._pending = bytearray(_PENDING_BYTES)
        self._used = 0
        self._since_ticks_ms = 0  # when the oldest pending line came
        self._lost = 0
        self._saved = 2  # writes that are paid for
        self._earned_ticks_ms = ticks_ms()
        self._newest = None  # (number, path, bytes) of the segment that is written to
        self.uptime_ms = lambda: 0  # the clock's, once there is one

    def sink(self, text):
        """One line, which begins with its level's letter. Never raises."""
        self._console(text)
        try:
            is_error = text[:1] == "E"
            for line in redacted(text).split("\n"):
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
                check_in(60_000)
                await sleep_ms(_LOOK_MS)
                self.tick()
        finally:
            self.flush()

    def tick(self):
        if not self._used:
            return
        is_due = ticks_diff(ticks_ms(), self._since_ticks_ms) >= _EARN_MS
        if (is_due or self._used > _PENDING_BYTES // 2) and self._may_write(2):
            self.flush()

    def pending(self):
        """Sealed lines that are not on the flash yet, as bytes."""
        return bytes(memoryview(self._pending)[: self._used])

    def flush(self):
        """Write what is pending, paid for or not. Never raises: it is tried again later."""
        self._saved = max(0, self._saved - 1)
        try:
            if self._used:
                self._write(memoryview(self._pending)[: self._used])
                self._used = 0
            if self._lost:
                lost, self._lost = self._lost, 0
                self._keep("W %d lines found no room in the log" % lost, True)
        except (OSError, MemoryError):
            self._newest = None  # looked for anew

    def _keep(self, text, is_error):
        line = seal("%d+%d %s" % (self._boot, self.uptime_ms() // 1000, text))
        # The last quarter is for errors.
        room = _PENDING_BYTES - self._used - (0 if is_error else _PENDING_BYTES // 4)
        if len(line) > room:
            self._lost += 1
            return
        if not self._used:
            self._since_ticks_ms = ticks_ms()
        self._pending[self._used : self._used + len(line)] = line
        self._used += len(line)

    def _may_write(self, least):
        """True if at least so many writes are saved."""
        earned = max(0, ticks_diff(ticks_ms(), self._earned_ticks_ms)) // _EARN_MS
        self._earned_ticks_ms = ticks_add(self._earned_ticks_ms, earned * _EARN_MS)
        self._saved = min(_MOST_SAVED, self._saved + earned)
        return self._saved >= least

    def _write(self, data):
        if self._newest is None:
            found = self._folder_found()
            self._newest = found[-1] if found else (0, "", _SEGMENT_BYTES)
            data = b"\n" + bytes(data)  # ends a line that a cut tore
        number, path, size = self._newest
        mode = "ab"
        if size + len(data) > _SEGMENT_BYTES:
            number += 1
            path, size, mode = "%s/%d" % (self.folder, number % _SEGMENTS), 0, "wb"
        with open(path, mode) as f:
            if not size:
                size += f.write(seal("log1 %d" % number))
            size += f.write(data)
            sync_file(f)
        self._newest = (number, path, size)

    def _folder_found(self):
        try:
            os.mkdir(self.folder)
        except OSError:
            pass  # it is there, or the write says why not
        return segments(self.folder)
