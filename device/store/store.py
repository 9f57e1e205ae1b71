"""Clips on one medium: numbers, opening and closing, walking in order, freeing with proof.

Freeing has one commit point, the record's state `done` (written by the lane after the cloud's
proof) or `evicted` (evict.py, where the settings give room for new audio the upper hand; it is
counted first). Then, each step repeatable after a crash:
  1. remove the progress of its chunks   2. remove the audio   3. remove the create body
  4. remove the record                   5. remove folders that became empty
"""

import os

from device.compat import file_size, sync_file
from device.errors import DeviceError, Fatal
from device.store import paths
from device.store.clip import CLOSED, DONE, EVICTED, OPEN, Clip
from device.store.medium import medium_error
from device.store.writer import ClipWriter

EVICTED_CLIPS, EVICTED_S = "evicted", "evicted_s"  # counters of the secrets port
_PROGRESS = (".c", ".p0", ".p1")  # create body and progress of a clip that goes as chunks


class ClipStore:
    """storage and secrets are ports. Numbers are never reused, even if the counter is lost.

    counter: where the secrets keep the last number; base: below all numbers of this medium.
    """

    def __init__(self, storage, secrets, counter="clip", base=0):
        self._storage = storage
        self._secrets = secrets
        self.root = self.steady_root = storage.root  # the latter: of a medium that is never away
        self._counter = counter
        self._highest = self._base = base
        self.open_number = 0  # the clip that is being recorded, 0 if none is
        self.opened = None  # that clip and its writer, for whoever sends what is settled of it
        self.follow = None  # told when the open clip has so many settled bytes: (call, bytes)
        self.parts = (self,)  # the stores that a walk goes through
        self.ledger = None  # told what becomes of each clip, where somebody keeps one (ledger.py)
        self.waiting = 0  # clips on the medium that are closed and not yet freed
        # The leaf that the last walk came to (paths.next_number), and the number it came from:
        # between the two there is no clip.
        self._leaf, self._came_from = [0, 0, 0, 0], 0
        self.target = self  # the store that new clips go to (another one: two_media.py)
        # While the census of old clips runs: it has counted up to here, and ends there.
        self._counted_to = 0
        self._census_end = 0

    def prepare(self):
        """Make the product's folders and find the highest number. Raises NeedsOperator."""
        try:
            # The folders of the newest number may be empty: it was freed before the power went.
            paths.remove_empty_folders(self.root, self._secrets.counter(self._counter))
            for name in ("clips", "state"):
                path = self.root + "/" + name
                if file_size(path) < 0:
                    os.mkdir(path)
            self._highest = max(self._base, paths.highest_number(self.root))
        except OSError as e:
            raise medium_error(e, "prepare")
        self._census_end = self._highest
        self._leaf[1] = 0
        self.waiting = self._counted_to = 0

    @property
    def highest(self):
        return self._highest

    def clip(self, number):
        return Clip(number, paths.stem(self.root, number))

    def open(self, record):
        """Open a clip for the facts in record; returns (clip, writer).

        record: dict with codec, hz, take (0: this clip begins the take), index, first, boot, up,
        epoch and perhaps start. Raises Transient(storage_full), NeedsOperator(storage_failed).
        """
        number = max(self._highest, self._secrets.counter(self._counter)) + 1
        if number > paths.MAX_NUMBER:
            raise Fatal("storage_failed", "clip numbers are used up")
        self._secrets.raise_counter(self._counter, number)
        before, self._highest = self._highest, number
        clip = self.clip(number)
        record.update(n=number, state=OPEN, samples=0, bytes=0, crc=0, last=0)
        record["take"] = record["take"] or number
        clip.record = record
        self._note(number)
        try:
            if before >> 3 != number >> 3:
                # The last leaf is left for good: nothing else takes its folders away if it is
                # empty.
                paths.remove_empty_folders(self.root, before)
            paths.make_folders(self.root, number)
            clip.save()
            if file_size(clip.audio_path) >= 0:
                raise Fatal("storage_failed", "clip %d exists" % number)
            writer = ClipWriter(self._storage, clip.audio_path, record["hz"])
            if self.follow is not None:
                writer.tell, writer.tell_at_bytes = self.follow
            self.open_number = number
            self.opened = clip, writer
            if self.ledger:
                self.ledger.opened(record)
            return clip, writer
        except OSError as e:
            self._forget(clip)
            raise medium_error(e, "open")
        except DeviceError:
            self._forget(clip)
            raise

    def close(self, clip, writer, **facts):
        """Close the audio and commit the record with the last facts (samples, last, lost ...)."""
        self.open_number = 0
        self.opened = None
        self._note(clip.number)
        try:
            writer.close()
            clip.save(state=CLOSED, bytes=writer.size_bytes, crc=writer.crc, **facts)
        except OSError as e:
            raise medium_error(e, "close")
        self.waiting += 1
        if self.ledger:
            self.ledger.closed(clip.record)

    def leave_open(self, writer):
        """The medium failed the clip that is being recorded: what was synced is for recovery."""
        self.open_number = 0
        self.opened = None
        writer.abandon()
        if self.ledger:
            self.ledger.left_open()

    def _forget(self, clip):
        """An open() failed: leave nothing of it behind. Never raises."""
        self._leaf[1] = 0
        for path in (clip.audio_path, clip.stem + ".r0", clip.stem + ".r1"):
            try:
                os.remove(path)
            except OSError:
                pass  # was not there, or the medium refuses this too; recovery looks at it

    def discard(self, clip):
        """Remove a clip that holds no sample at all: its file and record."""
        self._leaf[1] = 0
        try:
            if file_size(clip.audio_path) >= 0:
                os.remove(clip.audio_path)
            self.forget_progress(clip)
            clip.remove_record()
        except OSError as e:
            raise medium_error(e, "discard")

    def forget_progress(self, clip):
        """Remove what its way as chunks left beside a clip. Raises OSError."""
        for extension in _PROGRESS:
            path = clip.stem + extension
            if file_size(path) >= 0:
                os.remove(path)

    def after(self, number):
        """The next Clip above number in order, its record loaded if there is a valid one.

        None at the end. `clip.record` is None where the record is missing or unreadable.
        Raises NeedsOperator if the medium cannot be read.
        """
        try:
            found = known = self._next_in_leaf(number)
            if not found:
                self._leaf[1], self._came_from = 0, number
                found = paths.next_number(self.root, number, self._leaf)
                if found is None:
                    return None
            clip = self.clip(found)
            try:
                clip.load(self._slots_of(found))
            except OSError:
                clip.record = None  # this record cannot be read; others may
            if clip.record is None:
                self._leaf[1] = 0  # what was known of this leaf may be old
                if known:
                    return self.after(number)
            return clip
        except OSError as e:
            raise medium_error(e, "walk")

    def _next_in_leaf(self, number):
        """The next clip above number, if what is known of one leaf tells; else 0."""
        leaf, bits = self._leaf[:2]
        if not bits or number < self._came_from or number >> 3 > leaf:
            return 0
        for found in range(max(number + 1, leaf << 3), (leaf << 3) + 8):
            if bits >> (found & 7) & 1:
                return found
        return 0

    def _slots_of(self, number):
        """Which of its record's two files there are, said once: later it may be another one."""
        bit = 1 << (number & 7)
        _, _, first, second = self._leaf
        self._note(number)
        if bool(first & bit) == bool(second & bit):
            return "01"
        return "0" if first & bit else "1"

    def _note(self, number, is_there=True):
        """Something of this clip may have changed."""
        leaf, bit = self._leaf, 1 << (number & 7)
        if number >> 3 == leaf[0] and leaf[1]:
            leaf[1] = leaf[1] | bit if is_there else leaf[1] & ~bit
            leaf[2] |= bit
            leaf[3] |= bit

    def save(self, clip, **changes):
        """clip.save with the medium's errors translated."""
        self._note(clip.number)
        is_open = clip.record and clip.state == OPEN
        was_torn = is_open and clip.number != self.open_number
        try:
            clip.save(**changes)
        except OSError as e:
            raise medium_error(e, "record")
        if was_torn and clip.state != OPEN and clip.number > self._census_end:
            self.waiting += 1  # left open in this boot, and repaired: no census has seen it
        if self.ledger and "why" in changes:
            self.ledger.set_aside(clip.record)

    def write_body(self, clip, data, extension=".b"):
        """Freeze a create body beside the clip. Raises as open() does."""
        try:
            with open(clip.stem + extension, "wb") as f:
                f.write(data)
                sync_file(f)
        except OSError as e:
            raise medium_error(e, "body")

    def read_body(self, clip, max_bytes, extension=".b"):
        """The frozen create body, or None if there is none."""
        path = clip.stem + extension
        try:
            if file_size(path) < 0:
                return None
            with open(path, "rb") as f:
                return f.read(max_bytes)
        except OSError as e:
            raise medium_error(e, "body")

    def free(self, clip):
        """Remove a clip whose record says `done` or `evicted`. Anything else is our own mistake:
        Fatal.
        """
        if clip.record is None or clip.state not in (DONE, EVICTED):
            raise Fatal("storage_failed", "free without proof, clip %d" % clip.number)
        if clip.state == EVICTED:
            # The record knows the totals with this clip: a repeat counts nothing twice.
            clips, seconds = clip.record["gone"]
            self._secrets.raise_counter(EVICTED_CLIPS, clips)
            self._secrets.raise_counter(EVICTED_S, seconds)
        if self.ledger:
            self.ledger.freed(clip.record)
        try:
            self.forget_progress(clip)
            for path in (clip.audio_path, clip.body_path):
                if file_size(path) >= 0:
                    os.remove(path)
            clip.remove_record()
            self._note(clip.number, False)
            if clip.number >> 3 != self._highest >> 3:
                paths.remove_empty_folders(self.root, clip.number)
        except OSError as e:
            raise medium_error(e, "free")
        if clip.number <= self._counted_to or clip.number > self._census_end:
            self.waiting -= 1

    def count_leaf(self, last_number, clips):
        """The census has found so many clips up to last_number."""
        self.waiting += clips
        self._counted_to = last_number
