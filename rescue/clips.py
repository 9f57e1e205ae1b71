"""Clips as the full program keeps them: where they lie, their records, and freeing with proof.

Formats: device/store/paths.py (folders and names), slots.py (two alternating files), clip.py
(fields of a record). Written anew here so that a broken module there breaks nothing here.
"""

import json
import os
from binascii import crc32

OPEN, CLOSED, CREATING, CREATED = "open", "closed", "creating", "created"
STORED, COMPLETING, DONE = "stored", "completing", "done"
SENDABLE = (CLOSED, CREATING, CREATED, STORED, COMPLETING, DONE)
ASIDE = ("parked", "quarantined")
_PARKED = ("gone_in_cloud", "conflict", "probably_uploaded", "refused")
KILLS = "kills_device"
MOST_DEATHS = 6  # of both programs together; the full one alone gives up after 3
_FOLDER = 0x4000
_RECORD_BYTES = 1024
_SAID_CHARS = 40
_NUMBERS = ("hz", "samples", "bytes", "crc", "take", "index", "first", "boot", "up")


def numbers(root):
    """Yield the number of each clip below root, ascending; one folder's names are held a level."""
    for top in _names(root + "/clips", 4):
        for branch in _names("%s/clips/%s" % (root, top), 2):
            for leaf in _names("%s/clips/%s/%s" % (root, top, branch), 2):
                path = "%s/clips/%s/%s/%s" % (root, top, branch, leaf)
                last = None
                for name in _names(path, 8, False):
                    if name != last and name != "00000000":
                        last = name
                        yield int(name, 16)


def _names(path, width, is_folder=True):
    """Sorted names below path of so many hex digits (of files: what stands before the dot)."""
    found = []
    try:
        for entry in os.ilistdir(path):
            name = entry[0] if is_folder else entry[0].partition(".")[0]
            if (entry[1] == _FOLDER) == is_folder and len(name) == width and _is_hex(name):
                found.append(name)
    except OSError:
        pass  # it went between two looks, or cannot be read: the others go on
    found.sort()
    return found


def _is_hex(text):
    for letter in text:
        if letter not in "0123456789abcdef":
            return False
    return True


def read_slots(magic, base):
    """(sequence, value) of the newest valid slot, (0, None) if there is none."""
    newest = (0, None)
    for slot in "01":
        try:
            with open(base + slot, "rb") as f:
                words = f.read(_RECORD_BYTES).decode().split(" ", 3)
            if len(words) != 4 or words[0] != magic or not words[1].isdigit():
                continue
            checked = words[1] + " " + words[3][:-1]
            if words[3][-1:] != "\n" or "%08x" % crc32(checked.encode()) != words[2]:
                continue
            value = json.loads(words[3])
        except (OSError, ValueError):  # absent, unreadable, torn
            continue
        if isinstance(value, dict) and int(words[1]) > newest[0]:
            newest = (int(words[1]), value)
    return newest


def write_slots(magic, base, sequence, value):
    """Write the slot after sequence, then remove the other. Raises OSError."""
    body = "%d %s" % (sequence + 1, json.dumps(value, separators=(",", ":")))
    number, _, text = body.partition(" ")
    with open(base + str(sequence + 1 & 1), "wb") as f:
        f.write(("%s %s %08x %s\n" % (magic, number, crc32(body.encode()), text)).encode())
        f.flush()  # on MicroPython this is the sync
    remove(base + str(sequence & 1))


def remove(path):
    """Remove a file that may not be there. Raises OSError if it is and will not go."""
    try:
        os.remove(path)
    except OSError as e:
        if e.errno != 2:
            raise


class Clip:
    """number, stem (path without extension), record (None if there is no valid one)."""

    def __init__(self, root, number):
        self.number = number
        self._folder = "%s/clips/%04x/%02x/%02x" % (
            root,
            number >> 13,
            number >> 8 & 31,
            number >> 3 & 31,
        )
        self.stem = "%s/%08x" % (self._folder, number)
        self._sequence, self.record = read_slots("clip1", self.stem + ".r")
        if self.record is not None and not _is_valid(self.record, number):
            self.record = None

    @property
    def state(self):
        return self.record["state"]

    @property
    def audio_path(self):
        return self.stem + "." + self.record["codec"]

    @property
    def body_path(self):
        return self.stem + ".b"

    def save(self, **changes):
        """Make changes durable; on OSError the old record stands. None takes a field away."""
        record = dict(self.record)
        record.update(changes)
        for name in changes:
            if changes[name] is None:
                del record[name]
        write_slots("clip1", self.stem + ".r", self._sequence, record)
        self._sequence += 1
        self.record = record

    def set_aside(self, code, said):
        """Keep it for a person, with the reason."""
        said = "".join([c if " " <= c <= "~" and c != '"' else "?" for c in said])[:_SAID_CHARS]
        was = self.state
        state = "parked" if code in _PARKED else "quarantined"
        if code == KILLS:
            self.save(state=state, why=code, was=was)
        else:
            self.save(state=state, why=code, said=said)

    def free(self):
        """Take it off the medium. Only with proof: anything but `done` is our own mistake."""
        if self.record is None or self.state != DONE:
            raise ValueError("free without proof")
        remove(self.audio_path)
        remove(self.body_path)
        # The newer record goes last: an older one must not come back.
        remove(self.stem + ".r" + str(self._sequence + 1 & 1))
        remove(self.stem + ".r" + str(self._sequence & 1))
        path = self._folder
        for _ in range(3):
            try:
                os.rmdir(path)
            except OSError:
                return  # not empty
            path = path.rsplit("/", 1)[0]


def _is_valid(record, number):
    if record.get("n") != number or record.get("state") not in SENDABLE + ASIDE + (OPEN,):
        return False
    for name in _NUMBERS:
        if not isinstance(record.get(name), int) or record[name] < 0:
            return False
    codec, rid = record.get("codec"), record.get("rid", "")
    return codec in ("wav", "flac") and isinstance(rid, str) and record["hz"] > 0
