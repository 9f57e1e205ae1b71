"""A file system in memory whose power can be cut at each operation that changes it.

It keeps what littlefs promises, with FAT's worse habit where they differ: names appear, change and
go at once and whole; what was written to a file is durable with the next sync or close, all of it
or nothing; opening for writing empties the file at once. Every such operation is a step: `step`
is called before it (then a cut leaves the old state) and after (then the new one).
"""

import errno

_EBADF = errno.EBADF


class Medium:
    """capacity_bytes: of all files. step(what): may raise (a cut, EIO). cost(what, bytes): stalls
    for a "sync" or "commit"; to read costs nothing.

    watch(what, path, data): told of what became durable ("write", "remove"), and where there was
    no room ("full").
    """

    def __init__(self, capacity_bytes, step, cost, watch):
        self.capacity_bytes = capacity_bytes
        self._step = step
        self._cost = cost
        self._watch = watch
        self.files = {}  # path -> bytes that are durable
        self.folders = {"/flash": set()}
        self.used_bytes = 0
        self.open_files = self.most_open = 0
        self.life = 0  # files of an earlier life are dead

    def power_on(self):
        self.life += 1
        self.open_files = 0

    # The module `os`, as far as the device uses it.

    def stat(self, path):
        self._step("read")
        if path in self.files:
            return (0,) * 6 + (len(self.files[path]),)
        if path in self.folders:
            return (0,) * 7
        raise OSError(errno.ENOENT, "no such file")

    def remove(self, path):
        if path not in self.files:
            raise OSError(errno.ENOENT, "no such file")
        self._step("remove")
        self._cost("commit", 0)
        data = self.files.pop(path)
        self.used_bytes -= len(data)
        folder, _, name = path.rpartition("/")
        self.folders[folder].discard(name)
        self._watch("remove", path, data)
        self._step("removed")

    def mkdir(self, path):
        folder, _, name = path.rpartition("/")
        if path in self.folders or path in self.files:
            raise OSError(errno.EEXIST, "is there")
        if folder not in self.folders:
            raise OSError(errno.ENOENT, "no folder")
        self._step("mkdir")
        self._cost("commit", 0)
        self.folders[path] = set()
        self.folders[folder].add(name)
        self._step("made")

    def rmdir(self, path):
        if path not in self.folders:
            raise OSError(errno.ENOENT, "no folder")
        if self.folders[path]:
            raise OSError(errno.ENOTEMPTY, "not empty")
        self._step("rmdir")
        self._cost("commit", 0)
        del self.folders[path]
        folder, _, name = path.rpartition("/")
        self.folders[folder].discard(name)
        self._step("removed")

    def list_dir(self, path):
        if path not in self.folders:
            raise OSError(errno.ENOENT, "no folder")
        self._step("read")
        for name in sorted(self.folders[path]):
            yield name, path + "/" + name in self.folders

    def open(self, path, mode="r"):
        if "w" in mode:
            return _Writer(self, path)
        if path not in self.files:
            raise OSError(errno.ENOENT, "no such file")
        self._step("read")
        return _Reader(self, path)

    def sync_file(self, f):
        f.flush()

    def sync_folder(self, path):
        pass

    # For the harness.

    def room(self):
        return max(0, self.capacity_bytes - self.used_bytes)

    def put(self, path, data):
        """A file that somebody else writes."""
        folder, _, name = path.rpartition("/")
        self.used_bytes += len(data) - len(self.files.get(path, b""))
        self.files[path] = data
        self.folders[folder].add(name)

    def take(self, path):
        data = self.files.pop(path)
        self.used_bytes -= len(data)
        folder, _, name = path.rpartition("/")
        self.folders[folder].discard(name)
        return data

    def create(self, path):
        folder, _, name = path.rpartition("/")
        if folder not in self.folders:
            raise OSError(errno.ENOENT, "no folder")
        self._step("create")
        self._cost("commit", 0)
        before = self.files.get(path)
        self.files[path] = b""
        self.folders[folder].add(name)
        if before:
            self.used_bytes -= len(before)
            self._watch("write", path, b"")
        self._step("created")

    def commit(self, path, data):
        grown = len(data) - len(self.files.get(path, b""))
        if grown > self.room():
            self._watch("full", path, b"")
            raise OSError(errno.ENOSPC, "full")
        self._step("sync")
        self._cost("sync", grown)
        self.files[path] = data
        self.used_bytes += grown
        self._watch("write", path, data)
        self._step("synced")


class _File:
    def __init__(self, medium, path):
        self._medium = medium
        self._life = medium.life
        self._path = path
        self._is_open = True
        medium.open_files += 1
        if medium.open_files > medium.most_open:
            medium.most_open = medium.open_files

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()

    def close(self):
        if self._is_open:
            self._is_open = False
            if self._life == self._medium.life:
                self._medium.open_files -= 1
                self.flush()

    def flush(self):
        pass


class _Writer(_File):
    def __init__(self, medium, path):
        medium.create(path)
        super().__init__(medium, path)
        self._data = bytearray()
        self._is_dirty = False

    def write(self, data):
        medium = self._medium
        if not self._is_open or self._life != medium.life:
            raise OSError(_EBADF, "closed")
        medium._step("write")
        grown = len(self._data) + len(data) - len(medium.files.get(self._path, b""))
        if grown > medium.room():
            medium._watch("full", self._path, b"")
            raise OSError(errno.ENOSPC, "full")
        self._data += data
        self._is_dirty = True
        return len(data)

    def flush(self):
        if self._is_dirty and self._life == self._medium.life:
            self._medium.commit(self._path, bytes(self._data))
            self._is_dirty = False


class _Reader(_File):
    def __init__(self, medium, path):
        super().__init__(medium, path)
        self._data = medium.files[path]
        self._at = 0

    def seek(self, at):
        self._at = at

    def read(self, size=-1):
        self._medium._step("read")
        end = len(self._data) if size < 0 else self._at + size
        data = self._data[self._at : end]
        self._at += len(data)
        return data

    def readinto(self, out):
        self._medium._step("read")
        data = self._data[self._at : self._at + len(out)]
        out[: len(data)] = data
        self._at += len(data)
        return len(data)
