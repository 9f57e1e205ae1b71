"""Fake of `vfs`, for what happens around a mount: each function says what it is like (chip.py).

What the file systems themselves do is proved on the unix port, which has both for real.
"""

import errno

from host_tests.hal.fakes import chip as _chip


class VfsLfs2:
    def __init__(self, bdev, readsize=32, progsize=32, lookahead=32, mtime=True):
        """like extmod/vfs_lfsx.c (MP_VFS_LFSx(make_new)): mounts, or raises."""
        if "no littlefs" in _chip.chip.partitions:
            raise OSError(errno.EINVAL)
        self.options = (readsize, progsize, lookahead)


class VfsFat:
    def __init__(self, bdev):
        """like extmod/vfs_fat.c (fat_vfs_make_new): a medium without a file system is accepted
        here, mount() refuses it.
        """
        self._has_fat = (_chip.chip.card or {}).get("fat", True)


def mount(fsobj, mount_point):
    """like extmod/vfs.c (mp_vfs_mount) and extmod/vfs_fat.c (vfs_fat_mount)."""
    if mount_point in _chip.chip.mounts:
        raise OSError(errno.EPERM)
    if not getattr(fsobj, "_has_fat", True):
        raise OSError(errno.ENODEV)
    _chip.chip.mounts[mount_point] = fsobj


def umount(mount_point):
    """like extmod/vfs.c (mp_vfs_umount)."""
    if mount_point not in _chip.chip.mounts:
        raise OSError(errno.EINVAL)
    del _chip.chip.mounts[mount_point]
