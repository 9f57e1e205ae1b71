"""Makes a history that fails short: events of its weather are left away as long as it still fails.

Delta debugging (Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, 2002) over
the list of events, then the time between and after them. Every event has dice of its own
(sky.py), so those that stay fall as before. A shorter history counts as the same failure if one of
the same promises is broken.
"""

import time
from collections.abc import Callable

from tools.torture.weather import DAY_S, Weather

_LEAD_S = 120  # what the first event may keep before it: the board has started and is idle


def shrink(weather: Weather, fails: Callable[[Weather], bool], limit_s: float = 60) -> Weather:
    """The shortest weather that was found within limit_s for which fails(weather) holds.

    weather itself must fail. limit_s bounds the search, not a call of fails.
    """
    search = _Search(weather, fails, limit_s)
    search.fewer_events()
    search.less_time()
    search.fewer_events()
    return search.best


class _Search:
    def __init__(self, weather, fails, limit_s):
        self.best = weather
        self._fails = fails
        self._end = time.monotonic() + limit_s

    def _takes(self, events, days=None):
        """True, and it is the best now, if these events fail as well."""
        if time.monotonic() > self._end:
            return False
        days = self.best.days if days is None else days
        tried = self.best.but(events, days=days)
        if tried == self.best or not self._fails(tried):
            return False
        self.best = tried
        return True

    def fewer_events(self):
        """Leave away halves, quarters … single events, until none can go."""
        parts = 2
        while True:
            events = self.best.events
            size = max(1, len(events) // parts)
            for at in range(0, len(events), size):
                if self._takes(events[:at] + events[at + size :]):
                    parts = max(2, parts - 1)
                    break
            else:
                if size == 1 or time.monotonic() > self._end:
                    return
                parts = min(len(events), 2 * parts)

    def less_time(self):
        """End with the last event, begin with the first, and let no hour pass between them."""
        events = self.best.events
        self._takes(events, 0)
        for most_s in (_LEAD_S, 3_600, DAY_S):
            if self._takes(_closer(self.best.events, most_s), self.best.days):
                return


def _closer(events, most_s):
    """The events with at most so many seconds between the end of one and the next."""
    found, before_s, taken_s = [], 0, 0
    for event in events:
        taken_s += max(0, event["at_s"] - before_s - most_s)
        found.append({**event, "at_s": event["at_s"] - taken_s})
        before_s = max(before_s, event["at_s"] + event.get("for_s", 0))
    return found


def told(weather: Weather) -> list[str]:
    """One line an event, for people."""
    lines = []
    for event in weather.events:
        rest = ", ".join(f"{k} {v}" for k, v in event.items() if k not in ("at_s", "what"))
        lines.append(f"{event['at_s']:>9} s  {event['what']:<12} {rest}")
    return lines
