"""The secrets store of a virtual board: a JSON file beside the flash, as the NVS is beside it."""

import json
import os

from rescue.sim_chip import hardware


class Secrets:
    """The Secrets port (device/hal/ports.py) but for `version`."""

    def __init__(self):
        self._path = hardware() + "/secrets.json"
        try:
            with open(self._path) as f:
                self._tree = json.load(f)
        except (OSError, ValueError):
            self._tree = {}
        for name in ("values", "counters"):
            if not isinstance(self._tree.get(name), dict):
                self._tree[name] = {}

    def get(self, key):
        return self._tree["values"].get(key)

    def set(self, key, text):
        self._tree["values"][key] = text
        self._write()

    def counter(self, key):
        return self._tree["counters"].get(key, 0)

    def raise_counter(self, key, value):
        if value > self.counter(key):
            self._tree["counters"][key] = value
            self._write()

    def _write(self):
        with open(self._path + ".new", "w") as f:  # mode 0600 by the process's umask
            f.write(json.dumps(self._tree))
        os.rename(self._path + ".new", self._path)
