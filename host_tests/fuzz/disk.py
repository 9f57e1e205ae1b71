"""The disk that the targets of clips, of state and of the cable share."""

import dataclasses
import json
import os
import tempfile

from device.store import slots
from host_tests.fuzz.engine import replaced
from host_tests.unit import fakes

SAMPLES = 16_000


class Disk:
    """A folder with one clip that is put back before each input."""

    def __init__(self, codec="wav"):
        # Nobody closes it: it lives as long as the process, as the targets do.
        self._kept = tempfile.TemporaryDirectory(prefix="fuzz")
        self.root = self._kept.name
        store = fakes.make_store(self.root)
        self.clip = fakes.add_clip(store, SAMPLES)
        with open(self.clip.audio_path, "rb") as f:
            self.audio = f.read()
        self.record = self.clip.record
        self.folder = os.path.dirname(self.clip.stem)
        self.log, self.lines = fakes.make_log()

    def put(self, extension, data):
        """The clip's folder with the audio and one file more."""
        for name in os.listdir(self.folder):
            os.remove(f"{self.folder}/{name}")
        with open(self.clip.stem + ".wav", "wb") as f:
            f.write(self.audio)
        with open(self.clip.stem + extension, "wb") as f:
            f.write(data)

    def state(self, name, data):
        with open(f"{self.root}/state/{name}", "wb") as f:
            f.write(data)
        return f"{self.root}/state/{name[:-1]}"


def sealed(magic, data):
    """data as a slot keeps it, with the right CRC; or as it is where it is no JSON object."""
    try:
        value = json.loads(data)
        if isinstance(value, dict):
            return slots.encode(magic, 1, value)
    except (ValueError, RecursionError):
        pass
    return data


def unsynced(target):
    """target without syncs: nobody pulls the plug here, and they take longer than all the rest."""

    def quick(data):
        with replaced(os, fsync=lambda descriptor: None):
            return target.run(data)

    return dataclasses.replace(target, run=quick)


DISK = Disk()
