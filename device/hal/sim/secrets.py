"""Secrets port: a JSON file of the host beside the flash image, as NVS is beside the file
system.
"""

import json
import os


class Secrets:
    """path: the store; made by the simulator with mode 0600. Values never appear in repr."""

    def __init__(self, path):
        self._path = path
        self._tree = self._read()
        self.version = 1

    def _read(self):
        try:
            with open(self._path) as f:
                tree = json.load(f)
        except (OSError, ValueError):
            tree = None
        if not isinstance(tree, dict) or not isinstance(tree.get("values"), dict):
            return {"values": {}, "counters": {}}
        if not isinstance(tree.get("counters"), dict):
            tree["counters"] = {}
        return tree

    def reload(self):
        """Somebody provisioned anew (the control channel says so)."""
        counters = self._tree["counters"]
        self._tree = self._read()
        for key in counters:
            self._tree["counters"][key] = max(counters[key], self.counter(key))
        self.version += 1

    def get(self, key):
        return self._tree["values"].get(key)

    def set(self, key, text):
        self._tree["values"][key] = text
        self._write()
        self.version += 1

    def counter(self, key):
        return self._tree["counters"].get(key, 0)

    def raise_counter(self, key, value):
        if value > self.counter(key):
            self._tree["counters"][key] = value
            self._write()

    def _write(self):
        new_path = self._path + ".new"
        with open(new_path, "w") as f:
            if hasattr(os, "chmod"):
                os.chmod(
                    new_path, 0o600
                )  # MicroPython has none: there the process's umask does it
            f.write(json.dumps(self._tree))
        os.rename(new_path, self._path)
