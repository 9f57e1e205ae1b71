"""How many bytes each way out may still carry, today and this month: caps that hold over reboots.

A cap is a promise to whoever pays, so bytes are booked on flash before they leave, and a reboot
begins with all that was booked: a cut may cost a step of room, never a byte over the cap.

    state/budget   {"day": 20517, "month": 24315, "cellular": [booked today, this month, ...], ...}

Days and months are local ones. While nobody knows the time the old period goes on, and what is
spent then counts in the next one too: it may have begun.
"""

from device.compat import const
from device.dates import civil_from_days, days_from_civil

DAY_S = const(86400)
_STEP_BYTES = const(262144)  # booked ahead for small traffic: a write for each of these
# A TLS record of 4 KiB carries 29 bytes of its own, each segment of 1400 bytes 40 of TCP and IP,
# and every second one is acknowledged: 5 %. A handshake moves two certificates and their roots.
_OVERHEAD_PCT = const(5)
_HANDSHAKE_BYTES = const(8192)


def wire_bytes(payload_bytes, handshakes=0):
    """What payload and handshakes come to on the wire (an estimate on the safe side)."""
    return payload_bytes + payload_bytes * _OVERHEAD_PCT // 100 + handshakes * _HANDSHAKE_BYTES


class Budget:
    """caps: way -> (bytes a day, bytes a month), None: no limit, 0: nothing at all; ways that are
    not in it are unlimited. slots: store.slots.Slots; offset_s: local time minus UTC.
    """

    def __init__(self, caps, slots, clock, offset_s, log):
        self._caps = caps
        self._slots = slots
        self._clock = clock
        self._offset_s = offset_s
        self._log = log
        self._day = self._month = 0
        # Today, this month, since the time was known last.
        self._spent = {way: [0, 0, 0] for way in caps}
        self._booked = {way: [0, 0, 0] for way in caps}
        self._take_over()

    def _take_over(self):
        try:
            kept = self._slots.read() or {}
        except OSError:
            return  # an unreadable medium has its own reason
        day, month = kept.get("day"), kept.get("month")
        if not isinstance(day, int) or not isinstance(month, int):
            return
        self._day, self._month = day, month
        for way in self._caps:
            found = kept.get(way)
            if isinstance(found, list) and len(found) == 3:
                if all([isinstance(booked, int) for booked in found]):
                    self._booked[way] = [max(0, booked) for booked in found]
                    self._spent[way] = list(self._booked[way])

    def room_bytes(self, way):
        """What way may still carry now, or None for no limit."""
        rooms = self._rooms(way)
        return None if not rooms else min(rooms)[0]

    def reason(self, way):
        """(code, seconds until the period ends or None) of the cap that leaves least room."""
        room = min(self._rooms(way))
        return ("cap_day", "cap_month")[room[1]], self._left_s(room[1])

    def largest_bytes(self, way):
        """What the caps would let pass in a fresh period, or None."""
        limits = [cap for cap in self._caps.get(way, ()) if cap is not None]
        return min(limits) if limits else None

    def _rooms(self, way):
        """[(bytes left, 0 for the day or 1 for the month)] of the caps that way has."""
        self._roll()
        rooms = []
        for period, cap in enumerate(self._caps.get(way, ())):
            if cap is not None:
                rooms.append((max(0, cap - self._spent[way][period]), period))
        return rooms

    def book(self, way, size_bytes):
        """So many bytes are about to leave over way. Durable when it returns."""
        if self.largest_bytes(way) is None:
            return
        self._roll()
        spent, booked = self._spent[way], self._booked[way]
        periods = self._periods()
        if all([spent[period] + size_bytes <= booked[period] for period in periods]):
            return
        for period in periods:
            booked[period] = spent[period] + size_bytes + _STEP_BYTES
        self._keep()

    def spend(self, way, size_bytes):
        """So many bytes did cross the wire."""
        if self.largest_bytes(way) is None:
            return
        self.book(way, size_bytes)
        for period in self._periods():
            self._spent[way][period] += size_bytes

    def _periods(self):
        """What a byte that crosses now counts in."""
        return (0, 1) if self._clock.unix_s() is not None else (0, 1, 2)

    def _roll(self):
        """Begin a new day or month when it came."""
        day = self._today()
        if day is None:
            return
        if day == self._day:
            self._end_doubt()
            return
        year, month, _ = civil_from_days(day)
        month += 12 * year
        # A clock that was set back is no new day: what was spent stays spent.
        if day > self._day:
            self._begin(0)
        if month > self._month:
            self._begin(1)
        self._day, self._month = day, month
        self._end_doubt()
        self._keep()

    def _end_doubt(self):
        """The time is known: what comes is of this day."""
        for way in self._spent:
            self._spent[way][2] = self._booked[way][2] = 0

    def _today(self):
        """Days since 1970 of the local date, or None."""
        now_s = self._clock.unix_s()
        return None if now_s is None else (now_s + self._offset_s) // DAY_S

    def _begin(self, period):
        for way in self._spent:
            spent, booked = self._spent[way], self._booked[way]
            spent[period], booked[period] = spent[2], booked[2]

    def _left_s(self, period):
        """Seconds until the day (0) or the month (1) ends, None while the time is unknown."""
        day = self._today()
        if day is None:
            return None
        end = day + 1
        if period:
            year, month, _ = civil_from_days(day)
            end = days_from_civil(year + month // 12, month % 12 + 1, 1)
        return end * DAY_S - self._offset_s - self._clock.unix_s()

    def _keep(self):
        value = {"day": self._day, "month": self._month}
        value.update(self._booked)
        try:
            self._slots.write(value)
        except OSError as e:
            self._log.warning("budget not kept errno=%s", e.errno)

    def as_dict(self):
        """KiB left today and this month for each way that has a cap."""
        state = {}
        for way in self._caps:
            rooms = self._rooms(way)
            if rooms:
                names = ("day_left_kb", "month_left_kb")
                state[way] = {names[period]: left // 1024 for left, period in rooms}
        return state
