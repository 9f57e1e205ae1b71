"""The newest clip first (upload.order). Loaded only where the settings ask for it.

Where the medium fills and old clips may be evicted, what would go first is sent first: then it is
oldest first as well, until there is room again. (Each order of eviction looks at the oldest.)
"""

from device.compat import const, list_dir
from device.queue.backlog import Backlog
from device.store.paths import MAX_NUMBER, SHIFTS, folder_value, parse_name

_FILLING_PCT = const(80)  # the first warning of store/medium.py
_ROOM_PCT = const(75)


class NewestFirst(Backlog):
    """quota: store.medium.Quota where the settings allow to evict what was not sent, else None."""

    order = "newest"

    def __init__(self, quota, *parts):
        super().__init__(*parts)
        self._quota = quota
        self._newest = 0  # the highest closed numbers when this pass began

    def _following(self):
        self._turn_round()
        if self.order == "near_eviction":
            return super()._following()
        parts = self.store.parts
        # While a clip is recorded it is the highest of its medium, and not closed.
        newest = sum([part.highest - bool(part.open_number) for part in parts])
        if newest != self._newest:  # one came while this pass went down: begin with it
            self._passed = 0
        if not self._passed:
            self._newest = newest
        for part in parts:  # numbers of the spare medium lie above all of the first
            try:
                number = previous_number(part.root, self._passed or MAX_NUMBER + 1)
            except OSError:
                self.store.after(0)  # knows what to do about it, or raises
                return None
            if number is not None:
                clip = part.clip(number)
                try:
                    clip.load()
                except OSError:
                    clip.record = None  # this record cannot be read; others may
                return clip
        return None

    def _turn_round(self):
        """Choose the direction; a new one begins a new pass."""
        if self._quota is None:
            return
        is_turned = self.order == "near_eviction"
        if is_turned != (self._quota.used_pct() >= (_ROOM_PCT if is_turned else _FILLING_PCT)):
            self.order = "newest" if is_turned else "near_eviction"
            self._passed = 0


def previous_number(root, before):
    """The largest clip number on the medium below `before`, or None: the walk of store/paths.py
    the other way, one folder a level however many clips wait.

    Raises OSError if a folder is unreadable.
    """
    target = before - 1
    while target > 0:
        found, target = _highest_of(root + "/clips", 0, target, 0)
        if found is not None:
            return found
    return None


def _highest_of(path, depth, target, prefix):
    """(number, _) if one at or below target lies below path, else (None, where to go on).

    prefix: the folder names above, as the high bits of every number that belongs here.
    """
    shift = SHIFTS[min(depth, 2)]
    best = None
    if depth == 3:
        for name, is_folder in list_dir(path):
            found = None if is_folder else parse_name(name)
            if found and _is_better(best, found[0], target) and found[0] >> shift == prefix:
                best = found[0]
        return best, (prefix << shift) - 1
    wanted = target >> shift
    base = prefix << (SHIFTS[0] - SHIFTS[1])  # a branch's bits, as many on each level
    for name, is_folder in list_dir(path):
        value = folder_value(name, depth) if is_folder else None
        if value is not None and _is_better(best, base + value, wanted):
            best = base + value
    if best is None:  # nothing in this folder: go on in the one before, of the level above
        return None, (base << shift) - 1
    if best < wanted:
        target = ((best + 1) << shift) - 1
    below = "%s/%0*x" % (path, 2 if depth else 4, best - base)
    return _highest_of(below, depth + 1, target, best)


def _is_better(best, value, most):
    """True if value is within most and above the best so far."""
    return value <= most and (best is None or value > best)
