"""The application that fits the board at the other end of the cable (tools/image/tree.py)."""

from tools.image import tree
from tools.image.tree import digest, fingerprint
from tools.recorder.errors import ToolError
from tools.sim.build import ROOT, BuildError

__all__ = ["apply_script", "arch_of", "digest", "files_for", "fingerprint", "local_version"]

# Index of sys.implementation._mpy >> 10, as docs/reference/mpyfiles.rst of MicroPython lists it.
_ARCHS = {2: "x64", 9: "xtensa", 10: "xtensawin", 11: "rv32imc"}


def arch_of(mpy: int) -> str:
    """The architecture of native code that a board takes. Raises ToolError for one unknown."""
    arch = _ARCHS.get(mpy >> 10 & 0x0F)
    if arch is None:
        raise ToolError(f"No application for this chip (mpy architecture {mpy >> 10 & 0x0F}).")
    return arch


def files_for(arch: str) -> dict[str, bytes]:
    """Everything a fresh board carries but its settings: path on the board -> bytes."""
    try:
        return tree.board_tree(arch)
    except BuildError as error:
        raise ToolError(str(error)) from None


def apply_script() -> bytes:
    """What boot.py runs to make a copy live (device/field/apply.py)."""
    return (ROOT / "device" / "field" / "apply.py").read_bytes()


def local_version() -> str:
    return tree.version()
