"""The ledger's files: exact runs of the last weeks, seconds a day for a year, and their sum.

    state/book/0. … 7.     segments: {"s": number, "e": [run, …]}, the newest has the highest s
    state/book/1829.       a page: ten days (from day 18290 since 1970 on, UTC), {"s": …, "0": […]}
    state/book/n.          days that nobody knows, as a page with one day
    state/book/t.          the sum of all that was folded

Each is two alternating files (slots.py), so a cut leaves the old or the new one. A run that
touches or overlaps one of its kind in the newest segment becomes one with it: told twice, it
counts once. A full segment (512 bytes: no erase on littlefs, some 25 runs) gives way to the next;
the one that lay there before is folded into pages and sum first. Each of these keeps the number of
the last segment that it took, so a cut between two of them is made good by the next fold. At most
8 segments and 40 pages: 24 KB.

What the rescue program freed it noted in a file of its own (rescue/clips.py), read here once:

    state/told0 or 1       slots: {"at": bytes of the notes that were told}
"""

import json
import os

from device.compat import const, file_size, is_digits, list_dir, sleep_ms
from device.store.slots import MAX_BYTES, Slots, encode

KINDS = "ibroxceu"  # in the order of a day's list
NAMES = "not_scheduled blocked recorded overrun cut confirmed evicted unreadable"
_SEGMENTS = const(8)
_PAGES = const(40)
_PAGE_DAYS = const(10)
_DAY_S = const(86_400)
_MAGIC = "book1"
_NOTE_BYTES = const(1024)  # a record's
_MOST_NOTES_BYTES = const(67_000)
_NOTED = ("boot", "up", "hz", "samples")


def add(root, runs, start_of, newest=None):
    """Keep runs; start_of({boot, up}) -> (Unix ms, doubt) or None. Returns the number of the
    newest segment, for the next call; without it all are read, and what one of them has already
    is left out. Raises OSError.
    """
    folder = root + "/state/book"
    if file_size(folder) < 0:
        os.mkdir(folder)
    if newest is None:
        for value in segments(root):
            newest = value["s"]
            runs = _beyond(value["e"], runs)
    newest = newest or 1  # so that 0 is: nothing was folded
    slots = _segment(folder, newest)
    value = _checked(slots.read()) or {"s": newest, "e": []}
    entries = [list(run) for run in value["e"]]
    for run in runs:
        _unite(entries, list(run))
    if entries == value["e"]:
        return value["s"]
    if _fits(value["s"], entries):
        slots.write({"s": value["s"], "e": entries})
        return value["s"]
    number = value["s"] + 1
    slots = _segment(folder, number)
    old = _checked(slots.read())
    if old:
        _fold(folder, old, start_of)
    slots.write({"s": number, "e": _beyond(value["e"], runs)})
    return number


def totals(root):
    """Seconds by name since deployment. Raises OSError."""
    sums = _counts(Slots(_MAGIC, root + "/state/book/t.").read(), "t")
    for value in segments(root):
        for kind, _, _, seconds in value["e"]:
            sums[KINDS.index(kind)] += seconds
    found = {}
    for name in NAMES.split():
        found[name] = sums[len(found)]
    gone = found["confirmed"] + found["evicted"] + found["unreadable"]
    found["on_device"] = max(0, found["recorded"] - gone)
    return found


def segments(root):
    """The segments with exact runs, oldest first. Raises OSError."""
    found = []
    for number in range(_SEGMENTS):
        value = _checked(_segment(root + "/state/book", number).read())
        if value:
            found.append(value)
    found.sort(key=lambda value: value["s"])
    return found


def days(root, start_of, most=31):
    """[[day since 1970 (UTC), or -1 for none, [seconds of each kind]]] of the newest days, in
    order. Raises OSError.
    """
    folder = root + "/state/book"
    found = {}
    for name in _pages(folder):
        value = Slots(_MAGIC, folder + "/" + name + ".").read() or {}
        for key in value:
            if key != "s":
                found[_day(name, key)] = _counts(value, key)
    added = {}
    for value in segments(root):
        for run in value["e"]:
            _split(added, run, start_of)
    for name in added:
        for key in added[name]:
            day, counts = _day(name, key), added[name][key]
            known = found.get(day) or [0] * len(KINDS)
            found[day] = [known[i] + counts[i] for i in range(len(KINDS))]
    return [[day, found[day]] for day in sorted(found)[-most:]]


def _day(name, key):
    return -1 if name == "n" else int(name) * _PAGE_DAYS + int(key)


def _segment(folder, number):
    return Slots(_MAGIC, "%s/%d." % (folder, number % _SEGMENTS))


def _checked(value):
    """value if it is a segment, else None: flash is hostile until it was looked at."""
    if not value or not isinstance(value.get("s"), int) or not isinstance(value.get("e"), list):
        return None
    for run in value["e"]:
        if not isinstance(run, list) or len(run) != 4 or not isinstance(run[0], str):
            return None
        if len(run[0]) != 1 or run[0] not in KINDS:
            return None
        for number in run[1:]:
            if not isinstance(number, int) or number < 0:
                return None
    return value


