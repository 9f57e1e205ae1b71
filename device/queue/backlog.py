"""Which clip next, and why not now. Holds no list: the folder is the queue, numbers are its order.

Oldest first. A clip that failed three times in a row for reasons that are not its own lets the
others pass once (a cloud that answers 500 for one clip only must not stop the rest); its state
stays as it is. Clips set aside are passed over; those of another token epoch too, and those that
are more than the way may carry now.
"""

from device.compat import const
from device.store.clip import ASIDE, DONE, OPEN

_TRIES_IN_A_ROW = const(3)
_A_LOOK = const(16)  # clips that one next() may pass over: a second of flash at most
_HELD_MOST = const(16)  # as many too large in a row: those behind them will be as well


class Backlog:
    """store: ClipStore; epoch(): the token epoch that clips must have to be sent now, None: any;
    found_open(number): told of each clip that was left open or has no record (recovery may
    repair it); planner: queue.planner, None where nothing is limited.
    """

    def __init__(self, store, epoch, found_open, planner=None):
        self._store = store
        self._epoch = epoch
        self._found_open = found_open
        self._planner = planner
        self.held = 0  # sendable clips that the last pass held back
        self._held = 0
        self._passed = 0  # clips up to here had their turn in this pass
        self._in_hand = 0
        self._tries = 0
        self.aside = 0  # seen in the last whole pass
        self.other_epoch = 0
        self.unreadable = 0
        self._seen = [0, 0, 0]
        self.is_walking = False  # next() found none so far, and goes on when it is asked again

    def waiting(self):
        """How many clips are still to be sent: all that are kept, but for those set aside."""
        return max(0, self._store.waiting - self.aside)

    def next(self):
        """The next Clip to work on, its record loaded, or None. Raises NeedsOperator (medium).

        However many clips are set aside, nobody waits long: after some of them it returns None
        with `is_walking`, and other tasks have their turn.
        """
        self.is_walking = False
        left = _A_LOOK
        while True:
            if not left:
                self.is_walking = True
                return None
            left -= 1
            if not self._passed:
                self._seen = [0, 0, 0]
                self._held = 0
            clip = self._store.after(self._passed)
            if clip is None:
                self.aside, self.other_epoch, self.unreadable = self._seen
                self.held = self._held
                if not self._passed:
                    return None
                self._passed = 0
                if self._in_hand:  # some clip was let pass: begin again with it
                    self._in_hand = 0
                    continue
                return None
            if self._is_sendable(clip):
                if clip.state == DONE or self._planner is None or self._planner.fits(clip):
                    self.held = self._held
                    return clip
                self._held += 1
                if self._held == _HELD_MOST:
                    self.held = self._held
                    self._passed = 0
                    return None
            self._passed = clip.number

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
            self._passed = clip.number

    def let_pass(self, clip):
        """clip has to wait for something of its own (verification): go on with the others."""
        self._in_hand = self._passed = clip.number

    def rewind(self):
        """Something changed: look at all clips again, from the oldest on."""
        self._passed = self._in_hand = 0

    def _is_sendable(self, clip):
        if clip.record is None:
            # Its record cannot be read: it must not stop the others. Recovery takes away what a
            # refused opening left, and makes a record anew where it can.
            self._seen[2] += 1
            self._found_open(clip.number)
            return False
        if clip.state == OPEN:
            if clip.number != self._store.open_number:
                self._found_open(clip.number)
            return False
        if clip.state == DONE:
            return True
        if clip.state in ASIDE:
            self._seen[0] += 1
            return False
        if self._epoch and clip.record.get("epoch", 0) != self._epoch():
            self._seen[1] += 1
            return False
        return True
