"""Builds what a board carries: make image BOARD=esp32-s3

Into build/image/<board>/: the tree, its hashes, package.json for mip, manifest.py for those who
freeze it, app.romfs for a board with a partition for it; for the virtual board the littlefs image
that it boots. The same source gives the same bytes, on any machine and day; SOURCE_DATE_EPOCH, if
set, becomes the release's build time.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

from tools.image import littlefs_image, package, romfs_image, tree
from tools.sim.build import HOST_ARCH, ROOT, BuildError

# Flat until boot.py chooses between the releases.
RELEASE = "a"
VIRTUAL = "virtual"
# Boards by the names that people use -> tables of device/hal/esp32/boards.py.
BOARDS = {name.removesuffix("-sd"): name for name in sorted(tree.BOARDS)} | {VIRTUAL: None}
# A flash of 4 MiB has its second half for files, a larger one more
# (ports/esp32/partitions-4MiBplus.csv, ports/esp32/main.c of MicroPython).
FLASH_BYTES = 2048 * 1024


def build(board: str, folder: pathlib.Path, config: bytes | None = None) -> dict:
    """Write the image of a board of BOARDS into folder, anew; returns what was made, for people
    and --json. config: bytes of its config.json. Raises BuildError, ImageFull.
    """
    table = BOARDS[board]
    arch = HOST_ARCH if table is None else tree.arch_of_board(table)
    files = tree.board_tree(arch, RELEASE, board=table, config=config)
    free_bytes = littlefs_image.free_bytes(files, FLASH_BYTES)
    version = tree.version()
    made = {
        "SHA256SUMS": package.sums(files),
        "package.json": package.package_json(files, version),
        "app.romfs": romfs_image.write(tree.rom_files(arch, table)),
    }
    made |= {f"{package.TREE_FOLDER}/{name}": data for name, data in files.items()}
    if table is None:
        made["flash.img"] = littlefs_image.write(files, FLASH_BYTES)
    else:
        sources = tree.frozen_sources()
        made |= {f"{package.FROZEN_FOLDER}/{name}": data for name, data in sources.items()}
        made["manifest.py"] = package.manifest_py(sources, version)
    _write(folder, made)
    return {
        "board": board,
        "arch": arch,
        "version": version,
        "folder": str(folder),
        "fingerprint": tree.fingerprint(files),
        "bytes": tree.sizes(files),
        "files": len(files),
        "flash_bytes": FLASH_BYTES,
        "free_bytes": free_bytes,
        "romfs_bytes": len(made["app.romfs"]),
        "made": sorted({name.split("/")[0] for name in made}),
    }


def _write(folder: pathlib.Path, made: dict[str, bytes]) -> None:
    """Whole or not at all: beside it first, then in its place."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name, data in made.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _show(report: dict) -> None:
    print(f"{report['board']}: version {report['version']}, native code for {report['arch']}\n")
    for group, size in report["bytes"].items():
        print(f"  {group:28}{size:9,}")
    print(f"  {'in all, ' + str(report['files']) + ' files':28}{sum(report['bytes'].values()):9,}")
    print(f"  {'free of 2 MiB for files':28}{report['free_bytes']:9,}")
    where = os.path.relpath(report["folder"])
    print(f"  {'as a ROM file system':28}{report['romfs_bytes']:9,}")
    print(f"\nfingerprint {report['fingerprint']}\n\nIn {where}:")
    for name in report["made"]:
        print(f"  {name:14}{_EXPLAINED[name]}")
    if report["board"] != VIRTUAL:
        print(f"\nOnto a fresh board:  mpremote mip install --target / ./{where}/package.json")


_EXPLAINED = {
    "tree": "every file of a fresh board",
    "SHA256SUMS": "its hashes: cd tree && sha256sum --check ../SHA256SUMS",
    "package.json": "the tree for `mpremote mip install --target /`",
    "frozen": "the same program as source, for a firmware that holds it",
    "manifest.py": "make FROZEN_MANIFEST=… of MicroPython's ESP32 port",
    "app.romfs": "the program for a romfs partition, run in place (docs/memory.md)",
    "flash.img": "littlefs image of the virtual board's flash",
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("board", choices=BOARDS, help="what it is for")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "image")
    parser.add_argument("--config", type=pathlib.Path, help="a config.json to go with it")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(argv)
    try:
        config = options.config.read_bytes() if options.config else None
        report = build(options.board, options.out / options.board, config)
    except (BuildError, littlefs_image.ImageFull, OSError) as error:
        print(f"The image was not built: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report))
    else:
        _show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
