"""What time it is, and how well that is known. The only owner of wall-clock time.

Durations are uptime (milliseconds since this boot, summed over the wrapping ticks); Unix time is
an offset to it that witnesses give: NTP, or the Date of a verified answer. The offset of each
boot is kept on flash, so a clip can get its start even after a reboot; a boot that never knew the
time stays unknown. Never a guess, never 1970, never 2000.
"""

from device.compat import const, ticks_diff, ticks_ms
from device.dates import parse_http_date

UNKNOWN = "unknown"
BOUNDED = "bounded"  # to the second or so: Date of an answer
KNOWN = "known"  # to the tenth of a second: NTP
_LATEST_UNIX_S = const(4_000_000_000)  # 2096: beyond it a witness is nonsense
_BOOTS_KEPT = const(12)
_STEP_MS = const(2_000)  # a smaller difference is jitter and not worth a write


class Clock:
    """port: hal clock; slots: durable boots table (store.slots.Slots); boot: this boot's
    number.
    """

    def __init__(self, port, boot, log):
        self._port = port
        self._boot = boot
        self._log = log
        self._slots = None
        self._boots = {}
        self._last_ticks_ms = ticks_ms()
        self._uptime_ms = 0
        self._offset_ms = None
        self.state = UNKNOWN
        self.uncertainty_ms = None
        self.on_set = None  # called when the time becomes known or steps

    def attach(self, slots):
        """Use the boots table of the mounted medium. An unreadable one is as good as none."""
        self._slots = slots
        try:
            self._boots = slots.read() or {}
        except OSError:
            self._boots = {}

    def uptime_ms(self):
        """Milliseconds since boot. Must be called at least once in six days (the ticks wrap)."""
        now = ticks_ms()
        self._uptime_ms += ticks_diff(now, self._last_ticks_ms)
        self._last_ticks_ms = now
        return self._uptime_ms

    def unix_ms(self):
        """Unix milliseconds, or None while nobody told."""
        return None if self._offset_ms is None else self._offset_ms + self.uptime_ms()

    def unix_s(self):
        unix_ms = self.unix_ms()
        return None if unix_ms is None else unix_ms // 1000

    def witness(self, unix_ms, uncertainty_ms, source):
        """Take a statement about the present. Refused if it cannot be true or says less than
        known.
        """
        if not self._port.build_unix_s * 1000 <= unix_ms < _LATEST_UNIX_S * 1000:
            self._log.warning("time refused source=%s unix_s=%d", source, unix_ms // 1000)
            return False
        if self.state == KNOWN and uncertainty_ms > 500:
            # A Date is only good to the second: it corrects a known clock only when far off.
            if abs(unix_ms - self.unix_ms()) < 5_000:
                return False
        before = self.unix_ms()
        offset_ms = unix_ms - self.uptime_ms()
        step_ms = None if before is None else unix_ms - before
        self._offset_ms = offset_ms
        self.uncertainty_ms = uncertainty_ms
        self.state = KNOWN if uncertainty_ms <= 500 else BOUNDED
        if step_ms is None or abs(step_ms) >= _STEP_MS:
            self._log.info(
                "time set source=%s unix_s=%d step_ms=%s", source, unix_ms // 1000, step_ms
            )
            self._port.set_rtc(unix_ms // 1000)
            self._keep_offset()
            if self.on_set:
                self.on_set()
        return True

    def witness_date(self, text):
        """The Date header of an answer whose sender was verified; it is whole seconds."""
        unix_s = parse_http_date(text)
        if unix_s is not None:
            self.witness(unix_s * 1000 + 500, 1_500, "date")

    def start_unix_ms(self, record):
        """Unix milliseconds of a clip's first sample, or None if its boot never knew the time.

        The best of now wins over what was known at the time: a late or better witness corrects
        all clips that were not created in the cloud yet.
        """
        if record["boot"] == self._boot and self._offset_ms is not None:
            return self._offset_ms + record["up"]
        offset_ms = self._boots.get(str(record["boot"]))
        if isinstance(offset_ms, int):
            return offset_ms + record["up"]
        start = record.get("start")
        return start if isinstance(start, int) else None

    def may_still_learn(self, record):
        """True if waiting can give this clip its start: it is of this boot, and the time
        unknown.
        """
        return record["boot"] == self._boot and self._offset_ms is None

    def _keep_offset(self):
        self._boots[str(self._boot)] = self._offset_ms
        while len(self._boots) > _BOOTS_KEPT:
            del self._boots[str(min(int(boot) for boot in self._boots))]
        try:
            if self._slots:
                self._slots.write(self._boots)
        except OSError as e:
            self._log.warning("boots table not written errno=%s", e.errno)

    def as_dict(self):
        return {
            "state": self.state,
            "unix_s": self.unix_s(),
            "uncertainty_ms": self.uncertainty_ms,
            "uptime_s": self.uptime_ms() // 1000,
            "boot": self._boot,
        }
