"""A MicroPython firmware file for an ESP32: which chip it is for, which version it is, whether it
is a build that others know.

The file is bootloader, partition table and application in one (ports/esp32/makeimg.py of
MicroPython). It begins where the chip's ROM looks for the bootloader: 0x1000 on ESP32 and S2, 0 on
S3, C3, C6 (esptool, targets/*.py, BOOTLOADER_FLASH_OFFSET); the application lies at 0x10000.
Each image begins with 0xE9, its chip's number is a 16-bit word at 12 (esptool, bin_image.py); an
application describes itself at 32 (esp-idf, esp_app_desc.h): magic word, version at +16, project
name at +48, IDF version at +112.
"""

import dataclasses
import hashlib
import pathlib

from tools.recorder.errors import UsageError

LEAST_VERSION = (1, 27)
_APPLICATION_AT = 0x10000
_IMAGE_MAGIC = 0xE9
_DESCRIPTION_MAGIC = bytes.fromhex("3254cdab")
_MOST_BYTES = 16 << 20

# Number in the image -> (esptool's name of the chip, where the file belongs in flash).
_CHIPS = {
    0: ("esp32", 0x1000),
    2: ("esp32s2", 0x1000),
    5: ("esp32c3", 0),
    9: ("esp32s3", 0),
    13: ("esp32c6", 0),
    23: ("esp32c5", 0x2000),
}

# SHA-256 of official builds from micropython.org. The site publishes none, so each is here as
# projects publish it that downloaded the file and check it: the first one ten projects, the other
# two one project in two places. A build that is not here is not wrong, only unknown: --force.
KNOWN_BUILDS = {
    "cd7820d02c35d34dd403b44263129c6a511b350aea8446c229890753fe240784": (
        "ESP32_GENERIC-20260406-v1.28.0.bin"
    ),
    "8c6039d40024cae3c6b04bb434f77901548f5487df9789af15548c54f9e11d7f": (
        "ESP32_GENERIC_S3-20260406-v1.28.0.bin"
    ),
    "c749c22b6fe00cb8211a3b227ed6c0ce9babb518fd8f5a661f7496eb878fa895": (
        "ESP32_GENERIC_C3-20260406-v1.28.0.bin"
    ),
}


@dataclasses.dataclass
class Firmware:
    """offset: where the file belongs in flash. build: its name if others know it, else ""."""

    path: pathlib.Path
    size_bytes: int
    sha256: str
    chip: str
    offset: int
    project: str
    version: str
    idf_version: str
    build: str

    def doubts(self) -> list[str]:
        """Why a careful person would not write it; --force writes it all the same."""
        found = []
        if self.project != "micropython":
            found.append(f"it is {self.project or 'unnamed'!r}, not MicroPython")
        elif numbers_of(self.version) < LEAST_VERSION:
            least = ".".join(map(str, LEAST_VERSION))
            found.append(f"it is MicroPython {self.version or '?'}; {least} or newer is needed")
        if not self.build:
            found.append(
                "its SHA-256 is none of the few official builds this tool knows: compare it with "
                "where you got it from"
            )
        return found

    def document(self) -> dict:
        return dataclasses.asdict(self) | {"path": str(self.path)}


def read_firmware(path: pathlib.Path) -> Firmware:
    """Raises UsageError with what the file is instead, and what to take."""
    try:
        with path.open("rb") as f:
            data = f.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    chip, offset = _place(path, data)
    at = _APPLICATION_AT - offset
    application = data[at : at + 32 + 256]
    if len(application) < 288 or application[0] != _IMAGE_MAGIC:
        raise UsageError(f"{path}: cut short; no application at 0x10000. Download it again.")
    description = application[32:]
    if description[:4] != _DESCRIPTION_MAGIC:
        raise UsageError(f"{path}: its application does not say what it is. Take another file.")
    digest = hashlib.sha256(data).hexdigest()
    return Firmware(
        path, len(data), digest, chip, offset,
        project=_text(description[48:80]),
        version=_text(description[16:48]),
        idf_version=_text(description[112:144]),
        build=KNOWN_BUILDS.get(digest, ""),
    )  # fmt: skip


def _place(path: pathlib.Path, data: bytes) -> tuple[str, int]:
    """(chip, offset in flash) of the whole file."""
    take = "Take the .bin from micropython.org/download for your board."
    if data[:4] == b"UF2\n":
        raise UsageError(f"{path}: a .uf2 is for copying to a drive. {take}")
    if len(data) < 288 or data[0] != _IMAGE_MAGIC or len(data) > _MOST_BYTES:
        raise UsageError(f"{path}: no firmware of an ESP32. {take}")
    if data[32:36] == _DESCRIPTION_MAGIC:
        raise UsageError(f"{path}: an application alone (.app-bin), without bootloader. {take}")
    number = int.from_bytes(data[12:14], "little")
    if number not in _CHIPS:
        raise UsageError(f"{path}: for a chip that this tool does not know ({number}). {take}")
    return _CHIPS[number]


def numbers_of(version: str) -> tuple[int, ...]:
    """(1, 28) of "v1.28.0-preview.3-g0123"; () if it is none."""
    words = version.lstrip("v").split("-")[0].split(".")
    return tuple(int(word) for word in words[:2]) if all(w.isdigit() for w in words) else ()


def _text(field: bytes) -> str:
    text = field.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(letter for letter in text if letter.isprintable())
