"""Which release runs, and how its starts went: the one state that boot.py decides by.

    boot0, boot1   at the root of the board's own flash, alternating as device/store/slots.py:
                   write the other file, sync, remove the first; the highest valid number wins.

One line of text, CRC-32 over all after it:   boot1 <crc> <sequence> <release> <trial> <starts>

    release   "a" or "b": the folder whose program has proved itself; "-" if the code lies flat
              at the root or is frozen into the firmware
    trial     the other folder while it is being tried, else "-"
    starts    starts of the program since it last proved itself: 0 means it runs well (choice.py
              says which starts count)

Owners: boot.py ends a trial that fails, main.py counts; the supervisor proves (starts = 0, trial
becomes release); an installed update sets trial. A crash at any step leaves the old line or the
new one.
"""

import os
from binascii import crc32

_MAGIC = "boot1"
_BASE = "boot"
NONE = "-"
_FOLDERS = ("a", "b", NONE)
_MAX_BYTES = 80


def encode(sequence, release, trial, starts):
    body = "%d %s %s %d\n" % (sequence, release, trial, starts)
    return ("%s %08x %s" % (_MAGIC, crc32(body.encode()) & 0xFFFFFFFF, body)).encode()


def parse(line):
    """(sequence, release, trial, starts), or None if it is torn, damaged or of another version."""
    try:
        magic, crc, body = line.decode().split(" ", 2)
        if magic != _MAGIC or "%08x" % (crc32(body.encode()) & 0xFFFFFFFF) != crc:
            return None
        sequence, release, trial, starts = body.split()
        if release not in _FOLDERS or trial not in _FOLDERS:  # it becomes a folder of sys.path
            return None
        return int(sequence), release, trial, int(starts)
    except (ValueError, UnicodeError):
        return None


def read(folder=""):
    """(sequence, release, trial, starts) of the newest valid line; (0, "-", "-", 0) without one.
    folder: "" or a path that ends in "/".
    """
    newest = (0, NONE, NONE, 0)
    for slot in "01":
        try:
            with open(folder + _BASE + slot, "rb") as f:
                found = parse(f.read(_MAX_BYTES))
        except OSError:
            continue
        if found and found[0] > newest[0]:
            newest = found
    return newest


def write(release, trial, starts, folder=""):
    """Make it durable. Raises OSError; then the old line stands."""
    sequence = read(folder)[0] + 1
    path = folder + _BASE + str(sequence & 1)
    with open(path, "wb") as f:
        f.write(encode(sequence, release, trial, starts))
        f.flush()
    try:
        os.remove(folder + _BASE + str(~sequence & 1))
    except OSError:
        pass  # there is none yet; or the new line wins by its number
