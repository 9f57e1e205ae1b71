"""What lies on a board, file by file (docs/architecture.md, "What lies on a board"): the one place
that knows. The image tool, the technician's tool and the signed bundle all take it from here.

A tree is a dict: path on the board without a leading "/" -> bytes. Nothing in it depends on the
clock, the folder or the order of a directory. No module is in it twice: a stale .py would win over
its .mpy (py/builtinimport.c of MicroPython, stat_file_py_or_mpy).
"""

import hashlib
import json
import pathlib

from device.hal.esp32.boards import BOARDS
from rescue import boot_record
from tools.bundle.roots import trust_files
from tools.sim.build import (
    HOST_ARCH,
    PACKAGES,
    ROOT,
    SOURCE_FILES,
    BuildError,
    build,
    device_sources,
    stamped,
)

ARCH_OF_CHIP = {"esp32": "xtensawin", "esp32s3": "xtensawin", "esp32c3": "rv32imc"}
ARCHS = (*sorted(set(ARCH_OF_CHIP.values())), HOST_ARCH)
RELEASES = ("a", "b")
# The first record that a board is given; boot_record.write goes on from it with the other file.
_FIRST_SEQUENCE = 1

Tree = dict[str, bytes]


def arch_of_board(board: str) -> str:
    """Architecture of a board table of device/hal/esp32/boards.py. Raises BuildError."""
    if board not in BOARDS:
        raise BuildError(f"There is no board {board!r}; one of {', '.join(sorted(BOARDS))}.")
    return ARCH_OF_CHIP[BOARDS[board]["chip"]]


def release_files(arch: str, board: str | None = None, root: pathlib.Path = ROOT) -> Tree:
    """The program, and whom it trusts: path inside the release's folder ("device/app.mpy", …)
    -> bytes. The HAL of other platforms is left out. Raises BuildError if it does not compile or
    is not for the board.
    """
    if board is not None and arch_of_board(board) != arch:
        raise BuildError(f"{board} takes native code of {arch_of_board(board)}, not of {arch}.")
    foreign = "device/hal/esp32/" if arch == HOST_ARCH else "device/hal/sim/"
    compiled = _compiled(arch, root)
    return trust_files(root) | {
        name: data
        for name, data in compiled.items()
        if name.startswith("device/") and not name.startswith(foreign)
    }


def root_files(arch: str, root: pathlib.Path = ROOT) -> Tree:
    """What lies outside the releases and changes rarely: boot.py, main.py and rescue/, without
    its ports of other platforms.
    """
    foreign = "rescue/esp32_" if arch == HOST_ARCH else "rescue/sim_"
    return {
        name: data
        for name, data in _compiled(arch, root).items()
        if name in SOURCE_FILES or (name.startswith("rescue/") and not name.startswith(foreign))
    }


def rom_files(arch: str, board: str | None = None, root: pathlib.Path = ROOT) -> Tree:
    """A release for a ROM partition: all but boot.py and main.py, which only files can be."""
    program = release_files(arch, board, root)
    rescue = {n: d for n, d in root_files(arch, root).items() if n not in SOURCE_FILES}
    listed = release_json(program, version(root), arch)
    return dict(sorted((program | rescue | {"release.json": listed}).items()))


def board_tree(
    arch: str,
    release: str = "a",
    *,
    board: str | None = None,
    config: bytes | None = None,
    root: pathlib.Path = ROOT,
) -> Tree:
    """Everything that lies on a fresh board. release: "a" or "b", or boot_record.NONE for a flat
    tree without a record, as the simulator runs it. board: its table is named in board.json.
    config: bytes of config.json.
    """
    program = release_files(arch, board, root)
    tree = root_files(arch, root)
    if release == boot_record.NONE:
        tree |= program
    else:
        tree |= {f"{release}/{name}": data for name, data in program.items()}
        tree[f"{release}/release.json"] = release_json(program, version(root), arch)
        record = boot_record.encode(_FIRST_SEQUENCE, release, boot_record.NONE, 0)
        tree[f"boot{_FIRST_SEQUENCE & 1}"] = record
    if board is not None:
        tree["board.json"] = json.dumps({"board": board}).encode()
    if config is not None:
        tree["config.json"] = config
    return dict(sorted(tree.items()))


def frozen_sources(root: pathlib.Path = ROOT) -> Tree:
    """The program as source, for people who freeze it into their firmware: names stay long (they
    cost no RAM there), the simulator's ports are left out.
    """
    names = [pathlib.Path(name) for name in SOURCE_FILES]
    for package in PACKAGES:
        names += device_sources(root, package)
    return {
        name.as_posix(): stamped(root, name)
        for name in names
        if not name.as_posix().startswith(("device/hal/sim/", "rescue/sim_"))
    }


def sizes(files: Tree) -> dict[str, int]:
    """Bytes by folder of the program, whatever release it lies in; "." for loose files."""
    groups: dict[str, int] = {}
    for name, data in files.items():
        folders = name.split("/")[:-1]
        depth = 3 if folders and folders[0] in RELEASES else 2
        group = "/".join(folders[:depth]) or "."
        groups[group] = groups.get(group, 0) + len(data)
    return dict(sorted(groups.items()))


def release_json(files: Tree, version: str, arch: str) -> bytes:
    """The list that a release carries of itself: [path, SHA-256, size in bytes], a file a line."""
    lines = [json.dumps([name, digest(files[name]), len(files[name])]) for name in sorted(files)]
    head = f'{{"version": {json.dumps(version)}, "arch": {json.dumps(arch)}, "files": [\n'
    return (head + ",\n".join(lines) + "\n]}\n").encode()


def fingerprint(files: Tree) -> str:
    """One SHA-256 of a whole tree: names and bytes."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {digest(files[name])}\n".encode())
    return total.hexdigest()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def version(root: pathlib.Path = ROOT) -> str:
    """What device/hal/release.py calls this firmware: the board says the same of itself."""
    text = (root / "device" / "hal" / "release.py").read_text()
    return text.split('FIRMWARE_VERSION = "', 1)[1].split('"', 1)[0]


def _compiled(arch: str, root: pathlib.Path) -> Tree:
    if arch not in ARCHS:
        raise BuildError(f"No board takes native code of {arch!r}; one of {', '.join(ARCHS)}.")
    folder = build(root / "build" / f"compiled-{arch}", root, arch)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".mpy")
    }
