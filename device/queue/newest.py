"""The newest clip first (upload.order). Loaded only where the settings ask for it.

Where the medium fills and old clips may be evicted, what would go first is sent first: then it is
oldest first as well, until there is room again. (Each order of eviction looks at the oldest.)
"""

from device.compat import const
from device.queue.backlog import Backlog
from device.store.descend import previous_number
from device.store.paths import MAX_NUMBER

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
