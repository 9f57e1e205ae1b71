"""The secrets store of an ESP32 board: NVS, in the format of device/hal/esp32/secrets.py.

A key of more than 15 characters is stored under "#" and its hash, with the key itself before the
value. Counters are 32-bit numbers in a namespace of their own.
"""

import hashlib
from binascii import hexlify

import esp32

from rescue import const

_KEY_CHARS = const(15)
_NOT_FOUND = const(-0x1102)  # ESP_ERR_NVS_NOT_FOUND
_MOST_BYTES = const(4096)


class Secrets:
    """The Secrets port (device/hal/ports.py) but for `version`. Raises OSError where NVS fails."""

    def __init__(self):
        self._texts = esp32.NVS("bota")
        self._counters = esp32.NVS("bota_count")

    def get(self, key):
        name, head = _place(key)
        size = 256
        while True:
            data = bytearray(size)
            try:
                size = self._texts.get_blob(name, data)
                break
            except OSError as e:
                if e.errno == _NOT_FOUND or size >= _MOST_BYTES:
                    return None
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
        self._texts.set_blob(name, head + text.encode())
        self._texts.commit()

    def counter(self, key):
        try:
            return self._counters.get_i32(_place(key)[0])
        except OSError as e:
            if e.errno != _NOT_FOUND:
                raise
            return 0

    def raise_counter(self, key, value):
        if value > self.counter(key):
            self._counters.set_i32(_place(key)[0], value)
            self._counters.commit()


def _place(key):
    """(name in NVS, what stands before the value) of a key."""
    data = key.encode()
    if len(data) <= _KEY_CHARS and not key.startswith("#"):
        return key, b""
    digest = hexlify(hashlib.sha256(data).digest()).decode()
    return "#" + digest[: _KEY_CHARS - 1], data + b"\x00"
