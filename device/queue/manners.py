"""Manners in a fleet: how long this device leaves the cloud to others between two clips.

The cloud's limits are per project and minute, shared by devices that do not know of each other;
but each answer says what is left of the minute (X-RateLimit-*). After a clip the pace follows
that: more used up than time has passed, and it grows by as much and a little more (so that who
is fast yields more than who is slow); less, and it shrinks. A device that is alone, or in a
project without limits, never waits.

Chosen by simulation (5 to 200 devices, 30 upload URLs a minute): host_tests/fleet
prints refusals and drain time of the real code.
"""

from device.compat import const

_WINDOW_S = const(60)
_SEEN_S = const(6)  # before so much of a minute has passed its use says nothing
_STEP_MS = const(5_000)
_REFUSED_FIRST_MS = const(20_000)
_NEARLY_PCT = const(60)
_PACE_CAP_MS = const(600_000)
_PACE_FLOOR_MS = const(1_000)  # shorter is none


class Manners:
    """clock: link.clock.Clock; random_bits(n) -> int, different on each device."""

    def __init__(self, clock, random_bits):
        self._clock = clock
        self._random_bits = random_bits
        self.pace_ms = 0
        self._next_up_ms = 0
        self._used_pct = 0  # the tightest limit that this clip met, and when it is counted anew
        self._reset_s = 0

    def refusal(self):
        """(reason code, ms until the next clip may begin), or (None, 0)."""
        left_ms = self._next_up_ms - self._clock.uptime_ms()
        return ("taking_turns", left_ms) if left_ms > 0 else (None, 0)

    def book(self, clip):
        """A clip goes now."""

    def told(self, limit, remaining, reset_s):
        """An answer said: so many requests of limit remain for reset_s seconds."""
        used_pct = 100 - 100 * min(remaining, limit) // limit
        if used_pct >= self._used_pct:
            self._used_pct, self._reset_s = used_pct, reset_s

    def is_spent(self):
        """True if an upload URL would hardly be given: then the device rests instead of asking.

        Documented: 30 URLs and 100 requests a minute, and a clip takes three requests: its URLs
        are used up before its requests are, and only an answer to create warns of it. 60 %: of
        60, 70 and 85 the one with fewest refusals, for hardly more time (host_tests/fleet).
        """
        if self._used_pct < _NEARLY_PCT:
            return False
        self._rest(self._reset_s)
        return True

    def refused(self):
        """429: one refusal says more than any figure."""
        self._set_pace(max(2 * self.pace_ms, _REFUSED_FIRST_MS))
        self._used_pct = 0

    def ended(self, is_delivered):
        """A clip went through, or not: choose when the next one may."""
        if not is_delivered:
            return
        used_pct, self._used_pct = self._used_pct, 0
        passed_s = max(0, _WINDOW_S - self._reset_s)
        if not used_pct:
            self._set_pace(0)
            return
        if passed_s >= _SEEN_S or used_pct * _WINDOW_S > 100 * passed_s:
            self._follow(used_pct * _WINDOW_S // max(passed_s, 3))
        if used_pct == 100:  # that was the last request: nobody need ask before the minute ends
            self._rest(self._reset_s)
            return
        wait_ms = self.pace_ms // 2 + self._random(self.pace_ms)
        self._next_up_ms = self._clock.uptime_ms() + wait_ms

    def _rest(self, reset_s):
        """The minute is used up: come back after its end, at a moment of this device's own."""
        self._used_pct = 0
        spread_ms = max(self.pace_ms, 1000 * _WINDOW_S)
        wait_ms = 1000 * reset_s + self._random(spread_ms)
        self._next_up_ms = self._clock.uptime_ms() + wait_ms

    def _follow(self, use_pct):
        """use_pct: how fast the project uses its minute up, 100: just as time passes."""
        use_pct = min(200, max(25, use_pct))
        self._set_pace(self.pace_ms * use_pct // 100 + (_STEP_MS if use_pct > 100 else 0))

    def _set_pace(self, pace_ms):
        self.pace_ms = 0 if pace_ms < _PACE_FLOOR_MS else min(pace_ms, _PACE_CAP_MS)

    def _random(self, below_ms):
        return below_ms * self._random_bits(10) >> 10
