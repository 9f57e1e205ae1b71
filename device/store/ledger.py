"""Says of each second since deployment what became of it: kept on flash as runs of seconds.

    i   on, and no take was wanted        o   lost: the driver had no room (overrun)
    b   a take was wanted, and something  x   lost: the last second of a clip that was cut short
        forbade it (medium, microphone,   c   recorded, and confirmed by the cloud
        battery)                          e   recorded, and evicted for room
    r   recorded                          u   recorded, and unreadable since

What no run names is unknown: the board was off, or it ended before a run was kept. Nothing is ever
filled in. A run is [kind, boot, second of uptime, seconds], rounded to seconds at both ends, so
that clips of one take touch. On the device is r without c, e and u.

This part stays loaded and only collects; ledger_book.py writes, and is let go of again. Writes:
one where a take ends, pauses or fails (or every six clips), one a clip that leaves, and one an
hour while nothing happens. A crash costs what was not kept yet: at most an hour of i or b, before
the take if one runs; recovery tells of clips again, and a run that is told twice counts once.
"""

from device.compat import const, forget_module

_KEEP_S = const(3600)
_PRE_ROLL_S = const(60)  # a clip may begin so long before it is opened
_MOST_RUNS = const(12)  # that wait for a medium which refuses them; then the oldest is unknown
_LEAVING = const(8)  # of them the medium may keep some: their run may be in a segment of before
_CLIPS_AT_ONCE = const(6)  # fewer than recovery looks back
_UNREADABLE = " damaged file_missing record_unreadable "
_FREE = " idle armed dozing off_schedule recording "  # of recorder's reasons: nothing is wrong


