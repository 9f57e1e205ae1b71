"""What the battery permits, and the one task that puts radio and board to rest. Loaded where a
battery is measured.

    battery below battery.stop_recording_pct   the take is closed, nothing begins  (battery_low)
    below battery.stop_sending_pct             the radio is off                    (battery_low)
    on battery, with power.save                power.saver decides

It invents no reason of its own: it sets the recorder's and the link's, and everyone else reads
them there.
"""

import asyncio

from device.compat import WAIT_ERRORS, const, sleep_ms, wait_for_ms
from device.power.brown_out import SPARED_MS

_LOOK_MS = const(5_000)
_GAP_MS = const(50)  # between two slices of sleep: every task that is due runs
_ALIVE_MS = const(600_000)


class Keeper:
    """battery: port; gates: (recording, sending) of power.gate; saver: power.saver.Saver, or None
    where nothing shall be saved; cause: of the last reset.
    """

    def __init__(self, battery, gates, recorder, lane, link, cause, saver, clock, log):
        self._battery = battery
        self._recording, self._sending = gates
        self._recorder = recorder
        self._lane = lane
        self._link = link
        self._is_brown_out = cause == "brown_out"
        self._saver = saver
        self._clock = clock
        self._log = log
        self._change = asyncio.Event()
        self._read_up_ms = None
        self._percent = None
        self._is_charging = False

    def notify(self):
        """There may be work for the radio."""
        self._change.set()

    def watched_by(self, supervisor):
        """Who has to know when the board stands still for long."""
        if self._saver:
            self._saver.watch = supervisor

    def touched(self):
        """Somebody pressed the button or speaks over the cable: stay awake for a while."""
        if self._saver:
            self._saver.touched()
        self._change.set()

    async def run(self, check_in):
        while True:
            check_in(_ALIVE_MS)
            now = self._clock.uptime_ms()
            if self._read_up_ms is None or now - self._read_up_ms >= _LOOK_MS:
                self._read_up_ms = now
                self._read_battery()
            is_saving = self._is_saving()
            reason = self._radio_off(now, is_saving)
            if reason:
                self._link.hold(reason)
            else:
                self._link.release()
            if self._saver and self._saver.sleep(is_saving, not self._sending.is_open):
                await sleep_ms(_GAP_MS)
                continue
            try:
                await wait_for_ms(self._change.wait(), _LOOK_MS)
            except WAIT_ERRORS:
                pass
            self._change.clear()

    def _is_saving(self):
        return bool(self._saver) and self._percent is not None and not self._is_charging

    def _read_battery(self):
        percent, is_charging = self._battery.percent(), self._battery.is_charging()
        self._percent, self._is_charging = percent, is_charging
        if self._recording.update(percent, is_charging):
            is_open = self._recording.is_open
            self._recorder.deny(None if is_open else "battery_low")
            self._log.warning("battery recording=%d percent=%s", is_open, percent)
        if self._sending.update(percent, is_charging):
            self._log.warning("battery sending=%d percent=%s", self._sending.is_open, percent)

    def _radio_off(self, now, is_saving):
        """Why the radio is to be off, a code of reasons.LANE, or None."""
        if self._is_brown_out and now < SPARED_MS and not self._is_charging:
            return "brown_out"
        if not self._sending.is_open:
            return "battery_low"
        if is_saving and not self._saver.needs_radio(now):
            return self._lane.resting_code()
        return None

    def as_dict(self):
        state = {"percent": self._percent, "charging": self._is_charging}
        state["mv"] = self._battery.voltage_mv()
        if not (self._recording.is_open and self._sending.is_open):
            state["stopped"] = "sending" if self._recording.is_open else "recording"
        state["saving"] = self._is_saving()
        state["radio_rests"] = self._link.is_resting()
        if self._saver:
            self._saver.tell(state)
        return state
