"""The set of trusted roots as boards carry it, packed from trust/roots/ for rescue/roots.py.

trust/roots/*.der are the certificates, trust/roots/version orders the sets; trust/README.md says
where each comes from.
"""

import pathlib
import zlib

from device.update.bundle import number_of
from rescue.roots import MAGIC, MOST_BYTES
from tools.bundle.form import BundleError
from tools.sim.build import ROOT

FOLDER = ROOT / "trust" / "roots"


def version(folder: pathlib.Path = FOLDER) -> str:
    return (folder / "version").read_text().strip()


def pack(folder: pathlib.Path = FOLDER) -> bytes:
    """The certificates of a folder as one set. Raises BundleError if a board could not use it."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.der"))}
    if not found:
        raise BundleError(f"No certificate in {folder} (*.der).")
    for name, data in found.items():
        if data[:2] != b"\x30\x82" or len(data) != 4 + int.from_bytes(data[2:4], "big"):
            raise BundleError(
                f"{name} is not one certificate as DER. `openssl x509 -outform der` makes one."
            )
    rest = b"".join(found.values())
    if len(rest) > MOST_BYTES:
        raise BundleError(f"{len(rest)} bytes of roots; a board takes {MOST_BYTES}.")
    try:
        number = number_of(version(folder))
    except (OSError, ValueError):
        raise BundleError(f"{folder}/version: a version as 2026.11.26 orders the sets.") from None
    return f"{MAGIC} {number} {zlib.crc32(rest):08x} {len(rest)}\n".encode() + rest


def trust_files(root: pathlib.Path = ROOT) -> dict[str, bytes]:
    """What a release carries to trust others by: its roots, and the keys that sign updates."""
    trust = root / "trust"
    return {"trust/keys": (trust / "keys").read_bytes(), "trust/roots": pack(trust / "roots")}
