"""Daily windows, "08:00-12:30", in the recorder's own offset from UTC; one may pass midnight."""

from device.compat import const, is_digits

_DAY_MIN = const(1440)


def parse(text):
    """(first minute, minute after the last) of a window; ValueError if it is none."""
    if len(text) != 11 or text[5] != "-":
        raise ValueError("not HH:MM-HH:MM")
    begin, end = _minute(text[:5]), _minute(text[6:])
    if begin == end or begin == _DAY_MIN:
        raise ValueError("an empty window")
    return begin, end


def _minute(text):
    hours, minutes = text[:2], text[3:]
    if text[2] != ":" or not is_digits(hours) or not is_digits(minutes):
        raise ValueError("not HH:MM")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > _DAY_MIN:
        raise ValueError("no time of day")
    return minute


class Schedule:
    """windows: texts as above; utc_offset_min: minutes east of UTC."""

    def __init__(self, windows, utc_offset_min):
        self._windows = [parse(text) for text in windows]
        self._offset_s = utc_offset_min * 60

    def is_inside(self, unix_s):
        minute = (unix_s + self._offset_s) // 60 % _DAY_MIN
        for begin, end in self._windows:
            if begin <= minute < end or (end < begin and (minute >= begin or minute < end)):
                return True
        return False

    def next_change_s(self, unix_s):
        """Seconds until a window begins or ends; a day at most."""
        second = (unix_s + self._offset_s) % (60 * _DAY_MIN)
        best = 60 * _DAY_MIN
        for window in self._windows:
            for minute in window:
                best = min(best, (60 * minute - second - 1) % (60 * _DAY_MIN) + 1)
        return best
