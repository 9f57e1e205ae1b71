"""Two stores behind the face of one: clips lie on the first medium (a card), and on the spare (the
board's own flash) while the first is lost. Loaded only on a board that has both.

Each medium has numbers of its own: those of the spare begin at SPARE, so a number says where its
clip lies, and none is used twice whichever medium is away and whatever counter is lost.

The first medium is *lost* when it does not mount, or when it failed a call and does not take a
small file right after. Then the next clip goes to the spare at once; clips of the lost one stay
counted and are passed over. From time to time it is mounted again. When that works, new clips go
to it from the next one on, and its old ones are looked at as after a boot. Nothing is formatted.

A walk begins with the spare: it is small, and its clips would otherwise wait behind all others.
"""

import asyncio
import os

from device.compat import const, sleep_ms, sync_file
from device.errors import DeviceError, NeedsOperator
from device.reasons import MEDIUM, Reason
from device.store.store import ClipStore

SPARE = const(1 << 27)
_PROBE = "/state/probe"
_PROBE_BYTES = const(512)
_ENOSPC = const(28)


class TwoMedia:
    """first, spare: storage ports, first with mount(), is_mounted and again_ms."""

    def __init__(self, first, spare, secrets, uptime_ms, log):
        self._ports = (first, spare)
        self.first = ClipStore(first, secrets)
        self.spare = ClipStore(spare, secrets, "clip2", SPARE)
        self._again_ms = first.again_ms
        self._uptime_ms = uptime_ms
        self._log = log
        self.is_lost = not first.is_mounted
        self._spare_failed = False
        self._lost = asyncio.Event()
        self._quota = self._lane = self._recovery = None
        self._slots = ()
        self.reason = Reason(MEDIUM, "medium_lost" if self.is_lost else "in_use", uptime_ms)
        if self.is_lost:
            log.error("medium lost: it does not mount; clips go to the spare one")
            self._lost.set()

    def join(self, recorder, lane, quota, recovery, slots):
        """Who asks whether a medium was lost, and who is told; slots: the stages' own state, which
        lies on the medium that is in use.
        """
        recorder.elsewhere, lane.is_away = self.check, self.is_away
        quota.store = self
        self._lane, self._quota, self._recovery, self._slots = lane, quota, recovery, slots

    def prepare(self):
        """As ClipStore.prepare. Raises NeedsOperator only if neither medium can be used."""
        self.spare.prepare()
        if not self.is_lost:
            try:
                self.first.prepare()
            except NeedsOperator as e:
                self._lose(e)

    # Which of the two.

    @property
    def storage(self):
        """The port of the medium that new clips go to."""
        return self._ports[self.is_lost]

    @property
    def target(self):
        """The store that new clips go to."""
        return self.spare if self.is_lost else self.first

    @property
    def root(self):
        return self.target.root

    @property
    def steady_root(self):
        """Of the medium that is never away."""
        return self.spare.root

    @property
    def ledger(self):
        return self.spare.ledger

    @ledger.setter
    def ledger(self, ledger):
        self.first.ledger = self.spare.ledger = ledger

    @property
    def parts(self):
        """The stores that can be read now, in the order of a walk."""
        return (self.spare,) if self.is_lost else (self.spare, self.first)

    def _of(self, number):
        return self.spare if number >= SPARE else self.first

    @property
    def open_number(self):
        return self.first.open_number or self.spare.open_number

    @property
    def opened(self):
        return self.first.opened or self.spare.opened

    @property
    def waiting(self):
        return self.first.waiting + self.spare.waiting

    @property
    def follow(self):
        return self.first.follow

    @follow.setter
    def follow(self, follow):
        self.first.follow = self.spare.follow = follow

    # The face of ClipStore.

    def clip(self, number):
        return self._of(number).clip(number)

    def open(self, record):
        if not self.is_lost:
            try:
                return self.first.open(record)
            except NeedsOperator:
                if not self.check():
                    raise
                record["take"] = record["take"] if record["index"] else 0
        return self.spare.open(record)

    def close(self, clip, writer, **facts):
        self._of(clip.number).close(clip, writer, **facts)

    def leave_open(self, writer):
        for store in (self.first, self.spare):
            if store.opened and store.opened[1] is writer:
                store.leave_open(writer)

    def after(self, number):
        if not number or number >= SPARE:
            try:
                clip = self.spare.after(number)
                self._spare_failed = False
            except NeedsOperator:
                if self.is_lost:
                    raise
                clip = None
                if not self._spare_failed:
                    self._log.error("the spare medium cannot be read")
                self._spare_failed = True
            if clip is not None:
                return clip
            number = 0
        if self.is_lost:
            return None
        try:
            return self.first.after(number)
        except NeedsOperator:
            if self.check() and not self._spare_failed:
                return None
            raise

    def free(self, clip):
        self._of(clip.number).free(clip)

    # These go by the clip's own path.

    def save(self, clip, **changes):
        self._of(clip.number).save(clip, **changes)

    def discard(self, clip):
        self._of(clip.number).discard(clip)

    def forget_progress(self, clip):
        self.spare.forget_progress(clip)

    def write_body(self, clip, data, extension=".b"):
        self.spare.write_body(clip, data, extension)

    def read_body(self, clip, max_bytes, extension=".b"):
        return self.spare.read_body(clip, max_bytes, extension)

    # Lost and found.

    def check(self):
        """Something failed: True if the first medium was just found lost and the spare stands."""
        if self.is_lost:
            return False
        try:
            self._probe()
        except OSError as e:
            self._lose("errno=%s" % e.errno)
            return True
        return False

    def is_away(self, number):
        """Something failed with this clip in hand: True if it lies on the first medium, and that
        is lost.
        """
        return number < SPARE and (self.check() or self.is_lost)

    def _probe(self):
        """Raises OSError if the first medium does not keep a small file. A full one does."""
        path = self.first.root + _PROBE
        try:
            with open(path, "wb") as f:
                f.write(bytes(_PROBE_BYTES))
                sync_file(f)
            os.remove(path)
        except OSError as e:
            if e.errno != _ENOSPC:
                raise

    def _lose(self, why):
        self.is_lost = True
        self.reason.set("medium_lost", str(why), self._uptime_ms() + self._again_ms)
        self._log.error("medium lost %s; clips go to the spare one", why)
        self._lost.set()
        self._tell()

    def _tell(self):
        """The medium in use is another one."""
        for slots in self._slots:
            slots.move(self.root)
        if self._quota:
            try:
                self._quota.refresh()
            except NeedsOperator:
                pass  # whoever records or sends meets it, and says so
            self._lane.look_again()

    async def run(self, check_in):
        """While the first medium is lost, try to mount it again."""
        while True:
            check_in(None)
            await self._lost.wait()
            check_in(3_600_000)
            await sleep_ms(self._again_ms)
            self.look()

    def look(self):
        """Mount the first medium again; the board may stand still for that."""
        try:
            self._ports[0].mount()
            self.first.prepare()
            self._probe()
        except (DeviceError, OSError) as e:
            why = "errno=%s" % e.errno if isinstance(e, OSError) else str(e)
            self.reason.set("medium_lost", why, self._uptime_ms() + self._again_ms)
            return
        self.is_lost = False
        self._lost.clear()
        self.reason.set("in_use")
        self._log.warning("medium is back; clips go to it again")
        self._tell()
        self._recovery.look_at(self.first)

    def as_dict(self):
        """The part of the status document."""
        part = self.reason.as_dict()
        part["waiting_spare"] = self.spare.waiting
        return part
