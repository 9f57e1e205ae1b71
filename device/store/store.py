"""Clips on one medium: numbers, opening and closing, walking in order, freeing with proof.

Freeing has one commit point, the record's state `done` (written by the lane after the cloud's
proof). Then, each step repeatable after a crash:
  1. remove the progress of its chunks   2. remove the audio   3. remove the create body
  4. remove the record                   5. remove folders that became empty
"""

import os

from device.compat import file_size, sync_file
from device.errors import DeviceError, Fatal
from device.store import paths
from device.store.clip import CLOSED, DONE, OPEN, Clip
from device.store.medium import medium_error
from device.store.writer import ClipWriter

_COUNTER = "clip"
_PROGRESS = (".c", ".p0", ".p1")  # create body and progress of a clip that goes as chunks


class ClipStore:
    """storage and secrets are ports. Numbers are never reused, even if the counter is lost."""

    def __init__(self, storage, secrets):
        self._storage = storage
        self._secrets = secrets
        self.root = storage.root
        self._highest = 0
        self.open_number = 0  # the clip that is being recorded, 0 if none is
        self.opened = None  # that clip and its writer, for whoever sends what is settled of it
        self.follow = None  # told when the open clip has so many settled bytes: (call, bytes)
        self.ledger = None  # told what becomes of each clip, where somebody keeps one (ledger.py)
        self.waiting = 0  # clips on the medium that are closed and not yet freed
        # While the census of old clips runs: it has counted up to here, and ends there.
        self._counted_to = 0
        self._census_end = 0

    def prepare(self):
        """Make the product's folders and find the highest number. Raises NeedsOperator."""
        try:
            # The folders of the newest number may be empty: it was freed before the power went.
            paths.remove_empty_folders(self.root, self._secrets.counter(_COUNTER))
            for name in ("clips", "state"):
                path = self.root + "/" + name
                if file_size(path) < 0:
                    os.mkdir(path)
            self._highest = self._census_end = paths.highest_number(self.root)
        except OSError as e:
            raise medium_error(e, "prepare")

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
        number = max(self._highest, self._secrets.counter(_COUNTER)) + 1
        if number > paths.MAX_NUMBER:
            raise Fatal("storage_failed", "clip numbers are used up")
        self._secrets.raise_counter(_COUNTER, number)
        before, self._highest = self._highest, number
        clip = self.clip(number)
        record.update(n=number, state=OPEN, samples=0, bytes=0, crc=0, last=0)
        record["take"] = record["take"] or number
        clip.record = record
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
        for path in (clip.audio_path, clip.stem + ".r0", clip.stem + ".r1"):
            try:
                os.remove(path)
            except OSError:
                pass  # was not there, or the medium refuses this too; recovery looks at it

    def discard(self, clip):
        """Remove a clip that holds no sample at all: its file and record."""
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
            found = paths.next_number(self.root, number)
            if found is None:
                return None
            clip = self.clip(found)
            try:
                clip.load()
            except OSError:
                clip.record = None  # this record cannot be read; others may
            return clip
        except OSError as e:
            raise medium_error(e, "walk")

    def save(self, clip, **changes):
        """clip.save with the medium's errors translated."""
        try:
            clip.save(**changes)
        except OSError as e:
            raise medium_error(e, "record")
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
        """Remove a clip whose record says `done`. Anything else is our own mistake: Fatal."""
        if clip.record is None or clip.state != DONE:
            raise Fatal("storage_failed", "free without proof, clip %d" % clip.number)
        if self.ledger:
            self.ledger.freed(clip.record)
        try:
            self.forget_progress(clip)
            for path in (clip.audio_path, clip.body_path):
                if file_size(path) >= 0:
                    os.remove(path)
            clip.remove_record()
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
