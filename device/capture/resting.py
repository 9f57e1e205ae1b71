"""A recorder that knows how long it will do nothing, and can doze; loaded to save a battery.

It dozes in mode `activity` where the board itself hears that it is loud (hal/ports.py, Sleep): the
microphone stops while the board sleeps.
"""

from device.capture.recorder import Recorder
from device.compat import const

_LONG_MS = const(86_400_000)


class RestingRecorder(Recorder):
    _is_listening = False
    _is_dozing = False
    _heard_up_ms = 0  # when the gate was open last

    def rests_ms(self):
        """For how long nothing is recorded unless somebody presses: ms, 0: it may be now."""
        if self._is_listening:
            return 0
        if not self._wanted or self._denied or self._is_dozing:
            return _LONG_MS
        if not self._schedule:
            return 0
        unix_s = self._clock.unix_s()
        if unix_s is None:
            return _LONG_MS
        if self._schedule.is_inside(unix_s):
            return 0
        return self._schedule.next_change_s(unix_s) * 1000

    def quiet_ms(self):
        """How long a microphone that runs has heard nothing; 0: it hears, or does not run."""
        if not self._is_listening or not self._take.holds or self._take.is_open:
            return 0
        return self._clock.uptime_ms() - self._heard_up_ms

    def doze(self, dozes):
        """Stop listening (True): the board will sleep until it is loud. False: listen again."""
        if dozes != self._is_dozing:
            self._is_dozing = dozes
            self._change.set()
            self._ring.wake()

    def _is_permitted(self):
        is_permitted = super()._is_permitted()
        if is_permitted and self._is_dozing:
            self.reason.set("dozing")
            return False
        return is_permitted

    async def _listen(self, check_in):
        self._heard_up_ms = self._clock.uptime_ms()
        self._is_listening = True
        try:
            await super()._listen(check_in)
        finally:
            self._is_listening = False

    def _follow_gate(self, is_open, frames_in_hand):
        if is_open:
            self._heard_up_ms = self._clock.uptime_ms()
        super()._follow_gate(is_open, frames_in_hand)
