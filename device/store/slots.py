"""A small durable value in two alternating files: the same on littlefs and FAT.

A change writes the other file and then removes the first:
  1. write <base><next & 1>, sync, close   a crash here leaves a torn file: the old one wins
  2. remove <base><old & 1>                a crash before leaves both: the higher number wins
Nothing is renamed and nothing rewritten in place, because FAT survives neither.

One line of text: magic, sequence number, CRC-32 in hex, JSON. The CRC covers number and JSON.
"""

import json
import os
from binascii import crc32

from device.compat import const, file_size, is_digits, sync_file, sync_folder

_EFBIG = const(27)
_NOT_THERE = (2, 20)  # ENOENT, ENOTDIR
MAX_BYTES = const(512)  # a file of this size is inline on littlefs: no erase


def encode(magic, sequence, value):
    """The line as bytes. value: dict of plain values."""
    body = json.dumps(value, separators=(",", ":"))
    checked = "%d %s" % (sequence, body)
    crc = crc32(checked.encode()) & 0xFFFFFFFF
    return ("%s %d %08x %s\n" % (magic, sequence, crc, body)).encode()


def parse(magic, data):
    """(sequence, value) of a line, or None if it is torn, damaged or of another version."""
    try:
        words = data.decode().split(" ", 3)
        if len(words) != 4 or words[0] != magic or not words[3].endswith("\n"):
            return None
        if not is_digits(words[1]):
            return None
        checked = words[1] + " " + words[3][:-1]
        if "%08x" % (crc32(checked.encode()) & 0xFFFFFFFF) != words[2]:
            return None
        value = json.loads(words[3])
    except (ValueError, UnicodeError):
        return None
    return (int(words[1]), value) if isinstance(value, dict) else None


class Slots:
    """Owner of the files base + "0" and base + "1"."""

    def __init__(self, magic, base):
        self._magic = magic
        self._base = base
        self.sequence = 0

    def move(self, root):
        """What is written from now on lies below another medium's root."""
        self._base = root + "/state/" + self._base.rsplit("/", 1)[1]

    def read(self, slots="01"):
        """The newest valid value, or None. Raises OSError if the medium cannot be read.

        slots: "0" or "1" where the other file is known not to be there (each costs a search).
        """
        newest = None
        self.sequence = 0
        for slot in slots:
            try:
                f = open(self._base + slot, "rb")
            except OSError as e:
                if e.errno in _NOT_THERE:
                    continue
                raise
            with f:
                found = parse(self._magic, f.read(2 * MAX_BYTES))
            if found and found[0] > self.sequence:
                self.sequence, newest = found
        return newest

    def write(self, value):
        """Make value durable. Raises OSError, EFBIG for more than 2 * MAX_BYTES; then the old
        value still stands, or the new one where a medium took it and said no.
        """
        sequence = self.sequence + 1
        line = encode(self._magic, sequence, value)
        if len(line) > 2 * MAX_BYTES:
            raise OSError(_EFBIG)
        path = self._base + str(sequence & 1)
        with open(path, "wb") as f:
            f.write(line)
            sync_file(f)
        sync_folder(path.rsplit("/", 1)[0])
        self.sequence = sequence
        try:
            self._remove(str(~sequence & 1))
        except OSError:
            pass  # the new value stands; the next write goes over the old one

    def remove(self):
        """The newer file goes last: a crash between the two must not bring an older value back."""
        self._remove(str(~self.sequence & 1))
        self._remove(str(self.sequence & 1))

    def _remove(self, slot):
        path = self._base + slot
        if file_size(path) >= 0:
            os.remove(path)
