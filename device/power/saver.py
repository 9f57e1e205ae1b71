"""Saving on battery: the radio is off while nobody needs it, and then the whole board sleeps.

Loaded where a battery is measured and power.save is set. Asleep, the program stands still for a
slice at a time; in the gap between two slices every task that is due runs: the watchdog is fed,
ticks are read, the battery and the queue looked at. What ends a sleep for good is whatever makes
one of the questions below answer otherwise. Slices are short while somebody may still come with a
cable, then long: six minutes of which the supervisor is told, as the watchdog may count in them.
"""

from device.compat import const

_LINGER_MS = const(5_000)  # what a beat or the time needs after joining is asked for by then
_PAYS_MS = const(20_000)  # joining costs seconds at full current: shorter pauses do not pay
_BEAT_MS = const(3_600_000)  # with the radio at rest a heartbeat is worth joining once an hour
_DOUBT_MS = const(20_000)  # a schedule must know the time better than that
_AFTER_START_MS = const(120_000)  # awake, so that a technician's cable finds the board
_AFTER_TOUCH_MS = const(60_000)
_SHORTEST_MS = const(2_000)
_QUIET_MS = const(60_000)  # nothing heard for so long: the board's sound pin listens for us
_SLICES = const(3)  # in the watchdog's limit: it may or may not count while the chip sleeps
_LONG_MS = const(360_000)  # ten wake-ups an hour where nothing happens
_SETTLED_MS = const(300_000)  # so long after somebody was there, slices stay short


class Saver:
    """port: hal/ports.py's Sleep, or None: the board is never put to sleep. parts: recorder, lane,
    link, heartbeat, recovery, indicator. is_scheduled: takes begin by the clock. dozes: takes
    begin by sound, and the port is woken by it.
    """

    def __init__(self, port, parts, clock, watchdog_ms, is_scheduled, dozes):
        self._port = port
        self._recorder, self._lane, self._link = parts[:3]
        self._heartbeat, self._recovery, self._indicator = parts[3:]
        self._clock = clock
        self._slice_ms = watchdog_ms // _SLICES
        self._is_scheduled = is_scheduled
        self._dozes = dozes
        self.watch = None  # the supervisor, told of slices longer than its watchdog's limit
        self._needed_up_ms = 0  # when the radio was last needed
        self._awake_up_ms = _AFTER_START_MS  # awake until then, whatever there is to do
        self._sleeps = 0
        self._slept_ms = 0
        self._woken_by = ""

    def touched(self):
        """Somebody is there."""
        self._awake_up_ms = max(self._awake_up_ms, self._clock.uptime_ms() + _AFTER_TOUCH_MS)

    def needs_radio(self, now):
        """True while something wants the way to the cloud, did so a moment ago, or soon will."""
        rests_ms = self._radio_rests_ms()
        if not rests_ms or (rests_ms <= _PAYS_MS and not self._link.is_resting()):
            self._needed_up_ms = now
        return now - self._needed_up_ms < _LINGER_MS

    def _radio_rests_ms(self):
        """How long nobody needs the radio: ms, 0: now."""
        if self._recovery.is_busy():
            return 0  # the waiting clips are not counted yet
        sure_ms = _LONG_MS
        if self._is_scheduled:
            doubt_ms = self._clock.uncertainty_ms
            if doubt_ms is None or doubt_ms > _DOUBT_MS:
                return 0
            if self._port and self._port.drift_ppm:  # how long it takes until then
                sure_ms = (_DOUBT_MS - doubt_ms) * 1_000_000 // self._port.drift_ppm
        beat_ms = self._heartbeat.rests_ms() + max(0, _BEAT_MS - self._heartbeat.interval_ms)
        return max(0, min(self._lane.rests_ms(), beat_ms, max(sure_ms, self._slice_ms)))

    def sleep(self, is_saving, is_radio_denied):
        """Sleep one slice if nothing is to be done; returns False if something is."""
        limit_ms = self._rests_ms(is_radio_denied) if is_saving else 0
        if limit_ms < _SHORTEST_MS:
            self._recorder.doze(False)  # awake, it listens itself
            self._indicator.is_asleep = False
            return False
        if self._dozes and self._recorder.quiet_ms() >= _QUIET_MS:
            self._recorder.doze(True)
            return True  # the microphone stops in the gap
        if not self._indicator.is_asleep:
            self._sleeps += 1
            self._indicator.is_asleep = True
            return True  # the light says so in the gap, then it is dark
        begun = self._clock.uptime_ms()
        if self.watch is None or begun - self._awake_up_ms < _SETTLED_MS:
            self._woken_by = self._port.light(min(limit_ms, self._slice_ms))
        else:
            limit_ms = min(limit_ms, _LONG_MS)
            self.watch.stands_still(limit_ms)
            self._woken_by = self._port.light(limit_ms)
            self.watch.goes_on(self._clock.uptime_ms() - begun)
        passed_ms = self._clock.uptime_ms() - begun
        self._slept_ms += passed_ms
        self._lane.slept(self._clock.slept(passed_ms, self._port.drift_ppm))
        if self._woken_by != "time":
            self.touched()
            self._recorder.doze(False)
        return True

    def _rests_ms(self, is_radio_denied):
        """For how long the whole board has nothing to do; 0: it has."""
        if self._port is None or self._clock.uptime_ms() < self._awake_up_ms:
            return 0
        if self._recovery.is_busy() or self._lane.in_hand or self._heartbeat.is_asking:
            return 0  # a request that is under way ends by itself, also without a radio
        rests_ms = self._recorder.rests_ms()
        if self._dozes and self._recorder.quiet_ms() >= _QUIET_MS:
            rests_ms = _QUIET_MS
        if not self._link.is_resting():
            return min(rests_ms, self._link.pause_ms())
        return rests_ms if is_radio_denied else min(rests_ms, self._radio_rests_ms())

    def tell(self, state):
        """Add what was slept to the part of the status document."""
        state["sleeps"] = self._sleeps
        state["slept_s"] = self._slept_ms // 1000
        state["woken_by"] = self._woken_by
