"""Clips as the full program keeps them: where they lie, their records, and freeing with proof.

Formats: device/store/paths.py (folders and names), slots.py (two alternating files), clip.py
(fields of a record). Written anew here so that a broken module there breaks nothing here.

    state/rescued    what was freed here, for the ledger: the full program reads and removes it at
                     its next start (device/store/ledger_book.py). A JSON object a clip, each on a
                     line of its own after an empty one: what a cut left of one spoils no other.
"""

import json
import os
from binascii import crc32

from rescue import const

SENDABLE = ("closed", "creating", "created", "stored", "completing", "done")
_OTHERS = ("open", "parked", "quarantined", "evicted")
_RECORD_BYTES = const(1024)
_NUMBERS = ("hz", "samples", "bytes", "crc", "take", "index", "first", "boot", "up", "n")
_HEX = "0123456789abcdef"
_NOTED = ("boot", "up", "hz", "samples", "skips", "gaps")
_MOST_NOTES_BYTES = const(65536)  # some 700 clips; of more the ledger says: on the device


def numbers(path, widths=(4, 2, 2, 8)):
    """Yield the number of each clip below path (…/clips), ascending; one folder a level is held
    as numbers.
    """
    found = []
    try:
        for entry in os.ilistdir(path):
            name = entry[0].partition(".")[0]
            if len(name) == widths[0] and not name.strip(_HEX):
                value = int(name, 16)
                if value not in found:
                    found.append(value)
    except OSError:
        pass  # it went between two looks, or cannot be read: the others go on
    found.sort()
    for value in found:
        if len(widths) == 1:
            yield value
        else:
            for number in numbers("%s/%0*x" % (path, widths[0], value), widths[1:]):
                yield number


def read_slots(magic, base):
    """(sequence, value) of the newest valid slot, (0, {}) if there is none."""
    newest = (0, {})
    for slot in "01":
        try:
            with open(base + slot, "rb") as f:
                words = f.read(_RECORD_BYTES).decode().split(" ", 3)
            if len(words) == 4 and words[0] == magic and words[3][-1:] == "\n":
                checked = words[1] + " " + words[3][:-1]
                if "%08x" % crc32(checked.encode()) == words[2] and int(words[1]) > newest[0]:
                    newest = (int(words[1]), json.loads(words[3]))
        except (OSError, ValueError):  # absent, unreadable, torn
            continue
    return newest if isinstance(newest[1], dict) else (0, {})


class Clip:
    """number, stem (path without extension), record (None if there is no valid one)."""

    def __init__(self, root, number):
        folders = (number >> 13, number >> 8 & 31, number >> 3 & 31)
        self.number = number
        self._root = root
        self._folder = root + "/clips/%04x/%02x/%02x" % folders
        self.stem = "%s/%08x" % (self._folder, number)
        self._sequence, record = read_slots("clip1", self.stem + ".r")
        for name in _NUMBERS:
            if not isinstance(record.get(name), int) or record[name] < 0:
                record = {}
        if record.get("n") != number or record.get("state") not in SENDABLE + _OTHERS:
            record = None
        elif record.get("codec") not in ("wav", "flac") or not record["hz"]:
            record = None
        self.record = record

    @property
    def state(self):
        return self.record["state"]

    @property
    def audio_path(self):
        return self.stem + "." + self.record["codec"]

    def save(self, **changes):
        """Make changes durable; on OSError the old record stands. None takes a field away.

        The other slot is written, then the first one removed.
        """
        record = dict(self.record)
        record.update(changes)
        for name in changes:
            if changes[name] is None:
                del record[name]
        text = json.dumps(record, separators=(",", ":"))
        crc = crc32(("%d %s" % (self._sequence + 1, text)).encode())
        with open("%s.r%d" % (self.stem, self._sequence + 1 & 1), "w") as f:
            f.write("clip1 %d %08x %s\n" % (self._sequence + 1, crc, text))
            f.flush()  # on MicroPython this is the sync
        self._sequence += 1
        self.record = record
        self._remove(".r%d" % (self._sequence + 1 & 1))

    def free(self):
        """Take it off the medium. Only with proof: anything but `done` is our own mistake."""
        if self.state != "done":
            raise ValueError("free without proof")
        is_noted = note(self._root, self.record)
        # The newer record goes last: an older one must not come back.
        older, newer = self._sequence + 1 & 1, self._sequence & 1
        bodies = ("." + self.record["codec"], ".b", ".c", ".p0", ".p1")
        for extension in bodies + (".r%d" % older, ".r%d" % newer):
            self._remove(extension)
        path = self._folder
        try:
            for _ in range(3):
                os.rmdir(path)
                path = path.rsplit("/", 1)[0]
        except OSError:
            pass  # not empty
        if not is_noted:
            note(self._root, self.record)  # the medium was full

    def _remove(self, extension):
        try:
            os.remove(self.stem + extension)
        except OSError as e:
            if e.errno != 2:
                raise


def note(root, record):
    """Note a clip that is freed for the ledger; False if the medium does not take it."""
    path = root + "/state/rescued"
    try:
        if os.stat(path)[6] > _MOST_NOTES_BYTES:
            return True
    except OSError:
        pass  # the first one
    noted = {name: record[name] for name in _NOTED if name in record}
    try:
        with open(path, "a") as f:
            f.write("\n" + json.dumps(noted, separators=(",", ":")) + "\n")
    except OSError:
        return False
    return True
