"""The clips that somebody asked for go before all others, in the order asked; at most MOST, over
reboots.

    <root>/state/wanted0 or 1     slots: {"n": [numbers]}

A list beside the clips and no field of their records: after a reboot it says without a walk which
of 20,000 clips is meant, and a record keeps its one owner. Loaded when the first one is asked for,
at a start that finds a list, and by whoever frees room and wants to know what to spare.

One that failed three times in a row, or waits for something of its own, rests until the others had
their turn. One that is not on the medium any more, or was set aside, leaves the list. The list is
written before the answer is given; a number that lost its clip is dropped by whoever looks next.
"""

from device.compat import const, file_size
from device.store.clip import ASIDE, EVICTED, OPEN
from device.store.paths import MAX_NUMBER
from device.store.slots import Slots

MOST = const(16)
_PATH = "/state/wanted"


def slots(root):
    """The list's two files."""
    return Slots("want1", root + _PATH)


def exists(root):
    """True if somebody asked for a clip, now or once; as cheap as that can be."""
    try:
        return file_size(root + _PATH + "0") >= 0 or file_size(root + _PATH + "1") >= 0
    except OSError:
        return False  # a medium that cannot be read has its own reason


def numbers_of(value):
    """The numbers of the list that the slots gave: a list, empty for None and for nonsense."""
    found = []
    numbers = (value or {}).get("n")
    for number in numbers if isinstance(numbers, list) else ():
        if isinstance(number, int) and 0 < number and number not in found:
            found.append(number)
    return found[:MOST]


def priority(root, number):
    """1 for a clip that somebody asked for, else 0. Reads one small file, made for rare calls."""
    try:
        return int(number in numbers_of(slots(root).read()))
    except OSError:
        return 0


class First:
    """store: ClipStore; numbers: what was asked for; rested: those that let the others pass."""

    def __init__(self, store):
        self._store = store
        self.rested = []
        try:
            self.numbers = numbers_of(slots(store.steady_root).read())
        except OSError:
            self.numbers = []

    def next(self, backlog):
        """The first Clip of the list that may go now, or None. Raises NeedsOperator (medium)."""
        for number in tuple(self.numbers):
            if number in self.rested:
                continue
            clip = find(self._store, number)
            if clip is None or is_aside(clip):
                self._drop(number)
            elif clip.record and clip.state not in (OPEN, EVICTED) and backlog.is_ours(clip):
                if backlog.is_within(clip):
                    return clip
        return None

    def rest(self, number):
        """Let others go before number: True if it is one of the list."""
        if number not in self.numbers:
            return False
        if number not in self.rested:
            self.rested.append(number)
        return True

    def add(self, number):
        """Raises OSError; then it is not on the list."""
        self._keep(self.numbers + [number])
        self.numbers.append(number)

    def _keep(self, numbers):
        kept_list = slots(self._store.steady_root)
        kept_list.read()
        kept_list.write({"n": numbers})

    def _drop(self, number):
        if getattr(self._store, "is_lost", False):
            return  # it lies on the medium that is away
        self.numbers.remove(number)
        if number in self.rested:
            self.rested.remove(number)
        try:
            self._keep(self.numbers)
        except OSError:
            pass  # dropped again after the next start


def kept(store):
    """The First of a list that an earlier boot left, or None."""
    return First(store) if exists(store.steady_root) else None


def find(store, number):
    """Clip number, `record` None if that cannot be read; None: there is no such clip."""
    clip = store.clip(number)
    try:
        if not clip.load() and file_size(clip.stem + ".r0") < 0 > file_size(clip.stem + ".r1"):
            return None
    except OSError:
        clip.record = None  # its medium, or this record alone
    return clip


def is_aside(clip):
    return clip.record is not None and clip.state in ASIDE


def ask(backlog, number):
    """Put clip number on the list. The answer: {"ok": True, "before": how many go before it}, or
    {"error": why not, in words}.
    """
    store = backlog.store
    if not isinstance(number, int) or not 0 < number <= MAX_NUMBER:
        return {"error": "say which: its number as `clip`"}
    clip = find(store, number)
    if clip is None:
        return {"error": "no clip %d here: it was sent, or never made" % number}
    if clip.record is None:
        return {"error": "the record of clip %d cannot be read" % number}
    if is_aside(clip):
        why = clip.record.get("why")
        return {"error": "clip %d was set aside (%s): requeue brings it back" % (number, why)}
    if not backlog.is_ours(clip):
        return {"error": "clip %d was made under another token: see requeue" % number}
    if backlog.first is None:
        backlog.first = First(store)
    first = backlog.first
    if number not in first.numbers:
        if len(first.numbers) >= MOST:
            return {"error": "%d clips are asked for already" % MOST}
        try:
            first.add(number)
        except OSError as e:
            return {"error": "the medium does not keep it, errno=%s" % e.errno}
    return {"ok": True, "before": first.numbers.index(number)}
