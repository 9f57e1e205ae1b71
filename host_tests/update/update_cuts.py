"""Runs on MicroPython's unix port: the power goes at every step of an update.

    micropython update_cuts.py CODE POWER BENCH KIND FLAVOUR FIRST LAST [SECOND_FIRST SECOND_LAST]

CODE: the built program. POWER: the folder of ram_flash.py. BENCH: a folder with old/ (the release
that runs), card/ (the bundle) and root sets old.roots, new.roots. KIND: release, roots. For each
operation of the flash from FIRST to LAST: a fresh littlefs with the old release, the update from
the card, proof of health; the flash dies at that write or erase (FLAVOUR torn: half of it is
done), and the board boots again to the end. SECOND_*: the flash dies once more in the boot after.

After each boot: the one release that the boot record names must be whole. One JSON line a run.
"""

import gc
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])

from ram_flash import Flash

from device.compat import list_dir
from device.update import card, install
from rescue import boot_record, roots

BENCH, KIND, FLAVOUR = sys.argv[3:6]
FOLDER = "/cut/"
MOST_STARTS = 8


def chosen_folder():
    """The rule of boot.py: what is on trial, else what has proved itself."""
    _, release, trial, _ = boot_record.read(FOLDER)
    return trial if trial != boot_record.NONE else release


def is_whole(folder):
    """Every file of the folder's own list is there with its hash, and nothing else."""
    path = FOLDER + folder + "/"
    with open(path + "release.json") as f:
        found = json.load(f)
    for name, digest, _ in found["files"]:
        if install.sha256_of(path + name) != digest:
            raise ValueError(name)
    names = [name for name, is_folder in install.walk(path) if not is_folder]
    if len(names) != len(found["files"]) + 1:
        raise ValueError("more than its list: %s" % names)
    return found["version"]


class Board:
    """What card.run asks of a board; the card itself outlives the power."""

    def __init__(self, version):
        self.firmware_version = version
        self.root = BENCH + "/card"
        self.storage = self.system = self.indicator = self.watchdog = self

    def show(self, code):
        pass

    start = log_sink = show

    def feed(self):
        pass


def one_start(seen):
    """From the boot to a reset, to rest ("done"), or to the death of the flash."""
    version = is_whole(chosen_folder())
    seen["boots"].append(version)
    found = [len(der) for der in roots.certificates(FOLDER)]
    if found not in seen["sets"]:
        seen["sets"].append(found)
    if card.run(Board(version), FOLDER, "x64"):
        return "reset"
    _, release, trial, _ = boot_record.read(FOLDER)
    if trial != boot_record.NONE:
        boot_record.write(trial, boot_record.NONE, 0, FOLDER)  # ten minutes later: it is well
        return "reset"
    return "done"


def power_cycle(flash, seen):
    """Starts and resets until it rests, or the flash dies."""
    try:
        flash.mount()
        for _ in range(MOST_STARTS):
            if one_start(seen) == "done":
                return "dead" if flash.dead else "done"
            if flash.dead:
                return "dead"
        return "it never rests"
    except Exception as e:  # noqa: BLE001  whatever a cut leads to is looked at here
        return "dead" if flash.dead else "%s %s" % (type(e).__name__, e)
    finally:
        flash.unmount()
        gc.collect()


def put(source, target):
    os.mkdir(target)
    for name, is_folder in list_dir(source):
        if is_folder:
            put(source + "/" + name, target + "/" + name)
            continue
        with open(source + "/" + name, "rb") as f, open(target + "/" + name, "wb") as out:
            out.write(f.read())


def fresh(flash):
    """A board that runs the old release from a/, and something stale in b/."""
    flash.power_on(0, False)
    flash.mount()
    put(BENCH + "/old", FOLDER + "a")
    put(BENCH + "/old", FOLDER + "b")
    with open(FOLDER + "b/device/stale.py", "w") as f:
        f.write("old")
    boot_record.write("a", boot_record.NONE, 0, FOLDER)
    flash.unmount()
    flash._blank = bytes(flash.data)  # what renew() goes back to
    flash._touched = set()


def run(flash, step, second):
    flash.renew()
    try:
        os.remove(BENCH + "/card/" + card.SAID)
    except OSError:
        pass
    is_torn = FLAVOUR == "torn"
    seen = {"boots": [], "sets": []}
    flash.power_on(step, is_torn)
    ends = [power_cycle(flash, seen)]
    operations = flash.operations
    if ends[0] == "dead":
        flash.power_on(second, is_torn)
        ends.append(power_cycle(flash, seen))
    if ends[-1] == "dead":
        flash.power_on(0, is_torn)
        ends.append(power_cycle(flash, seen))
    flash.power_on(0, False)
    flash.mount()
    result = {"cut": step, "second": second, "ends": ends, "operations": operations}
    result["record"] = boot_record.read(FOLDER)[1:]
    result["new_version"] = roots.newest(FOLDER)[0]
    flash.unmount()
    result.update(seen)
    print(json.dumps(result))


def main():
    numbers = [int(word) for word in sys.argv[6:]]
    seconds = range(numbers[2], numbers[3] + 1) if len(numbers) == 4 else (0,)
    flash = Flash()
    fresh(flash)
    for step in range(numbers[0], numbers[1] + 1):
        for second in seconds:
            run(flash, step, second)


main()
