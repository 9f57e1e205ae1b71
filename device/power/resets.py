"""Why the board began anew, how often, and the one owner of resets that somebody plans.

A planned reset (a radio or modem that nothing else brings back) waits until nobody records and no
clip is in hand. It needs an hour of uptime. So two of them are an hour apart whatever is lost in
between: no clock, no flash and no counter is needed for the limit to hold.
"""

from device.compat import const

CAUSES = ("power_on", "reset", "watchdog", "brown_out", "deep_sleep", "unknown")
PLANNED = "planned "
_APART_MS = const(3_600_000)


class Resets:
    """system, secrets: ports. Counts this start's cause, durably; one small write a start."""

    def __init__(self, system, secrets, clock, log):
        self._system = system
        self._secrets = secrets
        self._clock = clock
        self._log = log
        self._wanted = ""
        self.cause = system.reset_cause()
        self.reason = system.reset_reason()
        key = _key(self.cause)
        secrets.raise_counter(key, secrets.counter(key) + 1)
        if self.reason:
            log.info("the last reset was asked for reason=%s", self.reason)

    def plan(self, reason):
        """Reset when it disturbs nobody; reason: a code or a few words, told after it. The first
        one that asks is named.
        """
        if not self._wanted:
            self._wanted = reason
            self._log.warning("reset planned reason=%s", reason)

    def is_due(self):
        """True if a planned reset may be carried out as far as the hour is concerned."""
        return bool(self._wanted) and self._clock.uptime_ms() >= _APART_MS

    def carry_out(self):
        """Does not return. The caller knows that nothing is in hand."""
        self._log.warning("reset reason=%s%s", PLANNED, self._wanted)
        self._system.reset(PLANNED + self._wanted)

    def as_dict(self):
        last = {"cause": self.cause}
        if self.reason:
            last["reason"] = self.reason
        counts = {}
        for cause in CAUSES:
            count = self._secrets.counter(_key(cause))
            if count:
                counts[cause] = count
        state = {"last": last, "counts": counts}
        if self._wanted:
            state["planned"] = self._wanted
        return state


def _key(cause):
    return "rst:" + cause  # at most 15 characters: a key of NVS
