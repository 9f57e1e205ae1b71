"""What may be sent over the way that is up, and why not the rest: caps and hours.

Asked by the lane before each clip. It holds nothing back for ever: each refusal names the event
that ends it. Loaded only where the settings limit anything.

    refusal   the whole way is closed: spent, or out of hours
    fits      this clip is within what is left; a smaller one behind it may go meanwhile
    book      it goes now: durable before the first byte
    ended     what did cross the wire is accounted for
"""

from device.compat import const
from device.link.budget import wire_bytes
from device.store.clip import COMPLETING, STORED

_CALLS_BYTES = const(6144)  # create, URL and complete with their answers
_HANDSHAKES = const(2)


class Planner:
    """link: link.link.Link; http: its totals; off_peak: hours of the cellular way, a
    capture.schedule.Schedule or None.
    """

    def __init__(self, link, http, clock, budget, off_peak):
        self._link = link
        self._http = http
        self._clock = clock
        self._budget = budget
        self._off_peak = off_peak
        self._seen = (0, 0)  # payload bytes, handshakes that are accounted for
        self._way = None

    def refusal(self):
        """(reason code, ms until it may end or 0), or (None, 0) if clips may go."""
        self.account()
        way = self._now()
        if way is None:
            return None, 0
        if way == "cellular":
            code, left_ms = self._out_of_hours()
            if code:
                return code, left_ms
        if self._budget.room_bytes(way) == 0:
            return self.held_reason()
        return None, 0

    def _out_of_hours(self):
        if self._off_peak is None:
            return None, 0
        now_s = self._clock.unix_s()
        if now_s is None:
            return "clock_wait", 0  # nobody knows whether it is cheap now
        if self._off_peak.is_inside(now_s):
            return None, 0
        return "off_peak", 1000 * self._off_peak.next_change_s(now_s)

    def fits(self, clip):
        """True if clip is within what the way may still carry."""
        way = self._now()
        room = None if way is None else self._budget.room_bytes(way)
        return room is None or expected_bytes(clip) <= room

    def held_reason(self):
        """(code, ms) of the cap that keeps clips back."""
        code, left_s = self._budget.reason(self._now())
        return code, 1000 * (left_s or 0)

    def book(self, clip):
        way = self._now()
        if way is not None:
            self._budget.book(way, expected_bytes(clip))

    def ended(self, is_delivered):
        self.account()

    def account(self):
        """Call it when a clip ends, when the way changes, and now and then."""
        payload = self._http.bytes_sent + self._http.bytes_received
        handshakes = self._http.connections_opened
        size = wire_bytes(payload - self._seen[0], handshakes - self._seen[1])
        self._seen = (payload, handshakes)
        way, self._way = self._way or self._now(), self._now()
        if way is not None and size:
            self._budget.spend(way, size)

    def _now(self):
        """The way that is up, by the name it has in the settings, or None."""
        if not self._link.is_up():
            return None
        return "wifi" if self._link.kind == "wifi" else "cellular"

    def as_dict(self):
        return self._budget.as_dict()


def expected_bytes(clip):
    """What sending the rest of clip will come to on the wire."""
    payload = _CALLS_BYTES
    if clip.state not in (STORED, COMPLETING):
        payload += clip.record["bytes"]
    return wire_bytes(payload, _HANDSHAKES)
