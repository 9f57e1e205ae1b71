"""Who writes the history: watches medium, log and cloud from outside, and never asks the device.

What it makes of a record or an audio file it reads itself: the device's own readers are on trial.
"""

import json
from binascii import crc32

from tools.torture.history import NOT_THE_LANES, Kept, Recording
from tools.torture.parts import add_run

FOREIGN = {"/flash/photo.jpg": b"somebody's photo", "/flash/clips/notes.txt": b"notes"}
_BOOK = "/flash/state/book/"
_SEGMENTS = "01234567"
_KINDS = "ibroxceu"
_CHECKED_IN_MS = 600_000  # the longest time that a task may ask for while it works
_FULL_BYTES = 68 * 1024  # the reserve and what a clip in hand may take of it


class Witness:
    """world: what it looks at; every event goes into world.history."""

    def __init__(self, world):
        self._world = world
        self._heard = []
        self._closed = {}  # clip -> hash of its audio
        self._last_state = {}
        self._waiting = None  # (since ms, wait s): the lane said that it waits
        self._said = []
        self._segments = {}  # number of a segment of the ledger -> its JSON, as last written

    # What is said.

    def said(self, text):
        world = self._world
        self._said.append(text)
        world.add("log", text=text)
        if text.startswith("E recording ended reason=storage_full"):
            if world.medium.room() < _FULL_BYTES:  # what was in hand has no place: it said why
                world.add("failure", heard=world.microphone.position, why="full")
        elif text.startswith("E task is overdue"):
            # Not where the harness itself let the polls come late.
            if world.now_ms - world.loop.late_at_ms > _CHECKED_IN_MS:
                world.add("overdue", task=text.rpartition("=")[2])
        elif text.startswith(("W lane waits", "E lane waits")):
            wait_s = int(text.rpartition("wait_s=")[2])
            world.add("failed", wait_s=wait_s, code=text)
            self._waiting = (world.now_ms, wait_s)
        elif text.startswith("I link up") or "token is accepted" in text:
            self._waiting = None

    def request(self, route):
        """A request left: if the lane said that it waits, did it?"""
        if self._waiting is None or route in NOT_THE_LANES:
            return
        since_ms, wait_s = self._waiting
        self._waiting = None
        waited_s = (self._world.now_ms - since_ms) / 1000
        self._world.add("resumed", wait_s=wait_s, waited_s=waited_s)

    def life_ended(self):
        self._waiting = None

    # What the microphone gave, what became durable.

    def heard(self, first, count):
        add_run(self._heard, first, count)

    def durable(self, what, path, data):
        """The medium's: data became durable under path ("write"), or went with it ("remove")."""
        if what == "full":
            self._world.add("full")
            return
        stem, _, extension = path.rpartition(".")
        name = stem.rpartition("/")[2]
        if extension in ("r0", "r1") and len(name) == 8:
            files = self._world.medium.files
            if what == "write":
                if data:  # else it was made, and nothing is in it yet
                    self._record_written(int(name, 16), stem, data)
            elif stem + ".r0" not in files and stem + ".r1" not in files:
                self._world.add("remove", clip=int(name, 16), what="record")
                self._last_state.pop(int(name, 16), None)  # its number may be used again: S9
        elif extension == self._world.audio.name and len(name) == 8:
            self._audio_changed(int(name, 16), what, data)
        elif what == "write" and stem.startswith(_BOOK) and name in _SEGMENTS:
            line = checked_line(data)
            if line:
                number = line[1].partition('"s":')[2].partition(",")[0]
                self._segments[number] = line[1]
        elif what == "remove" and path in FOREIGN:
            self._world.add("remove", clip=0, what=path)

    def _audio_changed(self, clip, what, data):
        if what == "remove":
            self._world.add("remove", clip=clip, what="audio")
        elif clip in self._closed and hash(data) != self._closed[clip]:
            self._world.add("damage", clip=clip)

    def _record_written(self, clip, stem, data):
        line = parse_line(data)
        if line is None:
            return
        sequence, record = line
        state, world = record["state"], self._world
        world.add("record", clip=clip, state=state, why=record.get("why", ""), sequence=sequence)
        if state == "open":
            if self._last_state.get(clip) != state:
                world.add("open", clip=clip)
        elif clip not in self._closed:
            stored = world.medium.files.get(stem + "." + record["codec"], b"")
            stored = stored[: record["bytes"]]
            sha, ours = world.audio.digests(stored, record["samples"])
            runs = world.audio.runs(stored, record["samples"])
            self._closed[clip] = hash(stored)
            world.add(
                "closed",
                clip=clip,
                sha=sha,
                stored_sha=ours,
                size=len(stored),
                runs=runs,
                skips=record.get("skips", []),
                place=(record.get("take"), record.get("first")),
            )
        if state == "evicted" and self._last_state.get(clip) != state:
            seconds = record["samples"] // record["hz"]
            world.add(
                "evicted",
                clip=clip,
                seconds=seconds,
                free_bytes=world.medium.room(),
                is_ours=not self.is_of_another(record),
            )
        self._last_state[clip] = state

    # What lies on the medium.

    def clips(self):
        """(stem, record) of each clip, {} if none is valid; in the order of the numbers."""
        stems = {
            path.rpartition(".")[0]
            for path in self._world.medium.files
            if path.startswith("/flash/clips/0")
        }
        return [(stem, self._record_of(stem)) for stem in sorted(stems)]

    def is_of_another(self, record):
        """A clip from before somebody else got the recorder: it is kept, and not sent."""
        return 0 < record.get("epoch", 0) < self._world.secrets.counter("epoch")

    def _record_of(self, stem):
        best = (0, {})
        for slot in ("0", "1"):
            line = parse_line(self._world.medium.files.get(stem + ".r" + slot, b""))
            if line and line[0] > best[0]:
                best = line
        return best[1]

    def _ledger(self):
        """What the device's ledger says: all runs that it ever kept, seconds of those that it has
        exactly now, of the days that it folded the others into, and their sum.
        """
        newest = {}
        for path, data in self._world.medium.files.items():
            line = parse_line(data) if path.startswith(_BOOK) else None
            stem = path.rpartition(".")[0]
            if line and line[0] > newest.get(stem, (0,))[0]:
                newest[stem] = line
        segments = [json.loads(text) for text in self._segments.values()]
        book = {"runs": [run for segment in segments for run in segment["e"]]}
        book |= {part: dict.fromkeys(_KINDS, 0) for part in ("days", "sum", "exact")}
        for stem, (_, value) in newest.items():
            name = stem.rpartition("/")[2]
            for kind, _, _, seconds in value.get("e", ()):
                book["exact"][kind] += seconds
            for key, counts in value.items():
                if key not in ("s", "e"):
                    part = book["sum" if name == "t" else "days"]
                    for kind, seconds in zip(_KINDS, counts, strict=True):
                        part[kind] += seconds
        return book

    # The end.

    def finish(self):
        """Put what is left into the history."""
        world, history = self._world, self._world.history
        files, audio = world.medium.files, world.audio
        world.add("end")
        history.evicted = [world.secrets.counter(name) for name in ("evicted", "evicted_s")]
        # A board that sleeps counts seconds of its own: its ticks go wrong meanwhile.
        history.ledger = self._ledger() if world.sleep is None else None
        for first, count in self._heard:
            world.add("heard", first=first, count=count)
        if world.leaves_out:
            for first, count in world.microphone.hushed:
                world.add("hushed", first=first, count=count)
        for stem, record in self.clips():
            number = int(stem.rpartition("/")[2], 16)
            data = files.get(stem + "." + audio.name)
            closed = self._closed.get(number)
            # What a cut left behind the last good frame stays in the file, and counts for nothing.
            stored = data and data[: record.get("bytes", len(data))]
            intact = None if closed is None else data is not None and hash(stored) == closed
            runs = audio.runs(data, record.get("samples", 0)) if data else []
            history.kept[number] = Kept(
                record.get("state"),
                record.get("why", ""),
                intact,
                runs,
                self.is_of_another(record),
            )
        for row in world.model.recordings.values():
            data = world.model.object_of(row)
            history.recordings.append(
                Recording(
                    row.rid,
                    row.metadata.get("clip", 0),
                    row.status,
                    audio.digest(data) if data is not None else None,
                    len(data or b""),
                    row.status == "uploaded",
                    audio.runs(data) if data else [],
                )
            )
        history.foreign_changed += [path for path in FOREIGN if files.get(path) != FOREIGN[path]]
        history.texts += [("the log: " + text[:60], text) for text in self._said]
        for path, data in files.items():
            if not path.endswith(audio.name) and path.startswith(("/flash/clips/0", "/flash/st")):
                history.texts.append((path, data.decode(errors="replace")))
        history.secrets += list(world.model.urls)
        if world.medium.most_open > history.limits["open_files"]:
            world.add("open_files", count=world.medium.most_open)


def parse_line(data):
    """(sequence, value) of a slot's line, or None. Our own reader: the device's is on trial."""
    line = checked_line(data)
    return line and (line[0], json.loads(line[1]))


def checked_line(data):
    """The same, with the value as JSON still."""
    words = data.decode(errors="replace").split(" ", 3)
    if len(words) != 4 or not words[3].endswith("\n") or not words[1].isdigit():
        return None
    text = words[3][:-1]
    if f"{crc32(f'{words[1]} {text}'.encode()):08x}" != words[2]:
        return None
    return int(words[1]), text
