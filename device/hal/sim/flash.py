"""Storage port: VfsLfs2 on a block device in a file that counts its operations.

CPython has no littlefs: there the medium is a folder, and files are synced to the host's disk.
Mount options as on the board: readsize 512 and lookahead 512 need 16 times fewer calls
than the defaults (measured on the counting device), and a file costs 2 KiB of heap.
"""

import os

from device.compat import IS_MICROPYTHON, const
from device.errors import NeedsOperator

_BLOCK_BYTES = const(4096)
_ERASE_STEP_BYTES = const(1024)
_EIO = const(-5)
_AGAIN_MS = const(2_000)


class BlockDevice:
    """File-backed flash of 4 KiB erase blocks. Counts reads, programs, erases (calls) and bytes.

    Returns -5 (EIO) for an error: raising would print tracebacks from finalisers. fail_after:
    operations until it is dead, None for never. is_out: a card that was pulled.
    """

    def __init__(self, path, blocks):
        self._blocks = blocks
        self._erased = b"\xff" * _ERASE_STEP_BYTES
        self.fail_after = None
        self.is_out = False
        self.reads = self.programs = self.erases = 0
        self.read_bytes = self.programmed_bytes = 0
        try:
            self._f = open(path, "r+b")
        except OSError:
            self._f = open(path, "w+b")
            self._f.seek(blocks * _BLOCK_BYTES - 1)
            self._f.write(b"\xff")

    def _dies(self):
        if self.is_out:
            return True
        if self.fail_after is None:
            return False
        self.fail_after -= 1
        return self.fail_after < 0

    def readblocks(self, block, buf, offset=0):
        if self.is_out or (self.fail_after is not None and self.fail_after < 0):
            return _EIO
        self.reads += 1
        self.read_bytes += len(buf)
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.readinto(buf)
        return 0

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            if self.ioctl(6, block):
                return _EIO
            offset = 0
        if self._dies():
            return _EIO
        self.programs += 1
        self.programmed_bytes += len(buf)
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.write(buf)
        return 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK_BYTES
        if operation == 6:
            if self._dies():
                return _EIO
            self.erases += 1
            self._f.seek(argument * _BLOCK_BYTES)
            for _ in range(_BLOCK_BYTES // _ERASE_STEP_BYTES):
                self._f.write(self._erased)
        return 0


class FlashStorage:
    """root, free_bytes(), total_bytes(), block_fill_bytes(i): see the storage port. name: of the
    image beside the program, and of the mount point.
    """

    def __init__(self, folder, size_kb, name="flash", is_out=False):
        self.device = None
        self.is_mounted = not is_out
        self.again_ms = _AGAIN_MS
        if not IS_MICROPYTHON:
            self.root = folder + "/" + name
            self._size_bytes = size_kb * 1024
            os.makedirs(self.root, exist_ok=True)
            return
        self.root = "/" + name
        self.device = BlockDevice(folder + "/" + name + ".img", size_kb // 4)
        self.device.is_out = is_out
        if self.is_mounted:
            self.mount()

    def mount(self):
        """Mount it, again if it was. Raises NeedsOperator(storage_failed)."""
        try:
            self._mount()
        except OSError as e:
            self.is_mounted = False
            raise NeedsOperator("storage_failed", "errno=%s" % e.errno)
        self.is_mounted = True

    def _mount(self):
        if not IS_MICROPYTHON:
            return
        import vfs

        try:
            vfs.umount(self.root)
        except OSError:
            pass  # it was not mounted
        options = {"readsize": 512, "progsize": 32, "lookahead": 512}
        try:
            volume = vfs.VfsLfs2(self.device, **options)
        except OSError:
            # A new image holds no file system yet. The board's own storage never formats by
            # itself.
            if not self._is_blank():
                raise
            vfs.VfsLfs2.mkfs(self.device, **options)
            volume = vfs.VfsLfs2(self.device, **options)
        vfs.mount(volume, self.root)

    def _is_blank(self):
        buf = bytearray(64)
        for block in (0, 1):
            self.device.readblocks(block, buf)
            if buf != bytes(64) and buf != b"\xff" * 64:
                return False
        return True

    def block_fill_bytes(self, index):
        """A littlefs file is a list linked backwards: block i > 0 holds ctz(i) + 1 pointers
        first.
        """
        if index == 0:
            return _BLOCK_BYTES
        pointers = 1
        while not index & 1:
            index >>= 1
            pointers += 1
        return _BLOCK_BYTES - 4 * pointers

    def free_bytes(self):
        if not IS_MICROPYTHON:
            used = 0
            for path, _, names in os.walk(self.root):
                used += sum(os.path.getsize(path + "/" + name) for name in names)
            return max(0, self._size_bytes - used)
        numbers = os.statvfs(self.root)
        # While a file is open littlefs can count below zero, which statvfs shows as a huge number.
        blocks = numbers[3] if numbers[3] <= numbers[2] else 0
        return blocks * numbers[0]

    def total_bytes(self):
        if not IS_MICROPYTHON:
            return self._size_bytes
        numbers = os.statvfs(self.root)
        return numbers[2] * numbers[0]

    def counts(self):
        device = self.device
        if device is None:
            return {}
        return {
            "reads": device.reads,
            "programs": device.programs,
            "erases": device.erases,
            "programmed_bytes": device.programmed_bytes,
        }
