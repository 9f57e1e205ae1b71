"""Runs on MicroPython: a flash in RAM whose power can be cut, and the ports that outlive it."""

import os

import vfs

BLOCKS = 96
BLOCK_BYTES = 4096
# Without the times of files two runs differ by one operation.
MOUNT = {"readsize": 512, "progsize": 32, "lookahead": 512, "mtime": False}


class Flash:
    """A RAM disk that dies at its n-th program or erase, torn or not, and counts them."""

    def __init__(self):
        self.data = bytearray(BLOCKS * BLOCK_BYTES)
        self.blank = None
        self.power_on(0, False)

    def format(self):
        vfs.VfsLfs2.mkfs(self, readsize=512, progsize=32, lookahead=512)
        self.blank = bytes(self.data)

    def power_on(self, dies_at, torn):
        self.operations = 0
        self.dies_at = dies_at
        self.torn = torn
        self.dead = False

    def _operate(self, start, content):
        if self.dead:
            return -5
        self.operations += 1
        if self.operations == self.dies_at:
            self.dead = True
            content = content[: len(content) // 2] if self.torn else b""
        self.data[start : start + len(content)] = content
        return -5 if self.dead else 0

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        start = block * BLOCK_BYTES + offset
        buf[:] = memoryview(self.data)[start : start + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            if self.ioctl(6, block):
                return -5
            offset = 0
        return self._operate(block * BLOCK_BYTES + offset, buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK_BYTES
        if operation == 6:
            return self._operate(argument * BLOCK_BYTES, b"\xff" * BLOCK_BYTES)
        return 0


class Storage:
    root = "/cut"

    def block_fill_bytes(self, index):
        pointers = 0
        while index and not index >> pointers & 1:
            pointers += 1
        return BLOCK_BYTES - 4 * (pointers + 1) if index else BLOCK_BYTES

    def free_bytes(self):
        numbers = os.statvfs(self.root)
        return numbers[3] * numbers[0] if numbers[3] <= numbers[2] else 0

    def total_bytes(self):
        return BLOCKS * BLOCK_BYTES


class Secrets:
    """Survives the power, as NVS does."""

    def __init__(self):
        self.counters = {}

    def counter(self, key):
        return self.counters.get(key, 0)

    def raise_counter(self, key, value):
        self.counters[key] = max(value, self.counter(key))
