"""The device's log: an event first, then key=value, to one sink, secrets never.

A repeated line is counted, not written: a lane that fails every second must not wear out the flash
or hide the line that matters. Formatting happens at once (nothing is kept for later).
"""

from device.compat import const, ticks_diff, ticks_ms

DEBUG = const(10)
INFO = const(20)  # state changes
WARNING = const(30)  # retried or degraded
ERROR = const(40)  # an item is lost, or somebody must act

LEVEL_NAMES = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
_LETTERS = {DEBUG: "D", INFO: "I", WARNING: "W", ERROR: "E"}
_REPEAT_WINDOW_MS = const(60_000)


class Log:
    """sink(text) takes one line without its end and must not raise."""

    def __init__(self, sink, level=INFO):
        self._sink = sink
        self.level = level
        self._last_event = None
        self._last_ticks_ms = 0
        self._repeats = 0

    def debug(self, event, *values):
        self._write(DEBUG, event, values)

    def info(self, event, *values):
        self._write(INFO, event, values)

    def warning(self, event, *values):
        self._write(WARNING, event, values)

    def error(self, event, *values):
        self._write(ERROR, event, values)

    def _write(self, level, event, values):
        if level < self.level:
            return
        text = event % values if values else event
        now = ticks_ms()
        if text == self._last_event and ticks_diff(now, self._last_ticks_ms) < _REPEAT_WINDOW_MS:
            self._repeats += 1
            return
        if self._repeats:
            self._sink("%s ... the line before came %d times more" % ("D", self._repeats))
            self._repeats = 0
        self._last_event = text
        self._last_ticks_ms = now
        self._sink("%s %s" % (_LETTERS[level], text))
