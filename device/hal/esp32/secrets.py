"""Secrets port: esp32.NVS, a partition of its own that survives a wipe of the file system.

NVS keys have at most 15 characters, network names up to 32 bytes: a long key is stored under its
hash, with the key itself before the value, so that two of one hash are not taken for each other.
Counters are 32-bit numbers in a namespace of their own. Stock firmware does not encrypt it.
"""

import hashlib

import esp32

from device.compat import const, hex_digest
from device.errors import NeedsOperator

_KEY_CHARS = const(15)
_FIRST_BYTES = const(256)
_MOST_BYTES = const(4096)
_NOT_FOUND = const(-0x1102)  # ESP_ERR_NVS_NOT_FOUND
_TOO_SHORT = const(-0x110C)  # ESP_ERR_NVS_INVALID_LENGTH


class Secrets:
    """Raises NeedsOperator(storage_failed) where NVS itself fails. Values never appear in repr."""

    def __init__(self):
        try:
            self._texts = esp32.NVS("bota")
            self._counters = esp32.NVS("bota_count")
        except OSError as e:
            raise _failed(e)
        self.version = 1

    def get(self, key):
        name, head = _place(key)
        size = _FIRST_BYTES
        while True:
            data = bytearray(size)
            try:
                size = self._texts.get_blob(name, data)
                break
            except OSError as e:
                if e.errno == _NOT_FOUND:
                    return None
                if e.errno != _TOO_SHORT or size >= _MOST_BYTES:
                    raise _failed(e)
            size *= 2
        data = bytes(data[:size])
        if data[: len(head)] != head:
            return None  # another key of the same hash
        try:
            return data[len(head) :].decode()
        except UnicodeError:
            return None

    def set(self, key, text):
        name, head = _place(key)
        data = head + text.encode()
        if len(data) > _MOST_BYTES:
            raise ValueError("a secret has at most %d bytes" % _MOST_BYTES)
        try:
            self._texts.set_blob(name, data)
            self._texts.commit()
        except OSError as e:
            raise _failed(e)
        self.version += 1

    def counter(self, key):
        try:
            return self._counters.get_i32(_place(key)[0])
        except OSError as e:
            if e.errno == _NOT_FOUND:
                return 0
            raise _failed(e)

    def raise_counter(self, key, value):
        if value <= self.counter(key):
            return
        try:
            self._counters.set_i32(_place(key)[0], value)
            self._counters.commit()
        except OSError as e:
            raise _failed(e)


def _place(key):
    """(name in NVS, what stands before the value) of a key."""
    data = key.encode()
    if len(data) <= _KEY_CHARS and not key.startswith("#"):
        return key, b""
    return "#" + hex_digest(hashlib.sha256(data).digest())[: _KEY_CHARS - 1], data + b"\x00"


def _failed(e):
    return NeedsOperator("storage_failed", "NVS errno=%s" % e.errno)
