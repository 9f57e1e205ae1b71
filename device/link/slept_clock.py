"""The clock of a board that sleeps: slept hours are doubted. Loaded for such a board alone.

Asleep, an RC oscillator moves the ticks on, and the board's own clock too. Its error says nothing
about the crystal's drift, and between a clip and a later witness it may make the clip's start
worse than what was known when it was made.
"""

from device.compat import const
from device.link.clock import Clock

_RTC_PCT = const(1)  # of the time since the last witness of the boot before


class SleptClock(Clock):
    def __init__(self, port, boot, log):
        super().__init__(port, boot, log)
        self._slept_ms = 0  # doubt that sleeps brought since the last witness
        self._slept_before_ms = 0  # and before it

    def slept(self, duration_ms, ppm):
        """The board slept, with ticks that are off by up to ppm. Returns by how much, in ms."""
        doubt_ms = -(-duration_ms * ppm // 1_000_000)
        self._slept_ms += doubt_ms
        self._reference = None  # such ticks say nothing about the crystal
        return doubt_ms

    def witness(self, unix_ms, uncertainty_ms, source):
        is_taken = super().witness(unix_ms, uncertainty_ms, source)
        if is_taken:
            self._slept_before_ms += self._slept_ms
            self._slept_ms = 0
        return is_taken

    def start_of(self, record):
        """As known now, or the record's own where it agrees and is less in doubt."""
        found = super().start_of(record)
        own_ms, own_doubt_ms = record.get("start"), record.get("doubt")
        if found and isinstance(own_ms, int) and isinstance(own_doubt_ms, int):
            start_ms, doubt_ms = found
            if own_doubt_ms < doubt_ms and abs(own_ms - start_ms) <= doubt_ms + own_doubt_ms:
                return own_ms, own_doubt_ms
        return found

    def _uncertainty_at(self, up_ms):
        is_since = up_ms >= self._sync_up_ms
        slept_ms = self._slept_ms if is_since else self._slept_before_ms
        return super()._uncertainty_at(up_ms) + slept_ms

    def _kept_doubt_ms(self):
        return self._sync_uncertainty_ms + self._slept_before_ms + self._slept_ms

    def _rtc_doubt_ms(self, unix_s):
        known_ms, doubt_ms = self._last_known()
        return doubt_ms + (unix_s * 1000 - known_ms) * _RTC_PCT // 100
