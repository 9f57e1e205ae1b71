"""The application that fits the board at the other end of the cable (tools/image/tree.py)."""

import functools
import threading

from tools.image import tree
from tools.image.tree import digest
from tools.recorder.errors import ToolError
from tools.sim.build import ROOT, BuildError

__all__ = ["apply_script", "arch_of", "digest", "local_version", "program_for", "root_for"]

_BUILDING = threading.Lock()  # workers of a batch ask at once
# Index of sys.implementation._mpy >> 10, as docs/reference/mpyfiles.rst of MicroPython lists it.
_ARCHS = {2: "x64", 9: "xtensa", 10: "xtensawin", 11: "rv32imc"}


def arch_of(mpy: int) -> str:
    """The architecture of native code that a board takes. Raises ToolError for one unknown."""
    arch = _ARCHS.get(mpy >> 10 & 0x0F)
    if arch not in tree.ARCHS:
        raise ToolError(f"No application for this chip (mpy architecture {mpy >> 10 & 0x0F}).")
    return arch


@functools.cache
def program_for(arch: str) -> dict[str, bytes]:
    """Path inside a release's folder -> bytes. Raises ToolError if it does not compile."""
    return _built(tree.release_files, arch)


@functools.cache
def root_for(arch: str) -> dict[str, bytes]:
    """What lies beside the releases: boot.py, main.py, rescue/."""
    return _built(tree.root_files, arch)


def apply_script() -> bytes:
    """What boot.py runs to make a copy live (device/field/apply.py)."""
    return (ROOT / "device" / "field" / "apply.py").read_bytes()


def local_version() -> str:
    return tree.version()


def _built(make, arch: str) -> dict[str, bytes]:
    try:
        with _BUILDING:
            return make(arch)
    except BuildError as error:
        raise ToolError(str(error)) from None
