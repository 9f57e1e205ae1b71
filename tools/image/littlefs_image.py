"""A littlefs image of a tree: what a board's own flash holds. A tree goes in, bytes come out.

Only virtual boards are given images. In the field files are copied: where the partition lies
depends on chip and flash (ports/esp32/main.c of MicroPython makes it at boot, behind the last
partition of the table).
"""

import os

from littlefs import LittleFS
from littlefs.errors import LittleFSError

BLOCK_BYTES = 4096
# What MicroPython's littlefs (lib/littlefs) reads without upgrading it.
_DISK_VERSION = 0x00020000


class ImageFull(Exception):
    """One sentence: what does not fit."""


def write(files: dict[str, bytes], size_bytes: int) -> bytes:
    """The image of a file system of that size with these files; the same bytes for the same files.

    Raises ImageFull.
    """
    return bytes(_filled(files, size_bytes).context.buffer)


def free_bytes(files: dict[str, bytes], size_bytes: int) -> int:
    """What is left of a file system of that size, in whole blocks. Raises ImageFull."""
    image = _filled(files, size_bytes)
    return (size_bytes // BLOCK_BYTES - image.used_block_count) * BLOCK_BYTES


def read(data: bytes) -> dict[str, bytes]:
    """Every file of an image."""
    image = LittleFS(block_size=BLOCK_BYTES, block_count=len(data) // BLOCK_BYTES, mount=False)
    image.context.buffer = bytearray(data)
    image.mount()
    found = {}
    for folder, _, names in image.walk("/"):
        for name in names:
            path = folder.rstrip("/") + "/" + name
            with image.open(path, "rb") as f:
                found[path[1:]] = f.read()
    return found


def _filled(files: dict[str, bytes], size_bytes: int) -> LittleFS:
    image = LittleFS(
        block_size=BLOCK_BYTES,
        block_count=size_bytes // BLOCK_BYTES,
        disk_version=_DISK_VERSION,
    )
    for name in sorted(files):
        try:
            image.makedirs(os.path.dirname("/" + name), exist_ok=True)
            with image.open("/" + name, "wb") as f:
                f.write(files[name])
        except LittleFSError as error:
            wanted = sum(map(len, files.values()))
            raise ImageFull(
                f"{name} does not fit: {wanted} bytes in {len(files)} files for a file system of "
                f"{size_bytes // 1024} KiB ({error})."
            ) from None
    return image
