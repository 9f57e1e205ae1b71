"""The walk of paths.py from the newest clip down, for who sends that way. Loaded only there.

One folder a level is read for each step, however many clips wait.
"""

from device.compat import list_dir
from device.store.paths import SHIFTS, folder_value, parse_name


def previous_number(root, before):
    """The largest clip number on the medium below `before`, or None.

    Raises OSError if a folder is unreadable.
    """
    target = before - 1
    while target > 0:
        found, target = _highest_of(root + "/clips", 0, target, 0)
        if found is not None:
            return found
    return None


def _highest_of(path, depth, target, prefix):
    """(number, _) if one at or below target lies below path, else (None, where to go on).

    prefix: the folder names above, as the high bits of every number that belongs here.
    """
    shift = SHIFTS[min(depth, 2)]
    best = None
    if depth == 3:
        for name, is_folder in list_dir(path):
            found = None if is_folder else parse_name(name)
            if found and _is_better(best, found[0], target) and found[0] >> shift == prefix:
                best = found[0]
        return best, (prefix << shift) - 1
    wanted = target >> shift
    base = prefix << (SHIFTS[0] - SHIFTS[1])  # a branch's bits, as many on each level
    for name, is_folder in list_dir(path):
        value = folder_value(name, depth) if is_folder else None
        if value is not None and _is_better(best, base + value, wanted):
            best = base + value
    if best is None:  # nothing in this folder: go on in the one before, of the level above
        return None, (base << shift) - 1
    if best < wanted:
        target = ((best + 1) << shift) - 1
    below = "%s/%0*x" % (path, 2 if depth else 4, best - base)
    return _highest_of(below, depth + 1, target, best)


def _is_better(best, value, most):
    """True if value is within most and above the best so far."""
    return value <= most and (best is None or value > best)
