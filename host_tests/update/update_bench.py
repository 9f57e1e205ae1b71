"""A maker with a key, a board's flash as a folder, and bundles for it."""

import hashlib
import io
import json
import pathlib

from device.errors import DeviceError
from device.update import install
from device.update.bundle import Bundle
from rescue import boot_record
from tools.bundle import form, keys

ARCH = "xtensawin"


def release_files(version: str, extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """A small release: two modules, what it trusts, and its list."""
    files = {
        "device/app.mpy": b"M\x06 the program " + version.encode(),
        "device/hal/board.mpy": bytes(range(256)) * 3,
        "trust/keys": b"",
    } | (extra or {})
    listed = [[n, hashlib.sha256(d).hexdigest(), len(d)] for n, d in sorted(files.items())]
    listing = {"version": version, "arch": ARCH, "files": listed}
    return files | {"release.json": json.dumps(listing).encode()}


def is_whole(path: pathlib.Path) -> bool:
    """True if a release's folder has its list, and every file of it with the right hash."""
    try:
        listed = json.loads((path / "release.json").read_text())["files"]
        return all(hashlib.sha256((path / n).read_bytes()).hexdigest() == d for n, d, _ in listed)
    except (OSError, ValueError):
        return False


def below(path: pathlib.Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


class Maker:
    """key: what signs; other_key: what nobody trusts."""

    def __init__(self, folder: pathlib.Path):
        self.key = keys.generate(folder / "maker.pem")
        self.other_key = keys.generate(folder / "other.pem")
        self.trust = keys.trust_line(self.key, "maker").encode()

    def release(self, version: str, key=None, **options) -> bytes:
        extra = {"trust/keys": self.trust} | options.pop("extra", {})
        files = release_files(version, extra)
        made = form.release(files, version, options.pop("arch", ARCH), **options)
        return form.sign(made, key or self.key)

    def signed(self, lines: list, bodies: bytes = b"") -> bytes:
        """Any head at all, signed: lines are JSON values, or bytes as they are."""
        head = b"".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            for line in lines
        )
        unsigned = form.join(head, form.UNSIGNED, bodies)
        signature = keys.sign(self.key, unsigned[:12] + head)
        return form.join(head, signature, bodies)


class Flash:
    """A board's own flash: release 0.1.0 runs from a/, and trusts maker."""

    def __init__(self, path: pathlib.Path, maker: Maker):
        self.path = path
        self.folder = str(path) + "/"
        for name, data in release_files("0.1.0", {"trust/keys": maker.trust}).items():
            file = path / "a" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        boot_record.write("a", boot_record.NONE, 0, self.folder)

    def install(self, data: bytes, running="0.1.0", arch=ARCH, dry_run=False) -> Bundle:
        bundle = Bundle(io.BytesIO(data), memoryview(bytearray(256)))
        install.install(bundle, running, lambda path: None, self.folder, arch, dry_run)
        return bundle

    def refusal(self, data: bytes, **options) -> str | None:
        """The code it is refused with; None if it is not. Any other exception is a fault."""
        try:
            self.install(data, **options)
        except DeviceError as error:
            return error.code
        return None

    def record(self):
        return boot_record.read(self.folder)[1:]
