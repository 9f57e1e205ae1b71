"""The one place that decides what the battery permits, when the radio rests, and when all sleeps.

    battery below battery.stop_recording_pct   the take is closed, nothing begins  (battery_low)
    below battery.stop_sending_pct             the radio is off                    (battery_low)
    a brown-out began this start               the radio stays off for two minutes (brown_out)
    on battery, nothing to send                the radio is off, its reason is the lane's own
    and nothing to record either               the board sleeps until time, button or sound

It invents no reason of its own: it sets the recorder's and the link's, and everyone else reads
them there. Asleep, the program stands still for a slice at a time; in the gap between two slices
every task that is due runs, so the watchdog is fed and the ticks are read as awake.
"""

import asyncio

from device.compat import WAIT_ERRORS, const, sleep_ms, wait_for_ms

_LOOK_MS = const(5_000)
_BROWN_OUT_MS = const(120_000)  # the cell recovers; the radio's first seconds draw the most
_LINGER_MS = const(20_000)  # joining costs seconds at full current: a pause pays from there on
_BEAT_MS = const(3_600_000)  # with the radio at rest a heartbeat is worth joining once an hour
_DOUBT_MS = const(20_000)  # a schedule must know the time better than that
_AFTER_START_MS = const(120_000)  # awake, so that a technician's cable finds the board
_AFTER_TOUCH_MS = const(60_000)
_SHORTEST_MS = const(2_000)
_GAP_MS = const(50)  # between two slices of sleep
_SLICES = const(3)  # in the watchdog's limit: it may or may not count while the chip sleeps


class Keeper:
    """battery: port; sleep: port, or None: the board is never put to sleep. gates: (recording,
    sending) of power.gate; parts: recorder, lane, link, heartbeat, recovery, indicator, resets.
    saves: what power.save says; is_scheduled: takes begin by the clock.
    """

    def __init__(self, battery, sleep, gates, parts, clock, settings, log):
        self._battery = battery
        self._sleep = sleep
        self._recording, self._sending = gates
        self._recorder, self._lane, self._link, self._heartbeat = parts[:4]
        self._recovery, self._indicator, self._resets = parts[4:]
        self._clock = clock
        self._saves = settings["saves"]
        self._is_scheduled = settings["is_scheduled"]
        self._slice_ms = settings["watchdog_ms"] // _SLICES
        self._log = log
        self._change = asyncio.Event()
        self._needed_up_ms = 0  # when the radio was last needed
        self._awake_up_ms = _AFTER_START_MS  # awake until then, whatever there is to do
        self._read_up_ms = None
        self._is_saving = False
        self._percent = None
        self._is_charging = False
        self.sleeps = 0
        self.slept_ms = 0
        self.woken_by = ""

    def notify(self):
        """There may be work for the radio."""
        self._change.set()

    def touched(self):
        """Somebody pressed the button or speaks over the cable: stay awake for a while."""
        self._awake_up_ms = max(self._awake_up_ms, self._clock.uptime_ms() + _AFTER_TOUCH_MS)
        self._change.set()

    async def run(self, check_in):
        while True:
            check_in(600_000)
            self._look()
            left_ms = self._sleep_ms()
            if left_ms >= _SHORTEST_MS:
                self._slumber(min(left_ms, self._slice_ms))
                await sleep_ms(_GAP_MS)
                continue
            if self._indicator.is_asleep:
                self._indicator.wake()
            try:
                await wait_for_ms(self._change.wait(), _LOOK_MS)
            except WAIT_ERRORS:
                pass
            self._change.clear()

    def _look(self):
        """Read the battery, move the gates, put the radio on or off, carry out a reset."""
        now = self._clock.uptime_ms()
        if self._read_up_ms is None or now - self._read_up_ms >= _LOOK_MS:
            self._read_up_ms = now
            self._read_battery()
        if self._resets.is_due() and not self._recorder.is_recording() and not self._lane.in_hand:
            self._resets.carry_out()
        self._link.rest(self._radio_off(now))

    def _read_battery(self):
        percent, is_charging = self._battery.percent(), self._battery.is_charging()
        self._percent, self._is_charging = percent, is_charging
        self._is_saving = self._saves and percent is not None and not is_charging
        if self._recording.update(percent, is_charging):
            is_open = self._recording.is_open
            self._log.warning("battery: recording %s percent=%s", _words(is_open), percent)
            self._recorder.deny(None if is_open else "battery_low")
        if self._sending.update(percent, is_charging):
            self._log.warning(
                "battery: sending %s percent=%s", _words(self._sending.is_open), percent
            )

    def _radio_off(self, now):
        """Why the radio is to be off, a code of reasons.LANE, or None."""
        if self._resets.cause == "brown_out" and now < _BROWN_OUT_MS and not self._is_charging:
            return "brown_out"
        if not self._sending.is_open:
            return "battery_low"
        if not self._is_saving or not self._radio_rests_ms():
            self._needed_up_ms = now
            return None
        if now - self._needed_up_ms < _LINGER_MS:
            return None
        return self._lane.resting_code()

    def _radio_rests_ms(self):
        """How long nobody needs the radio: ms, 0: now."""
        if self._is_scheduled:
            doubt_ms = self._clock.uncertainty_ms
            if doubt_ms is None or doubt_ms > _DOUBT_MS:
                return 0
        rests_ms = min(self._lane.rests_ms(), self._beat_ms())
        return rests_ms if rests_ms > _LINGER_MS or self._link.is_resting() else 0

    def _beat_ms(self):
        late_ms = max(0, _BEAT_MS - self._heartbeat.interval_ms)
        return max(0, self._heartbeat.rests_ms() + late_ms)

    def _sleep_ms(self):
        """For how long the whole board may sleep now; 0: not at all."""
        now = self._clock.uptime_ms()
        if self._sleep is None or not self._is_saving or now < self._awake_up_ms:
            return 0
        if self._recovery.is_busy():
            return 0
        rests_ms = self._recorder.rests_ms()
        if not self._link.is_resting():
            return min(rests_ms, self._link.pause_ms())
        if not self._sending.is_open:
            return rests_ms  # whatever waits, it is not sent now
        return min(rests_ms, self._radio_rests_ms())

    def _slumber(self, limit_ms):
        if not self._indicator.is_asleep:
            self.sleeps += 1
            self._indicator.sleep()
        begun = self._clock.uptime_ms()
        self.woken_by = self._sleep.light(limit_ms)
        passed_ms = self._clock.uptime_ms() - begun
        self.slept_ms += passed_ms
        self._clock.slept(passed_ms, self._sleep.drift_ppm)
        if self.woken_by != "time":
            self.touched()

    def battery_as_dict(self):
        state = {"percent": self._percent, "charging": self._is_charging}
        state["mv"] = self._battery.voltage_mv()
        if not self._recording.is_open or not self._sending.is_open:
            state["low"] = "sending" if self._recording.is_open else "recording"
        return state

    def as_dict(self):
        return {
            "saving": self._is_saving,
            "radio": "off" if self._link.is_resting() else "on",
            "sleeps": self.sleeps,
            "slept_s": self.slept_ms // 1000,
            "woken_by": self.woken_by,
        }


def _words(is_open):
    return "goes on" if is_open else "stops"
