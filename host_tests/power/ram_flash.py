"""Runs on MicroPython: media in RAM whose power can be cut, and the ports that outlive it.

A medium dies at its n-th write or erase (torn: half of it is still done), or fails that one
alone and goes on (`once`), or its n-th call of any kind (`fails_call`). It counts them, and
remembers what was touched, so that it is as new again at little cost.
"""

import os

import vfs

_EIO = -5


class Medium:
    """root "/cut"; sub-classes say how the volume is made and mounted."""

    def __init__(self, blocks, block_bytes):
        self.blocks = blocks
        self.block_bytes = block_bytes
        self.data = bytearray(blocks * block_bytes)
        self._touched = set()
        self.power_on(0, False)
        self.format()
        self._blank = bytes(self.data)
        self._touched = set()

    def renew(self):
        """As it was after format()."""
        for block in self._touched:
            low, high = block * self.block_bytes, (block + 1) * self.block_bytes
            self.data[low:high] = memoryview(self._blank)[low:high]
        self._touched = set()

    def power_on(self, dies_at, torn, once=False, fails_call=0):
        self.operations = self.calls = 0
        self.fails_call = fails_call
        self.is_watched = True  # False: the harness itself reads
        self.dies_at = dies_at
        self.torn = torn
        self.once = once or fails_call > 0
        self.dead = False
        self.failed = False

    def _fails(self):
        """True for the call that is to fail, and while the medium is dead."""
        if self.is_watched and not self.dead:
            self.calls += 1
            if self.calls == self.fails_call:
                self.failed = True
                return True
        return self.dead

    def _operate(self, start, content):
        if self._fails():
            return _EIO
        self.operations += 1
        if self.operations == self.dies_at:
            self.failed = True
            self.dead = not self.once
            content = content[: len(content) // 2] if self.torn else b""
            self._put(start, content)
            return _EIO
        self._put(start, content)
        return 0

    def _put(self, start, content):
        if content:
            first, last = start // self.block_bytes, (start + len(content) - 1) // self.block_bytes
            for block in range(first, last + 1):
                self._touched.add(block)
            self.data[start : start + len(content)] = content

    def readblocks(self, block, buf, offset=0):
        if self._fails():
            return _EIO
        start = block * self.block_bytes + offset
        buf[:] = memoryview(self.data)[start : start + len(buf)]
        return 0

    def unmount(self):
        try:
            vfs.umount("/cut")
        except OSError:
            pass

    def walk(self):
        """(faults of the volume's own structure, clusters that nobody owns)."""
        return [], 0


class Flash(Medium):
    """littlefs on 4 KiB erase blocks."""

    # Without the times of files two runs differ by one operation.
    OPTIONS = {"readsize": 512, "progsize": 32, "lookahead": 512}

    def __init__(self):
        super().__init__(96, 4096)

    def format(self):
        vfs.VfsLfs2.mkfs(self, **self.OPTIONS)

    def mount(self):
        vfs.mount(vfs.VfsLfs2(self, mtime=False, **self.OPTIONS), "/cut")

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            if self.ioctl(6, block):
                return _EIO
            offset = 0
        return self._operate(block * self.block_bytes + offset, buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return self.block_bytes
        if operation == 6:
            return self._operate(argument * self.block_bytes, b"\xff" * self.block_bytes)
        return 0

    def block_fill_bytes(self, index):
        pointers = 0
        while index and not index >> pointers & 1:
            pointers += 1
        return self.block_bytes - 4 * (pointers + 1) if index else self.block_bytes


class Card(Medium):
    """FAT16 on 512-byte sectors, as a small SD card carries it. A torn write ends in the middle
    of its sectors, or of its only one.
    """

    def __init__(self):
        super().__init__(9000, 512)

    def format(self):
        vfs.VfsFat.mkfs(self)

    def mount(self):
        vfs.mount(vfs.VfsFat(self), "/cut")

    def writeblocks(self, block, buf):
        return self._operate(block * 512, buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return self.block_bytes
        return 0

    def block_fill_bytes(self, index):
        return 4096

    def walk(self):
        from fat_walk import Volume

        return Volume(self.data).walk()


class Storage:
    root = "/cut"

    def __init__(self, medium):
        self._medium = medium
        self.block_fill_bytes = medium.block_fill_bytes
        self._total_bytes = medium.blocks * medium.block_bytes

    def free_bytes(self):
        try:
            numbers = os.statvfs(self.root)
        except OSError:
            # As the port of the card does (hal/esp32/storage.py).
            self._medium.unmount()
            self._medium.mount()
            raise
        return numbers[3] * numbers[0] if numbers[3] <= numbers[2] else 0

    def total_bytes(self):
        return self._total_bytes


class Secrets:
    """Survives the power, as NVS does."""

    def __init__(self):
        self.counters = {}

    def counter(self, key):
        return self.counters.get(key, 0)

    def raise_counter(self, key, value):
        self.counters[key] = max(value, self.counter(key))