class Ledger:
    """root: of the medium; clock: link.clock.Clock."""

    def __init__(self, root, boot, clock, log):
        self._root = root
        self._boot = boot
        self._clock = clock
        self._log = log
        # Of the seconds that pass now; None while a clip is open, "" if its take seems to go on.
        self._kind = "i"
        self._since_s = 0
        self._runs = []  # not kept yet
        self._clips = 0  # closed since the last write
        self._newest = None  # segment of the book
        self._leaving = []  # numbers of the last clips that were told to leave
        self._is_refused = False

    def tick(self, code):
        """The recorder, every now and then while no clip is open: its reason's code."""
        if self._kind is None:
            return
        kind = "i" if (" " + code + " ") in _FREE else "b"
        if not self._kind:
            self._kind = kind  # it did not: silence is left out, or it has failed
            self.keep()
        until_s = self._clock.uptime_ms() // 1000
        if kind == self._kind:
            until_s -= _PRE_ROLL_S
            if until_s - self._since_s < _KEEP_S:
                return
        self._end_run(until_s)
        self._kind = kind
        self.keep()

    def opened(self, record):
        """A clip is open: the time without one ended with its first sample."""
        if self._kind:
            self._end_run((record["up"] + 500) // 1000)
        self._kind = None  # kept at its end: now the first samples are to become durable

    def closed(self, record):
        self._since_s = self._add_clip(record)
        self._clips += 1
        self._kind = "i" if record["last"] else ""
        if record["last"] or self._clips >= _CLIPS_AT_ONCE:
            self.keep()

    def left_open(self):
        """The medium or the microphone failed the open clip: recovery tells of it."""
        self._kind = "b"
        self._since_s = (self._clock.uptime_ms() + 500) // 1000  # rounded as its end will be
        self.keep()  # the wait before it too: this take has no end that would

    def freed(self, record):
        """A clip is about to leave, done or evicted; again, if the medium did not let it."""
        if record["n"] in self._leaving:
            return
        if record["boot"] != self._boot:
            self._newest = None  # it may have been told before a cut: the book looks
        self._leaving = [record["n"]] + self._leaving[: _LEAVING - 1]
        self._add_clip(record, "c" if record["state"] == "done" else "e")
        self.keep()

    def set_aside(self, record):
        if (" " + record.get("why", "") + " ") in _UNREADABLE:
            self._add_clip(record, "u")
            self.keep()

    def repaired(self, record):
        """What a power cut or a failed medium left of a clip; without samples: nothing."""
        end_s = self._add_clip(record)
        if record["boot"]:
            self._put("x", record["boot"], end_s, 1)
        self.keep()

    def seen(self, record):
        """Recovery met a closed clip: its boot may have ended before its run was kept."""
        if self._boot - 3 <= record["boot"] < self._boot:
            self._add_clip(record)
            self._newest = None  # the book looks whether it has it

    async def hear_rescue(self, root):
        """Tell of the clips that the rescue program freed, which it noted on the medium at root.
        Where medium or memory refuse, the rest waits for the next start.
        """
        try:
            from device.store import ledger_book

            await ledger_book.hear_rescue(root, self)
        except (OSError, MemoryError):
            pass
        forget_module("device.store.ledger_book")

    def rescued(self, record):
        """Such a clip; True if all that was told so far is kept."""
        self.seen(record)
        self._add_clip(record, "c")
        self._newest = None
        self._clips += 1
        return self._clips >= _CLIPS_AT_ONCE and self.keep()

    def _end_run(self, until_s):
        self._put(self._kind, self._boot, self._since_s, until_s - self._since_s)
        self._since_s = max(until_s, self._since_s)

    def _add_clip(self, record, kind="r"):
        """The runs of a clip; returns the second at which it ends."""
        boot, hz = record["boot"], record["hz"]
        at_ms = record["up"]
        at_sample = 0
        for sample, hidden in record.get("skips", ()):
            at_ms = self._add_part(kind, boot, at_ms, (sample - at_sample) * 1000 // hz)
            at_ms = self._add_part("i" if kind == "r" else None, boot, at_ms, hidden * 1000 // hz)
            at_sample = sample
        at_ms = self._add_part(kind, boot, at_ms, (record["samples"] - at_sample) * 1000 // hz)
        if kind == "r":
            for sample, length, _ in record.get("gaps", ()):
                self._add_part("o", boot, record["up"] + sample * 1000 // hz, length * 1000 // hz)
        return (at_ms + 500) // 1000

    def _add_part(self, kind, boot, at_ms, length_ms):
        start_s = (at_ms + 500) // 1000
        at_ms += length_ms
        if kind:
            self._put(kind, boot, start_s, (at_ms + 500) // 1000 - start_s)
        return at_ms

    def _put(self, kind, boot, at_s, seconds):
        if seconds <= 0 or not boot:
            return  # a clip whose record was lost knows no boot
        runs = self._runs
        if runs and runs[-1][:2] == [kind, boot] and runs[-1][2] + runs[-1][3] == at_s:
            runs[-1][3] += seconds
            return
        if len(runs) >= _MOST_RUNS and not self._is_refused:
            self.keep()  # a clip with silence left out has up to seventeen
        self._runs.append([kind, boot, at_s, seconds])
        if len(self._runs) > _MOST_RUNS:
            self._runs.pop(0)

    def keep(self):
        """Write what was collected; True if nothing waits any more. Never raises: what the medium
        refuses is tried again.
        """
        if not self._runs:
            return True
        try:
            from device.store import ledger_book

            self._newest = ledger_book.add(
                self._root, self._runs, self._clock.start_of, self._newest
            )
            self._runs = []
            self._clips = 0
            self._is_refused = False
        except (OSError, MemoryError) as e:
            if not self._is_refused:
                self._log.warning("ledger not kept %s %s", e.__class__.__name__, e)
            self._is_refused = True
            self._newest = None  # it may be written all the same: the book looks
        forget_module("device.store.ledger_book")
        return not self._runs

    def as_dict(self):
        """Seconds by kind since deployment, as the medium has them."""
        try:
            from device.store import ledger_book

            return ledger_book.totals(self._root)
        except (OSError, MemoryError) as e:
            return {"error": e.__class__.__name__}
        finally:
            forget_module("device.store.ledger_book")
