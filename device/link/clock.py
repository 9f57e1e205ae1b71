"""What time it is, and how well that is known. The only owner of wall-clock time.

Durations are uptime (milliseconds since this boot, summed over the wrapping ticks); Unix time is
an offset to it that witnesses give: NTP, the Date of a verified answer, a clock that ran on
through a reset. Between them it is uptime corrected by the drift of the ticks, once that was
measured, and the uncertainty grows. The offset of each boot is kept on flash, so a clip can get
its start even after a reboot; a boot that never knew the time stays unknown, and its clips only
know after what they were made (docs/time.md). Never a guess, never 1970, never 2000.
"""

from device.compat import const, is_digits, ticks_diff, ticks_ms
from device.dates import parse_http_date

UNKNOWN = "unknown"
BOUNDED = "bounded"  # to the second or so: Date of an answer
KNOWN = "known"  # to the tenth of a second: NTP
_LATEST_UNIX_S = const(4_000_000_000)  # 2096: beyond it a witness is nonsense
_BOOTS_KEPT = const(10)
_STEP_MS = const(2_000)  # a smaller difference is jitter
_KEEP_MS = const(6 * 3600 * 1000)  # how old the kept time may grow: four small writes a day
_KNOWN_MS = const(500)
# A crystal of the ESP32 keeps 10 ppm, its board adds temperature and ageing: five times that until
# the drift was measured; then what a day's temperature does to it.
_DRIFT_UNMEASURED_PPM = const(100)
_DRIFT_MEASURED_PPM = const(20)
_DRIFT_LIMIT_PPB = const(200_000)  # beyond it a witness was wrong, not the crystal
_DRIFT_OVER_MS = const(3_600_000)  # measured over at least an hour
_RTC_UNCERTAINTY_MS = const(5_000)