def _fits(number, entries):
    return len(encode(_MAGIC, 1 << 30, {"s": number, "e": entries})) <= MAX_BYTES


def _unite(entries, run):
    """Add run to entries, as one with those of its kind that it touches."""
    at = len(entries)
    while at:
        at -= 1
        kind, boot, start_s, seconds = entries[at]
        if [kind, boot] != run[:2]:
            continue
        if start_s <= run[2] + run[3] and run[2] <= start_s + seconds:
            end_s = max(start_s + seconds, run[2] + run[3])
            run[2] = min(start_s, run[2])
            run[3] = end_s - run[2]
            entries.pop(at)
            at = len(entries)
    entries.append(run)


def _beyond(entries, runs):
    """What of runs is in none of entries. A run around one of them loses its end, too: that is
    unknown then, never counted twice.
    """
    left = []
    for kind, boot, start_s, seconds in runs:
        end_s = start_s + seconds
        for other in entries:
            if other[0] == kind and other[1] == boot:
                if other[2] <= start_s < other[2] + other[3]:
                    start_s = other[2] + other[3]
                elif start_s < other[2] < end_s:
                    end_s = other[2]
        if start_s < end_s:
            left.append([kind, boot, start_s, end_s - start_s])
    return left


def _fold(folder, segment, start_of):
    """Add the runs of a segment to their days and to the sum."""
    number = segment["s"]
    added = {}  # page name -> day in it -> counts
    for run in segment["e"]:
        _split(added, run, start_of)
    for name in added:
        _add_to(folder, name, number, added[name])
    whole = [0] * len(KINDS)
    for kind, _, _, seconds in segment["e"]:
        whole[KINDS.index(kind)] += seconds
    _add_to(folder, "t", number, {"t": whole})
    names = _pages(folder)
    for name in names[: max(0, len(names) - 1 - _PAGES)]:  # "n" comes last
        Slots(_MAGIC, folder + "/" + name + ".").remove()


def _split(added, run, start_of):
    kind, boot, at_s, left_s = run
    start = start_of({"boot": boot, "up": at_s * 1000})
    unix_s = None if start is None else start[0] // 1000
    while left_s > 0:
        seconds, name, key = left_s, "n", "0"
        if unix_s is not None:
            day = unix_s // _DAY_S
            seconds = min(left_s, (day + 1) * _DAY_S - unix_s)
            name, key = str(day // _PAGE_DAYS), str(day % _PAGE_DAYS)
            unix_s += seconds
        counts = added.setdefault(name, {}).setdefault(key, [0] * len(KINDS))
        counts[KINDS.index(kind)] += seconds
        left_s -= seconds


def _add_to(folder, name, number, days):
    slots = Slots(_MAGIC, "%s/%s." % (folder, name))
    value = slots.read() or {}
    if value.get("s", 0) >= number:
        return  # it has them from before a cut
    for key in days:
        counts = _counts(value, key)
        value[key] = [counts[i] + days[key][i] for i in range(len(KINDS))]
    value["s"] = number
    slots.write(value)


def _counts(value, key):
    found = value.get(key) if value else None
    if isinstance(found, list) and len(found) == len(KINDS):
        if all([isinstance(n, int) for n in found]):
            return list(found)
    return [0] * len(KINDS)


def _pages(folder):
    """Names of the pages, oldest first, "n" last."""
    names = set()
    try:
        for name, _ in list_dir(folder):
            name = name.split(".")[0]
            if name == "n" or (len(name) > 1 and is_digits(name)):
                names.add(name)
    except OSError:
        pass  # no folder: nothing was kept yet
    return sorted(names, key=lambda name: (name == "n", len(name), name))


async def hear_rescue(root, ledger):
    """Tell ledger of what the rescue program noted on the medium at root, then remove the notes.
    After a cut at most six clips are told again, and count once; what is no note is left out.
    Raises OSError.
    """
    path = root + "/state/rescued"
    told = Slots("told1", root + "/state/told")
    size = file_size(path)
    if 0 <= size <= _MOST_NOTES_BYTES:
        with open(path, "rb") as f:
            at = (told.read() or {}).get("at")
            f.seek(at if _is_count(at) and at <= size else 0)
            while True:
                line = f.readline(_NOTE_BYTES)
                if not line:
                    break
                record = _noted(line)
                if record and ledger.rescued(record):
                    told.write({"at": f.tell()})
                    await sleep_ms(0)
    if size >= 0:
        if not ledger.keep():
            return
        os.remove(path)
    told.remove()


def _noted(line):
    """The fields of a record that a line names, or None if it is no note."""
    try:
        record = json.loads(line)
        for name in _NOTED:
            if not _is_count(record[name]):
                return None
        for name, width in (("skips", 2), ("gaps", 3)):
            for place in record.get(name, ()):
                if len(place) != width or not all(_is_count(value) for value in place):
                    return None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None
    return record if record["hz"] else None


def _is_count(value):
    return isinstance(value, int) and 0 <= value < 1 << 40
