"""A ROM file system of a release: what lies in a board's `romfs` partition and is executed there.

MicroPython takes bytecode, texts and names of such a file system from where they lie
(py/persistentcode.c, mp_reader_try_read_rom), so they cost no heap. A partition of that name is
mounted at /rom and goes last into sys.path before boot.py runs (extmod/vfs.c,
mp_vfs_mount_romfs_protected; py/runtime.c, mp_init). The format is written by mpremote's own code.
"""

from mpremote.romfs import VfsRomWriter


def write(files: dict[str, bytes]) -> bytes:
    """The image of these files; the same bytes for the same files."""
    writer = VfsRomWriter()
    _put(writer, files, "")
    return bytes(writer.finalise())


def _put(writer: VfsRomWriter, files: dict[str, bytes], folder: str) -> None:
    names = {name[len(folder) :].split("/")[0] for name in files if name.startswith(folder)}
    for name in sorted(names):
        if folder + name in files:
            writer.mkfile(name, files[folder + name])
        else:
            writer.opendir(name)
            _put(writer, files, f"{folder}{name}/")
            writer.closedir()
