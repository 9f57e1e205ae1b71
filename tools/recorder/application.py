"""The application as a board of a certain chip carries it: which files, with which bytes."""

import hashlib
import pathlib

from tools.recorder.errors import ToolError
from tools.sim.build import ROOT, BuildError, build

# Index of sys.implementation._mpy >> 10, as docs/reference/mpyfiles.rst of MicroPython lists it.
_ARCHS = {2: "x64", 9: "xtensa", 10: "xtensawin", 11: "rv32imc"}
_ENDINGS = (".py", ".mpy")


def arch_of(mpy: int) -> str:
    """The architecture of native code that a board takes. Raises ToolError for one unknown."""
    arch = _ARCHS.get(mpy >> 10 & 0x0F)
    if arch is None:
        raise ToolError(f"No application for this chip (mpy architecture {mpy >> 10 & 0x0F}).")
    return arch


def files_for(arch: str) -> dict[str, bytes]:
    """path on the board -> bytes; the HAL of other boards stays out."""
    try:
        folder = build(ROOT / "build" / f"application-{arch}", arch=arch)
    except BuildError as error:
        raise ToolError(str(error)) from None
    other = "esp32" if arch == "x64" else "sim"
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _ENDINGS and not name.startswith(f"device/hal/{other}/"):
            found[name] = path.read_bytes()
    return found


def apply_script() -> bytes:
    """What boot.py runs to make a copy live (device/field/apply.py)."""
    return (ROOT / "device" / "field" / "apply.py").read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fingerprint(files: dict[str, bytes]) -> str:
    """One hash of the whole application: names and bytes."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {digest(files[name])}\n".encode())
    return total.hexdigest()


def local_version() -> str:
    text = pathlib.Path(ROOT / "pyproject.toml").read_text()
    return text.split('version = "', 1)[1].split('"', 1)[0]
