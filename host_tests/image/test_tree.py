"""tools.image.tree: what lies on a board, the same bytes from any clone on any day."""

import hashlib
import json
import os
import shutil

import pytest

from device.hal.esp32.boards import BOARDS
from host_tests.conftest import ROOT
from rescue import boot_record
from tools.image import tree
from tools.sim.build import BuildError, stamp

RELEASE_PY = 'FIRMWARE_VERSION = "1"\nBUILD_UNIX_S = 1793491200\n'


def clone(target, mtime_s):
    """What a checkout has, with another date and, in its folders, another order."""
    paths = [ROOT / "boot.py", ROOT / "main.py"]
    paths += [*(ROOT / "device").rglob("*.py"), *(ROOT / "rescue").rglob("*.py")]
    paths += [path for path in (ROOT / "trust").rglob("*") if path.is_file()]
    for path in sorted(paths, reverse=True):
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        os.utime(copy, (mtime_s, mtime_s))
    return target


def test_another_clone_in_another_place_of_another_day_gives_the_same_bytes(tmp_path, monkeypatch):
    here = tree.board_tree("rv32imc")
    other = clone(tmp_path / "some where" / "else", 1_000_000_000)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    there = tree.board_tree("rv32imc", root=other)
    assert list(here) == list(there) == sorted(here)
    assert [name for name in here if here[name] != there[name]] == []
    assert not [
        name
        for name, data in there.items()
        if str(tmp_path).encode() in data or str(ROOT).encode() in data
    ]


def test_a_release_carries_its_own_build_time_and_the_floor_never_falls(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert stamp(RELEASE_PY) == RELEASE_PY
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1893456000")
    assert stamp(RELEASE_PY).endswith("BUILD_UNIX_S = 1893456000\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
    assert stamp(RELEASE_PY) == RELEASE_PY
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(BuildError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        stamp(RELEASE_PY)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    with pytest.raises(BuildError, match="BUILD_UNIX_S"):
        stamp("BUILD_UNIX_S = now()\n")


@pytest.mark.parametrize("arch", ["x64", "xtensawin"])
def test_no_module_is_there_twice_and_no_other_platforms_hal(arch):
    files = tree.board_tree(arch)
    modules = [name.rsplit(".", 1)[0] for name in files if name.endswith((".py", ".mpy"))]
    assert len(modules) == len(set(modules)) > 100
    assert {name for name in files if name.endswith(".py")} == {"boot.py", "main.py"}
    hals = {name.split("/")[3] for name in files if name.startswith("a/device/hal/")}
    assert ("sim" in hals) == (arch == "x64") and ("esp32" in hals) == (arch != "x64")
    ports = {name.split("_")[0] for name in files if name.startswith("rescue/") and "_" in name}
    own = "rescue/sim" if arch == "x64" else "rescue/esp32"
    assert ports - {"rescue/boot", "rescue/"} == {own}


def test_every_module_of_the_source_is_in_the_release_of_some_board():
    carried = set(tree.release_files("x64")) | set(tree.release_files("xtensawin"))
    sources = {path.relative_to(ROOT) for path in (ROOT / "device").rglob("*.py")}
    trust = {"trust/keys", "trust/roots"}
    assert carried == trust | {path.with_suffix(".mpy").as_posix() for path in sources}
    rescue = {path.relative_to(ROOT) for path in (ROOT / "rescue").rglob("*.py")}
    expected = {path.with_suffix(".mpy").as_posix() for path in rescue} | {"boot.py", "main.py"}
    assert set(tree.root_files("xtensawin")) | set(tree.root_files("x64")) == expected


def test_a_release_lists_itself_a_file_a_line():
    files = {"device/b.mpy": b"bb", "device/a.mpy": b""}
    text = tree.release_json(files, '1.0 "x"', "rv32imc")
    assert text == tree.release_json(dict(reversed(files.items())), '1.0 "x"', "rv32imc")
    assert json.loads(text) == {
        "version": '1.0 "x"',
        "arch": "rv32imc",
        "files": [
            ["device/a.mpy", hashlib.sha256(b"").hexdigest(), 0],
            ["device/b.mpy", hashlib.sha256(b"bb").hexdigest(), 2],
        ],
    }
    assert [line[2:14] for line in text.decode().splitlines()[1:3]] == [
        "device/a.mpy",
        "device/b.mpy",
    ]
    assert tree.fingerprint(files) != tree.fingerprint(files | {"device/b.mpy": b"bc"})
    assert tree.fingerprint(files) != tree.fingerprint({"device/b.mpy": b"bb"})


@pytest.mark.parametrize("release", ["a", "b"])
def test_a_fresh_board_runs_the_release_that_its_record_names(tmp_path, release):
    files = tree.board_tree("x64", release, config=b"{}")
    (tmp_path / "boot1").write_bytes(files["boot1"])
    assert boot_record.read(str(tmp_path) + "/") == (1, release, boot_record.NONE, 0)
    boot_record.write(release, boot_record.NONE, 1, str(tmp_path) + "/")
    assert boot_record.read(str(tmp_path) + "/")[3] == 1
    listed = json.loads(files[f"{release}/release.json"])
    for path, sha256, size in listed["files"]:
        data = files[f"{release}/{path}"]
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (sha256, size)
    in_release = {name for name in files if name.startswith(release + "/")}
    assert len(listed["files"]) == len(in_release - {f"{release}/release.json"})
    assert files["config.json"] == b"{}"


def test_a_flat_tree_has_no_record():
    files = tree.board_tree("x64", boot_record.NONE)
    assert "device/app.mpy" in files and "rescue/boot_record.mpy" in files
    assert not {"boot0", "boot1", "release.json", "config.json"} & set(files)


def test_every_board_has_its_architecture_and_a_wrong_one_is_refused():
    assert {tree.arch_of_board(board) for board in BOARDS} == {"xtensawin", "rv32imc"}
    assert json.loads(tree.board_tree("rv32imc", board="esp32-c3")["board.json"]) == {
        "board": "esp32-c3"
    }
    with pytest.raises(BuildError, match="esp32-c3 takes native code of rv32imc"):
        tree.release_files("xtensawin", "esp32-c3")
    with pytest.raises(BuildError, match="no board 'esp8266'; one of esp32-c3"):
        tree.release_files("xtensawin", "esp8266")
    with pytest.raises(BuildError, match="armv7m"):
        tree.release_files("armv7m")
