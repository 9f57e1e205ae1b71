"""make image: what it writes is what it says, and other people's tools take it."""

import hashlib
import json
import pathlib
import subprocess
import sys

import pytest

from tools.image import __main__ as image
from tools.image import littlefs_image, package, romfs_image, tree
from tools.sim.board import find_micropython
from tools.sim.serial import SerialBoard

MPREMOTE = pathlib.Path(sys.executable).parent / "mpremote"
needs_micropython = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """built(board) -> (folder, report), each board once."""
    made = {}

    def make(board):
        if board not in made:
            folder = tmp_path_factory.mktemp("image") / board
            made[board] = folder, image.build(board, folder)
        return made[board]

    return make


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("board", image.BOARDS)
def test_tree_hashes_and_package_agree(built, board):
    folder, report = built(board)
    files = files_below(folder / "tree")
    assert report["fingerprint"] == tree.fingerprint(files) and report["files"] == len(files)
    assert sum(report["bytes"].values()) == sum(map(len, files.values()))
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    listed = json.loads((folder / "package.json").read_text())
    assert listed["version"] == tree.version()
    assert {name: (folder / source).read_bytes() for name, source in listed["urls"]} == files
    assert 1024 * 1024 < report["free_bytes"] < image.FLASH_BYTES - sum(report["bytes"].values())


class Manifest:
    """The functions of a manifest file, with the arguments that docs/reference/manifest.rst of
    MicroPython gives them.
    """

    def __init__(self, path):
        self.folder = path.parent
        self.included, self.files, self.about = [], {}, {}
        names = ("metadata", "include", "package", "module")
        exec(path.read_text(), {name: getattr(self, name) for name in names})

    def metadata(self, description=None, version=None, license=None, author=None):
        assert not self.included and not self.files, "metadata() comes first"
        self.about = {"version": version, "license": license}

    def include(self, manifest_path):
        self.included.append(manifest_path)

    def package(self, package_path, files=None, base_path=".", opt=None):
        base = self.folder / base_path
        found = [p for p in (base / package_path).rglob("*.py")] if files is None else files
        assert found
        self.files |= {p.relative_to(base).as_posix(): p.read_bytes() for p in found}

    def module(self, module_path, base_path=".", opt=None):
        self.files[module_path] = (self.folder / base_path / module_path).read_bytes()


@pytest.mark.parametrize("board", [b for b in image.BOARDS if b != image.VIRTUAL])
def test_the_manifest_freezes_the_whole_program_and_nothing_else(built, board):
    folder, _ = built(board)
    manifest = Manifest(folder / "manifest.py")
    assert manifest.about == {"version": tree.version(), "license": "MIT"}
    assert manifest.included == ["$(PORT_DIR)/boards/manifest.py"]
    assert manifest.files == files_below(folder / "frozen")
    carried = {name for name in files_below(folder / "tree") if name.endswith(("py"))}
    in_release = {
        name.split("/", 1)[1] if name[0] in "ab" and name[1] == "/" else name for name in carried
    }
    assert {name.removesuffix(".py") for name in manifest.files} == {
        name.removesuffix(".mpy").removesuffix(".py") for name in in_release
    }


def test_the_flash_image_holds_the_tree_and_is_the_same_each_time(built):
    folder, report = built(image.VIRTUAL)
    files = files_below(folder / "tree")
    data = (folder / "flash.img").read_bytes()
    assert len(data) == image.FLASH_BYTES
    assert littlefs_image.read(data) == files
    again = dict(reversed(sorted(files.items())))
    assert littlefs_image.write(again, image.FLASH_BYTES) == data
    with pytest.raises(littlefs_image.ImageFull, match="does not fit: .* 64 KiB"):
        littlefs_image.write(files, 64 * 1024)
    used = image.FLASH_BYTES - report["free_bytes"]
    assert littlefs_image.write(files, used) and used % littlefs_image.BLOCK_BYTES == 0


@pytest.mark.parametrize("board", image.BOARDS)
def test_the_rom_holds_a_release_and_rescue_and_is_the_same_each_time(built, board):
    folder, report = built(board)
    files = files_below(folder / "tree")
    wanted = {n.removeprefix("a/"): d for n, d in files.items() if n.startswith(("a/", "rescue/"))}
    data = (folder / "app.romfs").read_bytes()
    assert romfs_image.write(dict(reversed(sorted(wanted.items())))) == data
    assert report["romfs_bytes"] == len(data) < 5 * 64 * 1024  # pages that a chip maps


@needs_micropython
def test_micropython_reads_the_rom(built, tmp_path):
    folder, _ = built(image.VIRTUAL)
    script = """
import os, vfs
with open("app.romfs", "rb") as f:
    vfs.mount(vfs.VfsRom(f.read()), "/rom")
def walk(path):
    for name, kind, _, size in os.ilistdir(path):
        if kind == 0x4000:
            walk(path + "/" + name)
        else:
            with open(path + "/" + name, "rb") as f:
                print(path + "/" + name, size, len(f.read()))
walk("/rom")
"""
    done = subprocess.run([find_micropython(), "-c", script], cwd=folder, capture_output=True)
    files = files_below(folder / "tree")
    wanted = {n.removeprefix("a/"): d for n, d in files.items() if n.startswith(("a/", "rescue/"))}
    lines = {f"/rom/{name} {len(data)} {len(data)}" for name, data in wanted.items()}
    assert set(done.stdout.decode().splitlines()) == lines, done.stderr


def test_a_person_reads_what_was_made(tmp_path, capsys):
    assert image.main(["esp32-c3", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for word in ("rv32imc", "in all", "free of 2 MiB", "package.json", "mpremote mip install"):
        assert word in said
    assert image.main(["virtual", "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arch"] == "x64"
    (tmp_path / "file").write_bytes(b"")
    assert image.main(["virtual", "--out", str(tmp_path / "file")]) == 1
    assert "The image was not built" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        image.main(["esp8266"])
    assert stopped.value.code == 2
    assert "esp32-s3" in capsys.readouterr().err


@needs_micropython
def test_mpremote_mip_installs_the_package_on_an_empty_board(built, tmp_path):
    """Every tenth file, and all beside the program: mip takes a sixth of a second for each."""
    everything = files_below(built(image.VIRTUAL)[0] / "tree")
    names = sorted(everything)
    few = {n: everything[n] for n in {*names[::10], *(n for n in names if n.count("/") < 2)}}
    for name, data in few.items():
        path = tmp_path / package.TREE_FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "package.json").write_bytes(package.package_json(few, "1"))
    with SerialBoard(tmp_path / "board", "SIM-MIP") as board:
        board.equip()
        board.plug_in()
        command = [MPREMOTE, "connect", board.device, "mip", "install", "--target", "/"]
        done = subprocess.run(
            [*map(str, command), "./package.json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        board.pull_cable()
        assert board.read_image() == few
