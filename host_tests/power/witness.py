"""Runs on MicroPython: the history of one run of flash_cuts.py, for tools/torture/invariants.

It sees what becomes durable where the device's code calls the medium: a record when its write has
returned, or, where the power went before that, when the next boot reads it. Audio it reads itself.
Moments are counted, a second each.
"""

import hashlib
import os
import struct

from device.compat import hex_digest
from device.store import store as store_module
from device.store.clip import Clip

_AUDIO = ".wav"
_HEADER_BYTES = 44


class Witness:
    """rate_hz of what is heard; medium: its own reads are counted and failed for nobody."""

    def __init__(self, rate_hz, medium):
        self._rate_hz = rate_hz
        self._medium = medium
        self.events = []
        self.recordings = {}  # id -> clip
        self.closed = {}  # clip -> hash of what is to leave
        self._states = {}
        self._is_refused = False
        self._calls = 0

    def add(self, kind, **detail):
        self.events.append([1000 * len(self.events), kind, detail])

    def refused(self, heard):
        """The medium refused a call, once in a run."""
        if not self._is_refused:
            self._is_refused = True
            self.add("failure", heard=heard)

    # The server's side.

    def request(self, route, rid, key, body):
        self._calls += 1
        clip = int(key.split("-")[3]) if key else self.recordings.get(rid, 0)
        detail = {"id": self._calls, "route": route, "host": "", "tls": True, "bearer": False}
        detail.update(rid=rid, clip=clip, key=key, body=None if body is None else str(body))
        self.add("request", **detail)
        return self._calls, route, clip

    def commit(self, call, rid, objects):
        number, route, clip = call
        if route == "create":
            self.recordings[rid] = clip
        data = objects.get(rid)
        sha = None if data is None else self.sha(data)
        detail = {"id": number, "route": route, "rid": rid, "clip": clip, "status": 200}
        self.add("commit", sha=sha, size=len(data or b""), code="", **detail)

    def answer(self, call):
        self.add("answer", id=call[0], status=200, code="", retry_after_s=0)

    # What lies on the medium.

    def record(self, clip):
        """The newest durable record of this clip is what it holds now."""
        number, state = clip.number, clip.record["state"]
        if self._states.get(number) == state:
            return
        self._states[number] = state
        self.add("record", clip=number, state=state, why=clip.record.get("why", ""))
        if state == "open":
            self.add("open", clip=number)
        elif number not in self.closed:
            whole, runs = self.audio(clip.stem, clip.record)
            self.closed[number] = sha = self.sha(whole)
            self.add("closed", clip=number, sha=sha, size=len(whole), runs=runs)

    def audio(self, stem, value):
        """(the bytes that are to leave, runs) of the clip's file as far as its record says."""
        self._medium.is_watched = False
        try:
            with open(stem + _AUDIO, "rb") as f:
                stored = f.read(value["bytes"])
        finally:
            self._medium.is_watched = True
        frames = stored[_HEADER_BYTES:]
        riff = struct.pack("<4sI4s4sI", b"RIFF", len(frames) + 36, b"WAVE", b"fmt ", 16)
        form = struct.pack("<HHIIHH", 1, 1, self._rate_hz, 2 * self._rate_hz, 2, 16)
        head = riff + form + struct.pack("<4sI", b"data", len(frames))
        return head + frames, runs_of(frames)

    @staticmethod
    def sha(data):
        return hex_digest(hashlib.sha256(data).digest())

    def removed(self, path):
        name = path.rsplit("/", 1)[1]
        what = {"wav": "audio", "r0": "record", "r1": "record"}.get(name[9:])
        if what and len(name) in (11, 12):
            self.add("remove", clip=int(name[:8], 16), what=what)


def runs_of(frames):
    """[[first sample, how many]] of frames of a ramp: sample i has the value i."""
    if not frames:
        return []
    return [[frames[0] | frames[1] << 8, len(frames) // 2]]


class _Os:
    """The module os, with removals told."""

    def __init__(self, tell):
        self._tell = tell

    def __getattr__(self, name):
        return getattr(os, name)

    def remove(self, path):
        os.remove(path)
        self._tell(path)


def install(current):
    """Watch the device's code from now on; current() -> the Witness of the run that goes on."""
    load, save = Clip.load, Clip.save

    def watched_load(clip, *which):
        found = load(clip, *which)
        if found:
            current().record(clip)
        return found

    def watched_save(clip, **changes):
        save(clip, **changes)
        current().record(clip)

    Clip.load, Clip.save = watched_load, watched_save
    store_module.os = _Os(lambda path: current().removed(path))
