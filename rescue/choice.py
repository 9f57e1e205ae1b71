"""Which program starts, decided from the boot record alone (boot_record.py).

    boot.py      choose()    the release's folder goes first in sys.path; a trial that failed ends
    main.py      begin()     counts the start; True: it is the rescue program's turn
    Ctrl-C       try_full()
    supervisor   prove()     ten minutes with every task alive: starts = 0

A start counts if it may follow a crash: not one by the power switch, out of deep sleep, or after a
planned reset (mark "planned" of the chip, which costs no write). People who switch the recorder
off each evening never see the rescue program. A technician's session runs boot.py alone.

The record says which release. A board whose firmware mounts a ROM file system (docs/memory.md) has
one there, too: it runs where the record names none, or none that lies there. So an update in /a or
/b wins as long as it is tried or proved, and a trial that fails leads back to the ROM.

    starts   1 … 5   full program        6, 7   rescue       8   full, once
             9, 10, 11   rescue          12   full, once     and so on: every fourth

The rescue program goes back by writing the number before the next fourth. Should it die instead,
the full program has its turn after three starts. Nothing else has to be kept.
"""

import os
import sys

from rescue import boot_record, const
from rescue.boot_record import NONE

MOST_STARTS = 5  # without proof of health in between: then rescue
TRIAL_STARTS = 3  # so many for a new release, then the old one again
_TURN = const(3)  # every fourth start of a recorder in trouble is the full program's
_RELEASES = ("a", "b")
ROM = "/rom"  # where the firmware mounts it, and last in sys.path (extmod/vfs.c of MicroPython)
_QUIET_CAUSES = ("power_on", "deep_sleep", "planned")


def choose(folder=""):
    """Put the release that shall run first in sys.path and return its name; NONE: the code lies
    flat, in ROM or is frozen, and the path stays as it is. folder: as in boot_record.
    """
    _, release, trial, starts = boot_record.read(folder)
    if trial != NONE and starts >= TRIAL_STARTS:
        trial = NONE
        _write(release, NONE, 0, folder)
    sys.path[:] = [path for path in sys.path if path not in (folder + "a", folder + "b")]
    for name in (trial, release, ROM) + _RELEASES:
        if name == ROM and _is_there(ROM + "/device"):
            break
        if name in _RELEASES and _is_there(folder + name + "/device"):
            sys.path.insert(0, folder + name)
            return name
    return NONE


def begin(cause, folder=""):
    """Count this start, which has that reset cause (System port); True: the rescue program runs.

    Never raises: on a flash that cannot be written the old number counts.
    """
    _, release, trial, starts = boot_record.read(folder)
    before = starts
    if cause not in _QUIET_CAUSES:
        starts += 1
    elif starts > MOST_STARTS:
        starts = (starts | _TURN) + 1  # whoever switches it off and on wants to record
    else:
        starts = max(starts, 1)
    if starts != before:
        _write(release, trial, starts, folder)
    return trial == NONE and starts > MOST_STARTS and starts & _TURN != 0


def try_full(folder=""):
    """The start that runs is no crash, and the next one is the full program's: a person ends it,
    or the rescue program has done what it can.
    """
    _, release, trial, starts = boot_record.read(folder)
    if starts:
        starts = starts | _TURN if starts > MOST_STARTS else starts - 1
        _write(release, trial, starts, folder)


def prove(folder=""):
    """The program that runs is well: a trial becomes the release, and starts count from 0.

    True if it was news; writes nothing if not. Raises OSError; then the old record stands.
    """
    _, release, trial, starts = boot_record.read(folder)
    if not starts and trial == NONE:
        return False
    boot_record.write(release if trial == NONE else trial, NONE, 0, folder)
    return True


def _write(release, trial, starts, folder):
    try:
        boot_record.write(release, trial, starts, folder)
    except OSError:
        pass  # the flash is full or worn: what was read still decides


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False
