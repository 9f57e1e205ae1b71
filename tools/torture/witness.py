"""Who writes the history: watches medium, log and cloud from outside, and never asks the device.

What it makes of a record or an audio file it reads itself: the device's own readers are on trial.
"""

import hashlib
import json
from binascii import crc32

from tools.torture import blocks
from tools.torture.history import Kept, Recording

FOREIGN = {"/flash/photo.jpg": b"somebody's photo", "/flash/clips/notes.txt": b"notes"}
_CHECKED_IN_MS = 600_000  # the longest time that a task may ask for while it works
_FULL_BYTES = 68 * 1024  # the reserve and what a clip in hand may take of it


class Witness:
    """world: what it looks at; every event goes into world.history."""

    def __init__(self, world):
        self._world = world
        self._heard = []
        self._opened = set()
        self._closed = {}  # clip -> hash of its audio
        self._last_state = {}
        self._waiting = None  # (since ms, wait s): the lane said that it waits
        self._said = []

    # What is said.

    def said(self, text):
        world = self._world
        self._said.append(text)
        world.add("log", text=text)
        if text.startswith("E recording ended reason=storage_full"):
            if world.medium.room() < _FULL_BYTES:  # what was in hand has no place: it said why
                world.add("failure", heard=world.microphone.position)
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
        if self._waiting is None or route == "heartbeat":
            return
        since_ms, wait_s = self._waiting
        self._waiting = None
        waited_s = (self._world.now_ms - since_ms) / 1000
        self._world.add("resumed", wait_s=wait_s, waited_s=waited_s)

    def life_ended(self):
        self._waiting = None

    # What the microphone gave, what became durable.

    def heard(self, first, count):
        heard = self._heard
        if heard and heard[-1][0] + heard[-1][1] == first:
            heard[-1][1] += count
        else:
            heard.append([first, count])

    def durable(self, what, path, data):
        """The medium's: data became durable under path ("write"), or went with it ("remove")."""
        stem, _, extension = path.rpartition(".")
        name = stem.rpartition("/")[2]
        if extension in ("r0", "r1") and len(name) == 8:
            if what == "write":
                self._record_written(int(name, 16), stem, data)
            elif not {stem + ".r0", stem + ".r1"} & set(self._world.medium.files):
                self._world.add("remove", clip=int(name, 16), what="record")
        elif extension == blocks.NAME and len(name) == 8:
            self._audio_changed(int(name, 16), what, data)
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
            if clip not in self._opened or self._last_state.get(clip) is None:
                world.add("open", clip=clip)
                self._opened.add(clip)
        elif clip not in self._closed:
            stored = world.medium.files.get(stem + "." + record["codec"], b"")
            stored = stored[: record["bytes"]]
            whole = blocks.upload_of(stored, world.history.rate_hz)
            sha = hashlib.sha256(whole).hexdigest()
            self._closed[clip] = hash(stored)
            ours = hashlib.sha256(stored).hexdigest()
            runs = blocks.runs(stored)
            world.add("closed", clip=clip, sha=sha, stored_sha=ours, size=len(whole), runs=runs)
        self._last_state[clip] = state

    # What lies on the medium.

    def states(self):
        """(stem, state, why) of each clip, by its records; in the order of the numbers."""
        stems = {
            path.rpartition(".")[0]
            for path in self._world.medium.files
            if path.startswith("/flash/clips/0")
        }
        return [(stem, *self._state_of(stem)) for stem in sorted(stems)]

    def _state_of(self, stem):
        best = (0, {"state": None})
        for slot in ("0", "1"):
            line = parse_line(self._world.medium.files.get(stem + ".r" + slot, b""))
            if line and line[0] > best[0]:
                best = line
        return best[1]["state"], best[1].get("why", "")

    # The end.

    def finish(self):
        """Put what is left into the history."""
        world, history = self._world, self._world.history
        files = world.medium.files
        for first, count in self._heard:
            world.add("heard", first=first, count=count)
        for stem, state, why in self.states():
            number = int(stem.rpartition("/")[2], 16)
            data = files.get(stem + "." + blocks.NAME)
            closed = self._closed.get(number)
            intact = None if closed is None else data is not None and hash(data) == closed
            history.kept[number] = Kept(state, why, intact, blocks.runs(data) if data else [])
        for row in world.model.recordings.values():
            data = world.model.object_of(row)
            history.recordings.append(
                Recording(
                    row.rid,
                    row.metadata.get("clip", 0),
                    row.status,
                    hashlib.sha256(data).hexdigest() if data is not None else None,
                    len(data or b""),
                    row.status == "uploaded",
                    blocks.runs(data) if data else [],
                )
            )
        history.foreign_changed += [path for path in FOREIGN if files.get(path) != FOREIGN[path]]
        history.texts += [("the log: " + text[:60], text) for text in self._said]
        for path, data in files.items():
            if not path.endswith(blocks.NAME) and path.startswith(("/flash/clips/0", "/flash/st")):
                history.texts.append((path, data.decode(errors="replace")))
        history.secrets += list(world.model.urls)
        if world.medium.most_open > history.limits["open_files"]:
            world.add("open_files", count=world.medium.most_open)


def parse_line(data):
    """(sequence, value) of a slot's line, or None. Our own reader: the device's is on trial."""
    words = data.decode(errors="replace").split(" ", 3)
    if len(words) != 4 or not words[3].endswith("\n") or not words[1].isdigit():
        return None
    checked = f"{words[1]} {words[3][:-1]}"
    if f"{crc32(checked.encode()):08x}" != words[2]:
        return None
    return int(words[1]), json.loads(words[3])
