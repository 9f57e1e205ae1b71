"""Which clip next, and why not now. Holds no list: the folder is the queue, numbers are its order.

What somebody asked for (store/wanted.py), then the oldest first (newest.py: the other way).
`rule` says which of these chose the clip in hand. A clip that failed three times in a row for
reasons that are not its own lets the others pass once (a cloud that answers 500 for one clip only
must not stop the rest); its state stays as it is. Clips set aside are passed over; those of
another token epoch too, and those that are more than the way may carry now.
"""

from device.compat import const, forget_module
from device.store.clip import ASIDE, DONE, EVICTED, OPEN

_TRIES_IN_A_ROW = const(3)
_A_LOOK = const(16)  # clips that one next() may pass over: a second of flash at most
_LOOK_OVER_MS = const(3_600_000)
_HELD_MOST = const(16)  # as many too large in a row: those behind them will be as well


class Backlog:
    """store: ClipStore; epoch(): the token epoch that clips must have to be sent now, None: any;
    found_open(number): told of each clip that was left open or half evicted, or has no record
    (recovery may repair it); planner: queue.planner, None where nothing is limited.
    """

    order = "oldest"

    def __init__(self, store, epoch, found_open, planner=None):
        from device.store import wanted

        self.first = wanted.kept(store)  # a wanted.First, once somebody asked for a clip
        if self.first is None:
            forget_module("device.store.wanted")
        self.store = store
        self._epoch = epoch
        self._found_open = found_open
        self._planner = planner
        self.rule = self.order
        self.held = 0  # sendable clips that the last pass held back
        self._held = 0
        self._passed = 0  # clips up to here had their turn in this pass
        self._in_hand = 0
        self._tries = 0
        self.aside = 0  # seen in the last whole pass
        self.other_epoch = 0
        self.unreadable = 0
        self._seen = [0, 0, 0]
        self._has_news = False  # a clip that this pass is past may have become ready
        self.is_walking = False  # next() found none so far, and goes on when it is asked again
        self.found_none = False  # all of it was looked at since the last event
        self.has_met = False  # looking it over without a way, one was met
        self._looked_up_ms = 0
        self._left = 0  # clips that this next() may still pass over

    def waiting(self):
        """How many clips are still to be sent: all that are kept, but for those set aside."""
        return max(0, self.store.waiting - self.aside)

    def note_news(self):
        """A clip was closed or repaired, or something else changed for the clips."""
        self.found_none = False
        self._has_news = True

    def note_none(self, now_up_ms):
        """The whole of it was looked at, and none may go."""
        self.found_none, self.has_met = True, False
        self._looked_up_ms = now_up_ms

    def look_over(self, now_up_ms):
        """Nothing may go now. Look at it all the same where the count says that it is empty, and
        now and then: of a medium that fails some folders look empty and some records unreadable,
        and a clip that is met asks for the way.
        """
        if self.has_met or not self.found_none and self.waiting():
            return
        if self.found_none and now_up_ms - self._looked_up_ms < _LOOK_OVER_MS:
            return
        self._looked_up_ms = now_up_ms
        self.has_met = self.next() is not None
        self.found_none = not self.has_met and not self.is_walking

    def next(self):
        """The next Clip to work on, its record loaded, or None. Raises NeedsOperator (medium).

        However many clips are set aside, nobody waits long: after some of them it returns None
        with `is_walking`, and other tasks have their turn.
        """
        self.is_walking = False
        self._left = _A_LOOK
        while True:
            clip = self.first and self.first.next(self)
            if clip:
                self.rule = "requested"
                return clip
            clip = self._walk()
            self.rule = self.order
            if clip or self.is_walking or not (self._in_hand or self._has_news):
                return clip
            self._in_hand = 0  # some clip was let pass, or came meanwhile: begin again

    def _walk(self):
        """The next one in order from where this pass stands; None: the pass is over, or
        `is_walking`.
        """
        while self._left:
            self._left -= 1
            clip = self._following()
            if not self._passed:
                self._seen = [0, 0, 0]
                self._held = 0
                self._has_news = False
            if clip is None:
                self.aside, self.other_epoch, self.unreadable = self._seen
                if not self._passed:
                    self._in_hand = 0
                self._end_pass()
                return None
            if self._is_sendable(clip):
                if self.is_within(clip):
                    self.held = self._held
                    return clip
                self._held += 1
                if self._held == _HELD_MOST:
                    self._in_hand = 0
                    self._end_pass()
                    return None
            self._passed = clip.number
        self.is_walking = True
        return None

    def _end_pass(self):
        self.held = self._held
        self._passed = 0
        if self.first:
            self.first.rested = []

    def _following(self):
        """The clip behind those that had their turn in this pass, or None."""
        return self.store.after(self._passed)

    def is_within(self, clip):
        """True if the way may carry clip now."""
        return clip.state == DONE or self._planner is None or self._planner.fits(clip)

    def is_ours(self, clip):
        """True if clip was made under the binding that holds now."""
        return not self._epoch or clip.record.get("epoch", 0) == self._epoch()

    def ask(self, number):
        """Somebody wants clip number sent first; returns the answer (see wanted.py)."""
        from device.store import wanted

        return wanted.ask(self, number)

    def held_reason(self):
        """(code, ms until it may end) if the last pass held clips back, else (None, 0)."""
        return self._planner.held_reason() if self.held else (None, 0)

    def failed(self, clip):
        """clip could not be advanced now, through no fault of its own."""
        if clip.number != self._in_hand:
            self._in_hand, self._tries = clip.number, 0
        self._tries += 1
        if self._tries >= _TRIES_IN_A_ROW:
            self._tries = 0
            self._pass(clip.number)

    def let_pass(self, clip):
        """clip has to wait for something of its own (verification): go on with the others."""
        self._in_hand = clip.number
        self._pass(clip.number)

    def _pass(self, number):
        if not self.first or not self.first.rest(number):
            self._passed = number

    def rewind(self):
        """Something changed: look at all clips again, from the first of the order on."""
        self._in_hand = self._held = 0
        self._end_pass()

    def _is_sendable(self, clip):
        if clip.record is None:
            # Its record cannot be read: it must not stop the others. Recovery takes away what a
            # refused opening left, and makes a record anew where it can.
            self._seen[2] += 1
            self._found_open(clip.number)
            return False
        if clip.state in (OPEN, EVICTED):
            if clip.number != self.store.open_number:
                self._found_open(clip.number)
            return False
        if clip.state == DONE:
            return True
        if clip.state in ASIDE:
            self._seen[0] += 1
            return False
        if not self.is_ours(clip):
            self._seen[1] += 1
            return False
        return not self.first or clip.number not in self.first.rested
