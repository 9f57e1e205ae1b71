"""The one place that decides how long the lane waits after a failure.

The wait doubles from first_s to cap_s with each failure in a row; jitter is applied after the
cap, from a generator seeded with the device's id, so that a fleet spreads out when power returns.
What the server asked for (already bounded) is the minimum. The cool-down belongs to the whole
lane, and survives a reboot. A success clears it at once.
"""

from device.compat import const
from device.reasons import LANE, is_reason

_JITTER_PCT = const(50)  # a wait of w becomes w to 1.5 w
_OPERATOR_FIRST_S = const(900)  # 401, bad certificate: asked rarely, quarter-hourly to hourly
_OPERATOR_CAP_S = const(3600)


class Waits:
    """first_s, cap_s: from the settings; clock: link.clock.Clock; random_bits(n) -> int."""

    def __init__(self, first_s, cap_s, clock, random_bits):
        self._first_s = first_s
        self._cap_s = cap_s
        self._clock = clock
        self._random_bits = random_bits
        self._slots = None
        self.failures = 0
        self.until_up_ms = 0
        self.code = "throttled"  # the reason of the last failure, a key of reasons.LANE

    def attach(self, slots):
        """Take over the cool-down that the boot before had left. Its rest is bounded by the
        cap.
        """
        self._slots = slots
        try:
            kept = slots.read() or {}
        except OSError:
            return
        failures, until_unix_s, wait_s = (kept.get(k) for k in ("failures", "until", "wait_s"))
        if isinstance(failures, int) and isinstance(wait_s, int) and failures > 0:
            self.failures = min(failures, 20)
            if is_reason(LANE, kept.get("code")):
                self.code = kept["code"]
            now = self._clock.unix_s()
            if isinstance(until_unix_s, int) and now is not None:
                wait_s = min(wait_s, until_unix_s - now)
            # Without a clock nobody knows how long the power was off: the whole wait again.
            self._wait(max(0, min(wait_s, max(self._cap_s, _OPERATOR_CAP_S))))

    def spread(self):
        """The power came: begin at a moment of its own, so that no fleet comes at once."""
        if not self.left_ms():
            self.code = "starting"
            self._wait(0, self._first_s * 1000 * self._random_bits(10) >> 10)

    def left_ms(self):
        return max(0, self.until_up_ms - self._clock.uptime_ms())

    def failed(self, error):
        """error, a Transient, ended an attempt; returns the wait in seconds."""
        self.code = error.code
        return self._grow(self._first_s, self._cap_s, error.retry_after_s)

    def refused(self, error):
        """error, a NeedsOperator, ended an attempt; returns the wait in seconds."""
        self.code = error.code
        first_s = min(_OPERATOR_FIRST_S, self._cap_s)
        return self._grow(first_s, max(first_s, min(_OPERATOR_CAP_S, 4 * self._cap_s)), None)

    def slept(self, doubt_ms):
        """The board slept, and its ticks may be ahead by so much: a wait that runs ends later."""
        if self.left_ms():
            self.until_up_ms += doubt_ms

    def succeeded(self):
        if self.failures:
            self.failures = 0
            self.until_up_ms = 0
            self._keep(0)

    def cut_short(self):
        """Something changed that the wait was for (a new token, the link): look again now."""
        if self.left_ms():
            self.until_up_ms = 0
            self._keep(0)

    def _grow(self, first_s, cap_s, retry_after_s):
        wait_s = min(cap_s, first_s << min(self.failures, 16))
        self.failures += 1
        if retry_after_s is not None:
            wait_s = max(wait_s, retry_after_s)
        jitter_ms = wait_s * 10 * _JITTER_PCT * self._random_bits(10) >> 10
        self._wait(wait_s, jitter_ms)
        self._keep(wait_s)
        return wait_s

    def _wait(self, wait_s, jitter_ms=0):
        self.until_up_ms = self._clock.uptime_ms() + wait_s * 1000 + jitter_ms

    def _keep(self, wait_s):
        if self._slots is None:
            return
        now = self._clock.unix_s()
        until = None if now is None else now + wait_s
        try:
            self._slots.write(
                {"failures": self.failures, "until": until, "wait_s": wait_s, "code": self.code}
            )
        except OSError:
            self._slots = None  # a failing medium has its own reason; the wait still holds
