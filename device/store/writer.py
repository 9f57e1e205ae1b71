"""The open clip: bytes go to flash under the final name, and are durable within a second.

Flushing happens where the medium fills a block (a flush anywhere else makes littlefs copy the
block, so it doubles the erases), and after half a second of audio if no block filled by then.
The clip becomes *closed* when its record says so: close() here syncs the audio, the store then
writes the record. A crash before leaves a record in state `open`: recovery repairs it.

`settled_bytes` may be read by another handle and sent while the clip is still open: whole frames,
synced, in blocks that are full. littlefs copies a block that was synced in part when it goes on
(lfs.c, lfs_ctz_extend), so that another handle would read what the medium has used again since.
"""

from binascii import crc32

from device.compat import sync_file, sync_folder
from device.store.medium import medium_error


class ClipWriter:
    """path of a new file; rate_hz bounds what a cut may cost.

    All methods raise Transient(storage_full) or NeedsOperator(storage_failed).
    """

    def __init__(self, storage, path, rate_hz):
        self.size_bytes = 0
        self.settled_bytes = 0
        self.crc = 0
        # Whoever sends the open clip: called at each settled block from so many bytes on.
        self.tell, self.tell_at_bytes = None, 0
        self._frame_end = 0
        self.has_failed = False  # then the file holds less than was given: recovery must look
        self._storage = storage
        self._max_unsynced_samples = rate_hz // 2
        self._unsynced_samples = 0
        self._block = 0
        self._block_end = storage.block_fill_bytes(0)
        try:
            self._f = open(path, "wb")
            sync_folder(path.rsplit("/", 1)[0])
        except OSError as e:
            raise medium_error(e, "open")

    def write_header(self, data):
        """The codec's streaming header: durable with the first block, outside the running CRC."""
        self._write(data, False)
        self._frame_end = self.size_bytes

    def write(self, data, samples):
        """Append data (a memoryview) that stands for so many samples."""
        self._unsynced_samples += samples
        self._write(data, True)
        self._frame_end = self.size_bytes
        if self._unsynced_samples >= self._max_unsynced_samples:
            self.sync()

    def _write(self, data, is_audio):
        offset = 0
        size = len(data)
        while offset < size:
            end = min(size, offset + self._block_end - self.size_bytes)
            part = data[offset:end]
            try:
                self._f.write(part)
            except OSError as e:
                self.has_failed = True
                raise medium_error(e, "write")
            if is_audio:
                self.crc = crc32(part, self.crc)
            self.size_bytes += end - offset
            offset = end
            if self.size_bytes == self._block_end:
                self._block += 1
                self._block_end += self._storage.block_fill_bytes(self._block)
                self.sync()
                self._settle()

    def _settle(self):
        """A block is full and durable: all frames that ended before are settled."""
        self.settled_bytes = self._frame_end
        if self.tell is not None and self.settled_bytes >= self.tell_at_bytes:
            self.tell()

    def sync(self):
        try:
            sync_file(self._f)
        except OSError as e:
            self.has_failed = True
            raise medium_error(e, "sync")
        self._unsynced_samples = 0

    def close(self):
        """Sync and close the audio file."""
        self.sync()
        try:
            self._f.close()
        except OSError as e:
            raise medium_error(e, "close")

    def abandon(self):
        """Close after a failure; what was synced stays for recovery. Never raises."""
        try:
            self._f.close()
        except OSError:
            pass
