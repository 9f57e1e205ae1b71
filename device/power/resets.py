"""Why the board began anew, how often, and the one owner of resets that somebody plans.

A planned reset (a radio or modem that nothing else brings back) waits until nobody records and no
clip is in hand. It needs an hour of uptime. So two of them are an hour apart whatever is lost in
between: no clock, no flash and no counter is needed for the limit to hold.

After a brown-out the radio stays off for two minutes: its first seconds draw the most.
"""

from device.compat import const, sleep_ms

CAUSES = "power_on reset watchdog brown_out deep_sleep unknown"
_PLANNED = "planned "
_APART_MS = const(3_600_000)
_BROWN_OUT_MS = const(120_000)
_LOOK_MS = const(5_000)


class Resets:
    """system, secrets: ports. Counts this start's cause, durably; one small write a start."""

    def __init__(self, system, secrets, clock, log):
        self._system = system
        self._secrets = secrets
        self._clock = clock
        self._log = log
        self._wanted = ""
        self._cause = system.reset_cause()
        self._reason = system.reset_reason()
        key = _key(self._cause)
        secrets.raise_counter(key, secrets.counter(key) + 1)

    def attach(self, recorder, lane, link):
        """Whom a reset must not disturb, and whose radio a brown-out puts off."""
        self._recorder = recorder
        self._lane = lane
        self._link = link

    async def run(self, check_in):
        """The task of a board that measures no battery; with one, power.keeper does this."""
        while True:
            check_in(60_000)
            self.look()
            if self.is_spared():
                self._link.hold("brown_out")
            else:
                self._link.release()
            await sleep_ms(_LOOK_MS)

    def plan(self, reason):
        """Reset when it disturbs nobody; reason: a code or a few words, told after it. The first
        one that asks is named.
        """
        if not self._wanted:
            self._wanted = reason
            self._log.warning("reset planned reason=%s", reason)

    def look(self):
        """Carry out a planned reset if it is due, between takes and clips."""
        if not self._wanted or self._clock.uptime_ms() < _APART_MS:
            return
        if not self._recorder.is_recording() and not self._lane.in_hand:
            self._log.warning("reset reason=%s%s", _PLANNED, self._wanted)
            self._system.reset(_PLANNED + self._wanted)

    def is_spared(self):
        """True while the supply recovers from a brown-out."""
        return self._cause == "brown_out" and self._clock.uptime_ms() < _BROWN_OUT_MS

    def as_dict(self):
        state = {"cause": self._cause, "reason": self._reason, "planned": self._wanted}
        counts = {cause: self._secrets.counter(_key(cause)) for cause in CAUSES.split()}
        return {"last": {k: state[k] for k in state if state[k]}, "counts": counts}


def _key(cause):
    return "rst:" + cause  # at most 15 characters: a key of NVS
