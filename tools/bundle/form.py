"""A bundle as bytes: put together, signed, taken apart again (format: device/update/bundle.py).

Who takes apart here is the laptop: it says what is in a file. What is allowed is the device's.
"""

import dataclasses
import hashlib
import json

from device.update.bundle import ANY_ARCH, LIST, MAGIC, RELEASE, ROOTS, number_of
from device.update.signature import SIGNATURE_BYTES

_HEAD_AT = len(MAGIC) + 4 + SIGNATURE_BYTES
UNSIGNED = bytes(SIGNATURE_BYTES)


class BundleError(Exception):
    """One or two sentences: what is wrong, and what to do."""


@dataclasses.dataclass(frozen=True)
class Read:
    """What a bundle says of itself. signature and signed: what the one must be of."""

    facts: dict
    files: dict[str, bytes]
    signature: bytes
    signed: bytes

    @property
    def is_signed(self) -> bool:
        return self.signature != UNSIGNED


def release(files: dict[str, bytes], version: str, arch: str, downgrade: bool = False) -> bytes:
    """An unsigned bundle of a release. files: as they lie in its folder, release.json included."""
    if LIST not in files:
        raise BundleError(f"A release has a {LIST}.")
    order = sorted(name for name in files if name != LIST) + [LIST]
    return _unsigned(RELEASE, version, arch, downgrade, {name: files[name] for name in order})


def roots(packed: bytes, version: str, downgrade: bool = False) -> bytes:
    """An unsigned bundle of a set of roots (roots.pack)."""
    return _unsigned(ROOTS, version, ANY_ARCH, downgrade, {ROOTS: packed})


def _unsigned(kind: str, version: str, arch: str, downgrade: bool, files: dict) -> bytes:
    try:
        number_of(version)
    except ValueError:
        raise BundleError(f"A version is three numbers, as 1.2.3, not {version!r}.") from None
    facts = {
        "kind": kind,
        "version": version,
        "arch": arch,
        "downgrade": downgrade,
        "files": len(files),
        "bytes": sum(map(len, files.values())),
    }
    lines = [facts] + [[n, len(d), hashlib.sha256(d).hexdigest()] for n, d in files.items()]
    head = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return join(head, UNSIGNED, b"".join(files.values()))


def join(head: bytes, signature: bytes, bodies: bytes) -> bytes:
    return MAGIC + len(head).to_bytes(4, "big") + signature + head + bodies


def sign(bundle: bytes, key) -> bytes:
    """The same bundle with the signature of key (keys.load) in place of what was there."""
    from tools.bundle import keys  # a technician's laptop reads bundles, and lacks `cryptography`

    signature = keys.sign(key, read(bundle).signed)
    return bundle[: len(MAGIC) + 4] + signature + bundle[_HEAD_AT:]


def read(bundle: bytes) -> Read:
    """Take a bundle apart; the hashes of its files are compared. Raises BundleError."""
    if bundle[: len(MAGIC)] != MAGIC:
        raise BundleError("This is no bundle: it does not begin with " + MAGIC.decode() + ".")
    length = int.from_bytes(bundle[len(MAGIC) : len(MAGIC) + 4], "big")
    head = bundle[_HEAD_AT : _HEAD_AT + length]
    try:
        facts, *entries = [json.loads(line) for line in head.splitlines()]
        sizes = {path: (size, digest) for path, size, digest in entries}
    except (ValueError, TypeError):
        raise BundleError("Its head cannot be read: cut off, or damaged.") from None
    files, at = {}, _HEAD_AT + length
    for path, (size, digest) in sizes.items():
        files[path] = bundle[at : at + size]
        at += size
        if hashlib.sha256(files[path]).hexdigest() != digest:
            raise BundleError(f"{path} in it is not what its list says: cut off, or damaged.")
    if at != len(bundle):
        raise BundleError(f"{len(bundle) - at} bytes follow its end.")
    signature = bundle[len(MAGIC) + 4 : _HEAD_AT]
    return Read(facts, files, signature, bundle[: len(MAGIC) + 4] + head)
