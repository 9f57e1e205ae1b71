"""One clip and its record: the only shared truth about it. Capture opens and closes it, the lane
advances it.

The record is written before the first byte of audio (state `open`), so that what a power cut
leaves still knows its take, its time and whose it is.

Fields of the record (terse names: a record of 512 bytes costs no erase on littlefs):

    n        clip number                        take     number of the take's first clip
    state    see STATES                         index    place in the take, from 0
    codec    "wav", "flac"                      last     1 if the take ends with this clip
    hz       samples a second                   first    position of its first sample in the take
    samples  how many it holds                  boot     number of the boot that made it
    bytes    size of the audio file             up       uptime at its first sample, ms
    crc      CRC-32 of the frames (no header)   start    Unix ms of its first sample, if known
    facts    what the codec's true header needs epoch    token epoch it was made under
    snr      dB kept if near-lossless; absent: exact
    lost     samples the driver dropped in it   cut      1 if repaired after a power cut
    gaps     [[first sample, length, lost]] of what was lost and filled with silence
    skips    [[sample, length]] of the silence that was left out before that sample
    doubt    how far start may be off, ms       nb       Unix s before it, while no time is known
    ppm      how much faster than stated the microphone's clock runs, if measured
    lev      level report (capture/level.py)    mic      code of a microphone fault in it
    body     CRC-32 of the frozen create body   rid      recording id in the cloud
    sha      SHA-256 of the bytes that left (as many as the file holds)
    tries    the clip's own failures            why      reason it was set aside
    reads    how often it could not be read
    late     1: complete was refused once  said     what the cloud said (status and code)
    was      state before it was collected over the cable (parked, why "collected") or killed
    deaths   how often the program died with it in hand (deaths.py)
    via      how it goes: "chunks" (docs/uploads.md); "whole" or absent: as one file
    orid     recording that was given up for a new one (docs/uploads.md)
    md5      MD5 of the bytes that went as chunks, as finalize states it
    gone     [clips, seconds] evicted in all, with this one (evict.py)

While a clip goes as chunks its progress stands beside it, in files of their own: .p0 or .p1, and
.c its create body (transfer/chunked.py): capture owns the record as long as the clip is open.
"""

from device.compat import const
from device.store.slots import Slots

OPEN = "open"
CLOSED = "closed"
CREATING = "creating"
CREATED = "created"
STORED = "stored"
COMPLETING = "completing"
DONE = "done"
PARKED = "parked"
QUARANTINED = "quarantined"
EVICTED = "evicted"  # given up for room; its files are about to go

STATES = (OPEN, CLOSED, CREATING, CREATED, STORED, COMPLETING, DONE, PARKED, QUARANTINED, EVICTED)
ASIDE = (PARKED, QUARANTINED)
CHUNKS = "chunks"
WHOLE = "whole"
MAGIC = "clip1"
_MAX_RID_CHARS = const(64)


class Clip:
    """number, stem (path without extension) and the record as a dict; save() makes it durable."""

    def __init__(self, number, stem, record=None):
        self.number = number
        self.stem = stem
        self.record = record
        self._slots = Slots(MAGIC, stem + ".r")

    def load(self, slots="01"):
        """True if a valid record was read. Raises OSError if the medium cannot be read.

        slots: as Slots.read has it; what was known is checked.
        """
        record = self._slots.read(slots)
        if record is None and slots != "01":
            record = self._slots.read()
        if record is None or not is_valid(record, self.number):
            return False
        self.record = record
        return True

    def save(self, **changes):
        """Change fields and make the record durable; on OSError the old record stands."""
        record = dict(self.record)
        record.update(changes)
        self._slots.write(record)
        self.record = record

    def remove_record(self):
        self._slots.remove()

    @property
    def state(self):
        return self.record["state"]

    @property
    def audio_path(self):
        return self.stem + "." + self.record["codec"]

    @property
    def body_path(self):
        return self.stem + ".b"

    def progress(self):
        """The slots that hold how far its chunks are (transfer/chunked.py owns them)."""
        return Slots("chunk1", self.stem + ".p")


def is_valid(record, number):
    """True if a record that was read from flash has the shape that the code relies on."""
    if record.get("n") != number or record.get("state") not in STATES:
        return False
    for name in ("hz", "samples", "bytes", "crc", "take", "index", "first", "boot", "up"):
        value = record.get(name)
        if not isinstance(value, int) or value < 0:
            return False
    for name in ("nb", "reads", "tries", "deaths"):
        if not isinstance(record.get(name, 0), int):
            return False
    if not _are_places(record.get("gaps", []), 3) or not _are_places(record.get("skips", []), 2):
        return False
    if not isinstance(record.get("lev", []), list):
        return False
    if record["state"] == EVICTED and not _are_places([record.get("gone")], 2):
        return False
    codec, rid = record.get("codec"), record.get("rid", "")
    if not isinstance(codec, str) or not 1 <= len(codec) <= 4 or not codec.isalpha():
        return False
    for text in (rid, record.get("orid", "")):
        if not isinstance(text, str) or len(text) > _MAX_RID_CHARS:
            return False
    return record["hz"] > 0


def _are_places(places, width):
    """True for a list of lists of so many whole numbers."""
    if not isinstance(places, list):
        return False
    for place in places:
        if not isinstance(place, list) or len(place) != width:
            return False
        for value in place:
            if not isinstance(value, int):
                return False
    return True
