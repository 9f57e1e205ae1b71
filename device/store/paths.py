"""Where clip number n lies, and which numbers there are: small nested folders.

    <root>/clips/0000/01/1f/000001fa.wav     audio, .r0 or .r1 its record, .b its create body

Eight clips a leaf (about 16 entries), 32 leaves a branch: neither RAM nor time grows with the
backlog. All names are 8.3, digits and lower-case letters. Names of others are never touched.
queue/newest.py walks the other way.
"""

import os

from device.compat import const, is_made_of, list_dir

_LEAF_BITS = const(3)
_BRANCH_BITS = const(5)
_BRANCH_MASK = const(31)
_TOP_SHIFT = const(13)
_RECORD_PLACES = {"r0": 2, "r1": 3}
SHIFTS = (_TOP_SHIFT, _TOP_SHIFT - _BRANCH_BITS, _LEAF_BITS)  # of the folders, top first
MAX_NUMBER = const(0x0FFFFFFF)


def folders(number):
    """The three folder names above clip number, top first."""
    return (
        "%04x" % (number >> _TOP_SHIFT),
        "%02x" % (number >> SHIFTS[1] & _BRANCH_MASK),
        "%02x" % (number >> _LEAF_BITS & _BRANCH_MASK),
    )


def stem(root, number):
    """Path of the clip's files without extension."""
    return "%s/clips/%s/%08x" % (root, "/".join(folders(number)), number)


def parse_name(name):
    """(number, extension) of one of our file names, or None for the file of another."""
    digits, dot, extension = name.partition(".")
    number = _hex(digits, 8)
    if number is None or not dot or not number:
        return None
    return number, extension


def make_folders(root, number):
    path = root + "/clips"
    for name in ("",) + folders(number):
        path = path + "/" + name if name else path
        try:
            os.mkdir(path)
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise


def remove_empty_folders(root, number):
    """Remove the folders above number that became empty; stops at the first that is not."""
    names = folders(number)
    for depth in (3, 2, 1):
        try:
            os.rmdir("%s/clips/%s" % (root, "/".join(names[:depth])))
        except OSError:
            return


def next_number(root, after, leaf=None):
    """The smallest clip number on the medium above `after`, or None.

    Reads one folder a level however many clips wait. leaf: a list that learns what the clip's leaf
    holds: [its number, and one bit a clip for: is there, has .r0, has .r1]. Raises OSError if a
    folder is unreadable.
    """
    target = after + 1
    while target <= MAX_NUMBER:
        found, target = _descend(root + "/clips", 0, target, 0, leaf)
        if found is not None:
            return found
    return None


def highest_number(root):
    """The largest clip number on the medium, 0 if there is none."""
    return _highest(root + "/clips", 0, 0)


def leaves(root, end):
    """Yield (last number of the leaf, how many clips up to number end it holds), ascending.

    Clips come and go between the steps: a folder that is gone counts as empty.
    """
    for top in _children_or_none(root + "/clips", 0):
        for branch in _children_or_none("%s/clips/%04x" % (root, top), 1):
            for leaf in _children_or_none("%s/clips/%04x/%02x" % (root, top, branch), 2):
                prefix = (top << _BRANCH_BITS | branch) << _BRANCH_BITS | leaf
                path = "%s/clips/%04x/%02x/%02x" % (root, top, branch, leaf)
                try:
                    clips = _count(path, prefix, end)
                except OSError:
                    clips = 0
                yield (prefix << _LEAF_BITS) + 7, clips


def _count(path, prefix, end):
    seen = 0  # one bit a clip
    for name, is_folder in list_dir(path):
        found = None if is_folder else parse_name(name)
        if found and found[0] <= end and found[0] >> _LEAF_BITS == prefix:
            if found[1] in ("r0", "r1"):
                seen |= 1 << (found[0] & 7)
    return bin(seen).count("1")


def _children(path, depth):
    """The folder names of ours below path, as sorted numbers. Bounded: 32, but for the top."""
    values = []
    for name, is_folder in list_dir(path):
        value = folder_value(name, depth) if is_folder else None
        if value is not None:
            values.append(value)
    values.sort()
    return values


def _children_or_none(path, depth):
    try:
        return _children(path, depth)
    except OSError:
        return []


def _descend(path, depth, target, prefix, leaf):
    """(number, _) if one at or above target lies below path, else (None, where to go on).

    prefix: the folder names above, as the high bits of every number that belongs here.
    """
    if depth == 3:
        best = None
        there = [prefix, 0, 0, 0]
        for name, is_folder in list_dir(path):
            found = None if is_folder else parse_name(name)
            if not found or found[0] >> _LEAF_BITS != prefix:
                continue
            for place in (1, _RECORD_PLACES.get(found[1], 1)):
                there[place] |= 1 << (found[0] & 7)
            if found[0] >= target and (best is None or found[0] < best):
                best = found[0]
        if leaf is not None:
            leaf[:] = there
        return best, ((target >> _LEAF_BITS) + 1) << _LEAF_BITS
    shift = SHIFTS[depth]
    wanted = target >> shift
    base = prefix << _BRANCH_BITS
    best = None
    for name, is_folder in list_dir(path):
        value = folder_value(name, depth) if is_folder else None
        if value is not None and base + value >= wanted and (best is None or value < best):
            best = value
    if best is None:
        # Nothing in this folder: go on in the next one of the level above.
        return None, MAX_NUMBER + 1 if depth == 0 else ((wanted | _BRANCH_MASK) + 1) << shift
    if base + best > wanted:
        target = (base + best) << shift
    below = "%s/%0*x" % (path, 2 if depth else 4, best)
    return _descend(below, depth + 1, target, base + best, leaf)


def _highest(path, depth, prefix):
    best = 0
    if depth == 3:
        for name, is_folder in list_dir(path):
            found = None if is_folder else parse_name(name)
            if found and found[0] > best and found[0] >> _LEAF_BITS == prefix:
                best = found[0]
        return best
    values = _children(path, depth)
    while values and not best:  # an empty folder may remain after a power cut
        value = values.pop()
        below = "%s/%0*x" % (path, 2 if depth else 4, value)
        best = _highest(below, depth + 1, (prefix << _BRANCH_BITS) + value)
    return best


def folder_value(name, depth):
    """The number that a folder of ours stands for, or None for one of another."""
    value = _hex(name, 2 if depth else 4)
    return value if depth == 0 or value is None or value <= _BRANCH_MASK else None


def _hex(text, width):
    if len(text) != width or not is_made_of(text, "0123456789abcdef"):
        return None
    return int(text, 16)
