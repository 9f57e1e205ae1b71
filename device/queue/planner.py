"""What may be sent over the way that is up, and why not the rest: caps and hours.

Asked by the lane before each clip, and by the link before it starts a way or stays on one: what
may not carry clips carries no heartbeat either. It holds nothing back for ever: each refusal names
the event that ends it. Loaded only where the settings limit anything.

    shut      a whole way is closed: spent, or out of hours
    refusal   the same of the way that is up
    fits      this clip is within what is left; a smaller one behind it may go meanwhile
    book      it goes now: durable before the first byte
    ended     what did cross the wire is accounted for
"""

from device.compat import const
from device.link.budget import wire_bytes
from device.store.clip import COMPLETING, STORED

_CALLS_BYTES = const(6144)  # create, URL and complete with their answers
_HANDSHAKES = const(2)
# Below this a way counts as spent: heartbeats, time and probes that are under way have room.
_SMALL_BYTES = const(32768)


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
        self._held = (None, 0)  # the way on which nothing that waits fits, and its room then

    def refusal(self):
        """(reason code, ms until it may end or 0), or (None, 0) if clips may go."""
        self.account()
        return self.shut(self._link.kind) if self._link.is_up() else (None, 0)

    def shut(self, kind):
        """The same for ways of this kind ("wifi", "4g"), whether one is up or not."""
        way = _setting_of(kind)
        if way == "cellular":
            code, left_ms = self._out_of_hours()
            if code:
                return code, left_ms
        room = self._budget.room_bytes(way)
        if room is None or room > (self._held[1] if way == self._held[0] else _SMALL_BYTES):
            return None, 0
        return self._cap_of(way)

    def work_came(self):
        """There is a clip that was not looked at: perhaps it fits."""
        if self._held[0]:
            self._held = (None, 0)
            self._link.look_again()

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
        """(code, ms) of the cap that keeps back all that waits."""
        way = self._now()
        self._held = (way, max(_SMALL_BYTES, self._budget.room_bytes(way)))
        return self._cap_of(way)

    def _cap_of(self, way):
        code, left_s = self._budget.reason(way)
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
        return _setting_of(self._link.kind) if self._link.is_up() else None

    def as_dict(self):
        return self._budget.as_dict()


def _setting_of(kind):
    return "wifi" if kind == "wifi" else "cellular"


def expected_bytes(clip):
    """What sending the rest of clip will come to on the wire."""
    payload = _CALLS_BYTES
    if clip.state not in (STORED, COMPLETING):
        payload += clip.record["bytes"]
    return wire_bytes(payload, _HANDSHAKES)