# Magic of the boots table: who reads it must say the version that is written.
BOOTS = "boots2"


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
        self._offset_ms = None  # Unix minus uptime at the last witness
        self._sync_up_ms = 0
        self._sync_uncertainty_ms = 0
        self._reference = None  # (uptime, Unix, uncertainty) that the drift is measured from
        self._kept_up_ms = 0
        self.drift_ppb = None  # how much faster than the ticks time passes; None: not measured
        self.on_set = None  # called when the time becomes known or steps

    def attach(self, slots):
        """Use the boots table of the mounted medium. An unreadable one is as good as none."""
        self._slots = slots
        try:
            found = slots.read() or {}
        except OSError:
            found = {}
        self._boots = {boot: found[boot] for boot in found if is_digits(boot)}

    def uptime_ms(self):
        """Milliseconds since boot. Must be called at least once in six days (the ticks wrap)."""
        now = ticks_ms()
        self._uptime_ms += ticks_diff(now, self._last_ticks_ms)
        self._last_ticks_ms = now
        return self._uptime_ms

    def unix_ms(self):
        """Unix milliseconds, or None while nobody told."""
        return None if self._offset_ms is None else self._unix_at(self.uptime_ms())

    def unix_s(self):
        unix_ms = self.unix_ms()
        return None if unix_ms is None else unix_ms // 1000

    @property
    def uncertainty_ms(self):
        """How far unix_ms() may be off, or None."""
        return None if self._offset_ms is None else self._uncertainty_at(self.uptime_ms())

    @property
    def state(self):
        uncertainty_ms = self.uncertainty_ms
        if uncertainty_ms is None:
            return UNKNOWN
        return KNOWN if uncertainty_ms <= _KNOWN_MS else BOUNDED

    def _unix_at(self, up_ms):
        drift_ms = (self.drift_ppb or 0) * (up_ms - self._sync_up_ms) // 1_000_000_000
        return self._offset_ms + up_ms + drift_ms

    def _uncertainty_at(self, up_ms):
        ppm = _DRIFT_UNMEASURED_PPM if self.drift_ppb is None else _DRIFT_MEASURED_PPM
        return self._sync_uncertainty_ms + abs(up_ms - self._sync_up_ms) * ppm // 1_000_000

    def _kept_doubt_ms(self):
        return self._sync_uncertainty_ms

    def witness(self, unix_ms, uncertainty_ms, source):
        """Take a statement about the present. Refused if it cannot be true or says less than
        known.
        """
        if not self._port.build_unix_s * 1000 <= unix_ms < _LATEST_UNIX_S * 1000:
            self._log.warning("time refused source=%s unix_s=%d", source, unix_ms // 1000)
            return False
        up_ms = self.uptime_ms()
        step_ms = None
        if self._offset_ms is not None:
            step_ms = unix_ms - self._unix_at(up_ms)
            known_ms = self._uncertainty_at(up_ms)
            if abs(step_ms) <= known_ms + uncertainty_ms:
                if uncertainty_ms >= known_ms:
                    return False
            elif uncertainty_ms > _KNOWN_MS and abs(step_ms) < known_ms + uncertainty_ms + 3_000:
                return False  # a Date contradicts a better witness only when it is far off
        self._measure_drift(up_ms, unix_ms, uncertainty_ms)
        self._offset_ms = unix_ms - up_ms
        self._sync_up_ms = up_ms
        self._sync_uncertainty_ms = uncertainty_ms
        is_step = step_ms is None or abs(step_ms) >= _STEP_MS
        if is_step or up_ms - self._kept_up_ms >= _KEEP_MS:
            self._keep_offset(up_ms)
        if is_step:
            self._log.info(
                "time set source=%s unix_s=%d step_ms=%s", source, unix_ms // 1000, step_ms
            )
            self._port.set_rtc(unix_ms // 1000)
            if self.on_set:
                self.on_set()
        return True

    def _measure_drift(self, up_ms, unix_ms, uncertainty_ms):
        """Compare the ticks with good witnesses that are far enough apart for 20 ppm."""
        if uncertainty_ms > _KNOWN_MS:
            return
        if self._reference is None:
            self._reference = (up_ms, unix_ms, uncertainty_ms)
            return
        passed_ms = up_ms - self._reference[0]
        doubt_ms = uncertainty_ms + self._reference[2]
        if passed_ms < _DRIFT_OVER_MS or doubt_ms * 1_000_000 > _DRIFT_MEASURED_PPM * passed_ms:
            return
        drift_ms = unix_ms - self._reference[1] - passed_ms
        drift_ppb = drift_ms * 1_000_000_000 // passed_ms
        if abs(drift_ppb) <= _DRIFT_LIMIT_PPB:
            self.drift_ppb = drift_ppb
        self._reference = (up_ms, unix_ms, uncertainty_ms)

    def witness_date(self, text):
        """The Date header of an answer whose sender was verified; it is whole seconds."""
        unix_s = parse_http_date(text)
        if unix_s is not None:
            self.witness(unix_s * 1000 + 500, 1_500, "date")

    def witness_rtc(self, reset_cause):
        """After a reset that the board's own clock outlived, it is a witness to some seconds."""
        if reset_cause not in ("reset", "watchdog"):
            return  # without power it began anew; what it does in deep sleep depends on the board
        unix_s = self._port.rtc_unix_s()
        if unix_s is not None and unix_s >= self.not_before_s():
            self.witness(
                unix_s * 1000 + 500, _RTC_UNCERTAINTY_MS + self._rtc_doubt_ms(unix_s), "rtc"
            )

    def _rtc_doubt_ms(self, unix_s):
        return 0

    def not_before_s(self):
        """Unix seconds that have passed for certain: the firmware's build, or a known time."""
        return self._last_known()[0] // 1000

    def _last_known(self):
        """(Unix ms, uncertainty in ms) of the latest time that was kept, or of the build."""
        latest = self._port.build_unix_s * 1000, 0
        for entry in self._boots.values():
            if is_entry(entry):
                latest = max(latest, (entry[0] + entry[1], entry[3]))
        return latest

    def start_of(self, record):
        """(Unix ms, uncertainty in ms) of a clip's first sample; None if its boot never knew.

        The best of now wins over what was known at the time: a late or better witness corrects
        all clips that were not created in the cloud yet.
        """
        boot, up_ms = record["boot"], record["up"]
        if boot == self._boot and self._offset_ms is not None:
            return self._unix_at(up_ms), self._uncertainty_at(up_ms)
        entry = self._boots.get(str(boot), ())
        if is_entry(entry):
            offset_ms, sync_up_ms, drift_ppb, uncertainty_ms = entry
            since_ms = up_ms - sync_up_ms
            ppm = _DRIFT_MEASURED_PPM if drift_ppb else _DRIFT_UNMEASURED_PPM
            uncertainty_ms += abs(since_ms) * ppm // 1_000_000
            return offset_ms + up_ms + drift_ppb * since_ms // 1_000_000_000, uncertainty_ms
        start, doubt = record.get("start"), record.get("doubt")
        if isinstance(start, int):
            return start, doubt if isinstance(doubt, int) else 1_500
        return None

    def may_still_learn(self, record):
        """True if waiting can give this clip its start: it is of this boot, and the time
        unknown.
        """
        return record["boot"] == self._boot and self._offset_ms is None

    def _keep_offset(self, up_ms):
        self._kept_up_ms = up_ms
        self._boots[str(self._boot)] = [
            self._offset_ms,
            self._sync_up_ms,
            self.drift_ppb or 0,
            self._kept_doubt_ms(),
        ]
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
            "drift_ppb": self.drift_ppb,
            "uptime_s": self.uptime_ms() // 1000,
            "boot": self._boot,
        }


def is_entry(entry):
    """True if what stands in the boots table for a boot is what _keep_offset writes."""
    if not isinstance(entry, list) or len(entry) != 4:
        return False
    for value in entry:
        if not isinstance(value, int):
            return False
    return True
