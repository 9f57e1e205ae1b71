"""What lies on a virtual recorder's flash, read from outside while it runs, or without power.

The image is read block by block, as littlefs asks for it, and never written. The recorder may
write meanwhile: a look that meets a half-done change fails, and the next one sees it whole.
"""

import pathlib

from littlefs import LittleFS, LittleFSError

from device.store import paths
from device.store.clip import MAGIC, is_valid
from device.store.slots import parse

_BLOCK_BYTES = 4096
_NO_ENTRY = -2


class _Image:
    """A littlefs context over a file that belongs to somebody else."""

    def __init__(self, file):
        self._file = file

    def read(self, cfg, block: int, off: int, size: int) -> bytearray:
        self._file.seek(block * cfg.block_size + off)
        return bytearray(self._file.read(size).ljust(size, b"\xff"))

    def prog(self, cfg, block: int, off: int, data: bytes) -> int:
        raise PermissionError("the flash of a running recorder is only looked at")

    def erase(self, cfg, block: int) -> int:
        raise PermissionError("the flash of a running recorder is only looked at")

    def sync(self, cfg) -> int:
        return 0


def read_clips(board: pathlib.Path) -> dict[int, dict] | None:
    """Clip number -> {"record", "file_bytes"} of every clip on the flash of the board's folder;
    None if it could not be read just now. A record that is torn or missing is None.
    """
    image = board / "flash.img"
    try:
        files = _of_image(image) if image.exists() else _of_folder(board / "flash" / "clips")
    except (OSError, LittleFSError):
        return None
    clips: dict[int, dict] = {}
    newest: dict[int, int] = {}
    for name, (size, data) in files.items():
        found = paths.parse_name(name)
        if found is None:
            continue
        number, extension = found
        clip = clips.setdefault(number, {"record": None, "file_bytes": 0})
        if extension not in ("r0", "r1"):
            clip["file_bytes"] = max(clip["file_bytes"], size)
            continue
        slot = parse(MAGIC, data)
        if slot and slot[0] > newest.get(number, 0) and is_valid(slot[1], number):
            newest[number] = slot[0]
            clip["record"] = slot[1]
    return clips


def _of_image(image: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """File name -> (size, content of a record) below /clips."""
    found = {}
    with image.open("rb") as file:
        blocks = image.stat().st_size // _BLOCK_BYTES
        flash = LittleFS(
            context=_Image(file), block_size=_BLOCK_BYTES, block_count=blocks, mount=False
        )
        flash.mount()
        try:
            for folder, _, names in flash.walk("/clips"):
                for name in names:
                    path = f"{folder}/{name}"
                    data = b""
                    if name[-3:-1] == ".r":
                        with flash.open(path, "rb") as f:
                            data = f.read()
                    found[name] = (flash.stat(path).size, data)
        except LittleFSError as error:
            if error.code != _NO_ENTRY:  # of a flash that no program has used yet
                raise
    return found


def _of_folder(root: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    found = {}
    for path in root.rglob("*.*"):
        try:
            data = path.read_bytes() if path.suffix[:2] == ".r" else b""
            found[path.name] = (path.stat().st_size, data)
        except FileNotFoundError:
            continue  # freed meanwhile
    return found
