"""Errors and room of the medium that clips lie on."""

from device.compat import const
from device.errors import NeedsOperator, Transient

_ENOSPC = const(28)
_WARNINGS_PCT = (95, 90, 80)


def medium_error(e, what):
    """The DeviceError for an OSError of the medium."""
    if e.errno == _ENOSPC:
        return Transient("storage_full", what)
    return NeedsOperator("storage_failed", "%s errno=%s" % (what, e.errno))


class Quota:
    """Room for audio, with a reserve kept for records, so that recording stops before ENOSPC.

    Free space is asked for once a clip (on littlefs it walks the whole medium) and counted down
    in between; before the first clip, when somebody wants to know; and before anything is given
    up for room, as clips may have left meanwhile.
    """

    def __init__(self, storage, reserve_bytes, log):
        self._storage = storage
        self.store = None  # where there are two media: it knows the one that counts
        self._reserve_bytes = reserve_bytes
        self._log = log
        self._total_bytes = storage.total_bytes()
        self._free_bytes = None
        self._is_fresh = False  # nothing was counted down since it was asked for
        self._warned_pct = 0
        self.make_room = None  # frees one clip: bytes, 0 if none may go (evict.py)

    def refresh(self):
        """Ask the medium. Raises NeedsOperator if it does not answer."""
        try:
            if self.store:
                self._storage = self.store.storage
                self._total_bytes = self._storage.total_bytes()
            self._free_bytes = self._storage.free_bytes()
            self._is_fresh = True
        except OSError as e:
            raise medium_error(e, "free space")
        used_pct = self.used_pct()
        level = 0
        for pct in _WARNINGS_PCT:
            if used_pct >= pct:
                level = pct
                break
        if level > self._warned_pct:
            self._log.warning("storage fills used_pct=%d", used_pct)
        self._warned_pct = level

    def check(self):
        """Raise Transient(storage_full) where only the reserve is left and nothing can go,
        NeedsOperator if the medium does not say.
        """
        if self._known() < self._reserve_bytes and not self._is_fresh:
            self.refresh()
        while self._known() < self._reserve_bytes:
            freed_bytes = self.make_room() if self.make_room else 0
            if not freed_bytes:
                raise Transient("storage_full", "free_bytes=%d" % self._known())
            self.spend(-freed_bytes)

    def spend(self, size_bytes):
        self._free_bytes = self._known() - size_bytes
        self._is_fresh = False

    def used_pct(self):
        return 100 - self._known() * 100 // self._total_bytes if self._total_bytes else 100

    def _known(self):
        """Free bytes; 0 while the medium does not say."""
        if self._free_bytes is None:
            try:
                self.refresh()
            except NeedsOperator:
                return 0
        return self._free_bytes

    def as_dict(self):
        return {
            "total_kb": self._total_bytes // 1024,
            "free_kb": self._known() // 1024,
            "used_pct": self.used_pct(),
        }
