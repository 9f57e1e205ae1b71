"""Which clips somebody asked to have sent first: their numbers, in the order asked, over reboots.

    <root>/state/wanted0 or 1     slots: {"n": [numbers]}, at most MOST

A list beside the clips and no field of their records: after a reboot it says without a walk which
of 20,000 clips is meant, and a record keeps its one owner. queue/first.py writes the list and
drops what is gone; whoever frees room only asks for priority(). Loaded when one of them needs it.
"""

from device.compat import const, file_size
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
