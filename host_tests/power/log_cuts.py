"""Runs on MicroPython's unix port: the power goes at every step of writing the kept log.

    micropython log_cuts.py CODE MEDIUM TORN

MEDIUM: lfs, fat. TORN: 0, 1. The medium holds a ring that is full but for one write. Then come
writes over the end of a segment, cut at each operation in turn; then a new boot writes once more,
and the log is read as a technician reads it. Prints one JSON line a run: written (lines by number
whose write ended), read, operations. The first run is not cut, and also says erases and writes.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])

from ram_flash import Card, Flash

from device.field.logs import page
from device.log_ring import LogRing

FOLDER = "/cut/log"
LINES_A_WRITE = 2
FIRST_WRITES = 110  # of about 580 bytes: four segments, and the last one all but full
WRITES = 4
erases = 0


class CountingFlash(Flash):
    def ioctl(self, operation, argument):
        global erases
        erases += operation == 6
        return Flash.ioctl(self, operation, argument)


def write(ring, number):
    for i in range(LINES_A_WRITE):
        ring.sink("I %d %s" % (number * LINES_A_WRITE + i, "x" * 270))
    ring.flush()


def read():
    """The numbers of the lines that are there, as the console gives them page by page."""
    found, at = [], None
    while True:
        part = page(FOLDER, at, b"")
        found += [int(line.split()[2]) for line in part["lines"]]
        at = part["next"]
        if at is None:
            return found


def run(medium, cut, torn):
    global erases
    medium.renew()
    medium.power_on(cut, torn)
    medium.mount()
    ring = LogRing(FOLDER, 2, lambda text: None)
    written, erases = -1, 0
    for number in range(FIRST_WRITES, FIRST_WRITES + WRITES):
        write(ring, number)
        if medium.dead:
            break
        written = (number + 1) * LINES_A_WRITE - 1
    result = {"cut": cut, "written": written, "operations": medium.operations, "erases": erases}
    medium.unmount()
    medium.power_on(0, torn)
    medium.mount()
    last = FIRST_WRITES + WRITES
    ring = LogRing(FOLDER, 3, lambda text: None)
    write(ring, last)
    result["read"] = read()
    medium.unmount()
    result["faults"] = medium.walk()[0]
    print(json.dumps(result))
    return result["operations"]


def main():
    medium = CountingFlash() if sys.argv[2] == "lfs" else Card()
    torn = sys.argv[3] == "1"
    medium.mount()
    ring = LogRing(FOLDER, 1, lambda text: None)
    for number in range(FIRST_WRITES):
        write(ring, number)
    medium.unmount()
    medium._blank = bytes(medium.data)
    for cut in range(1, run(medium, 0, torn) + 1):
        run(medium, cut, torn)


main()
