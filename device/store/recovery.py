"""After a power cut or a failed medium: repair what was left open, count what waits.

Runs beside recording, never before it. At its start it looks at the numbers that the boot before
may have left open; later it is told of any other that is met (`pend`). Every step is repeatable: a
clip is torn until its record says `closed`, and that is written once, after the whole file was
checked. How one clip is repaired stands in repair.py, which is loaded for it and let go of again.
"""

import asyncio

from device.compat import (
    WAIT_ERRORS,
    const,
    forget_module,
    sleep_ms,
    ticks_add,
    ticks_diff,
    ticks_ms,
    wait_for_ms,
)
from device.errors import DeviceError
from device.store import paths
from device.store.clip import OPEN
from device.store.in_hand import unmarked

_REPAIR = "device.store.repair"
_LOOK_BACK = const(8)
_MAX_PENDED = const(8)
_MAX_GIVEN_UP = const(32)
_CHECK_MS = const(60_000)
_AGAIN_CAP_MS = const(3_600_000)  # how rarely a clip is tried again that the medium refused


class Recovery:
    """store: ClipStore; work: a memoryview lent for reading; notify(): called when a clip is
    ready; mark(number): told which one is in hand (in_hand.py).
    """

    def __init__(self, store, work, log, notify, mark=unmarked):
        self._store = store
        self._work = work
        self._log = log
        self._notify = notify
        self._mark = mark
        # Stores to be looked at as after a boot, each with its last number.
        self._fresh = [(part, part.highest) for part in store.parts]
        self._pended = []
        self._given_up = []  # nothing but somebody's look will help
        self._refused = []  # the medium did not let it: tried again, ever more rarely
        self._again_ms = _CHECK_MS
        self._again_ticks_ms = 0
        self._wake = asyncio.Event()
        self._is_walking = True
        self.repaired = 0

    @property
    def unreadable(self):
        """How many clips could not be repaired in this boot."""
        return len(self._given_up) + len(self._refused)

    def is_busy(self):
        """True while it walks, counts or repairs."""
        return self._is_walking or bool(self._pended)

    def pend(self, number):
        """Clip number was left open, and not by the recorder that runs: repair it soon."""
        if number in self._pended or number in self._given_up or number in self._refused:
            return
        if len(self._pended) < _MAX_PENDED:
            self._pended.append(number)
            self._wake.set()

    def look_at(self, part):
        """The medium of this store is there again: look at it as after a boot."""
        self._fresh.append((part, part.highest))
        self._again_ticks_ms = ticks_ms()
        self._wake.set()

    async def run(self, check_in):
        """Repair, count, then wait for more to repair."""
        while True:
            check_in(3_600_000)
            while self._fresh:
                self._is_walking = True
                await self._walk(*self._fresh[0])
                self._fresh.pop(0)
            self._is_walking = False
            if not self._pended:
                try:
                    await wait_for_ms(self._wake.wait(), _CHECK_MS)
                except WAIT_ERRORS:
                    pass
            self._wake.clear()
            if self._fresh:
                continue
            if self._refused and ticks_diff(ticks_ms(), self._again_ticks_ms) >= 0:
                self._again_ms = min(2 * self._again_ms, _AGAIN_CAP_MS)
                self._pended += self._refused
                self._refused = []
            while self._pended:
                await self._repair(self._store.clip(self._pended[0]))
                self._pended.pop(0)
            forget_module(_REPAIR)

    async def _walk(self, part, end):
        """Repair what the boot before may have left open, and count what waits."""
        number = max(0, end - _LOOK_BACK)
        while True:
            try:
                clip = part.after(number)
            except DeviceError as e:
                self._log.error("recovery cannot walk the clips reason=%s", e)
                break
            if clip is None or clip.number > end:
                break
            number = clip.number
            if self._store.ledger and clip.record and clip.state != OPEN:
                self._store.ledger.seen(clip.record)
            await self._repair(clip)
        if self._store.ledger:
            await self._store.ledger.hear_rescue(part.root)
            self._store.ledger.keep()
        forget_module(_REPAIR)
        for last_number, clips in paths.leaves(part.root, end):
            part.count_leaf(last_number, clips)
            await sleep_ms(0)

    async def _repair(self, clip):
        """Repair clip if it is torn. What cannot be repaired is left alone, counted and logged."""
        from device.store import repair

        if clip.number == self._store.open_number:
            return
        self._mark(clip.number)
        try:
            # A record that could not be read before is not torn for that: it is read again.
            if clip.record is None and clip.load() and clip.state != OPEN:
                self._notify()
            if await repair.look_at(self._store, clip, self._work, self._log):
                self.repaired += 1
                self._again_ms = _CHECK_MS
                self._notify()
            if clip.number in self._refused:  # the walk came to it before the next try
                self._refused.remove(clip.number)
        except OSError as e:
            self._give_up(self._refused, clip, "errno=%s" % e.errno)
        except DeviceError as e:
            self._give_up(self._refused, clip, str(e))
        except ValueError as e:
            self._give_up(self._given_up, clip, str(e))
        except asyncio.CancelledError:
            self._mark(0)  # another task failed
            raise
        self._mark(0)

    def _give_up(self, those, clip, why):
        self._log.error("clip cannot be repaired clip=%d %s", clip.number, why)
        if len(those) < _MAX_GIVEN_UP and clip.number not in those:
            those.append(clip.number)
        self._again_ticks_ms = ticks_add(ticks_ms(), self._again_ms)
