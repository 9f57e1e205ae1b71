"""A whole update on the virtual board: from the card through the trial to the new program."""

import time

import pytest

from host_tests.conftest import ROOT
from rescue import boot_record
from tools.bundle import form
from tools.image import littlefs_image, tree
from tools.recorder import watching
from tools.sim.board import find_micropython
from tools.sim.build import compile_module
from tools.sim.serial import SerialBoard

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
NEW = "0.9.0"
FLASH_KB = 1024
LIMIT_S = 60


@pytest.fixture(scope="module")
def release(tmp_path_factory, maker):
    """The program of this tree as version 0.9.0: path in its folder -> bytes."""
    folder = tmp_path_factory.mktemp("release")
    source = (ROOT / "device" / "hal" / "release.py").read_text()
    (folder / "release.py").write_text(source.replace(tree.version(), NEW))
    compile_module(folder / "release.py", folder / "r.mpy", "device/hal/release.py", "x64")
    files = tree.release_files("x64") | {"trust/keys": maker.trust}
    files["device/hal/release.mpy"] = (folder / "r.mpy").read_bytes()
    return files


@pytest.fixture
def board(tmp_path, maker):
    """board(files of the release) -> a virtual board that runs from a/, the bundle on its card."""
    made = SerialBoard(tmp_path / "board", "SIM-0008")

    def make(files):
        files = files | {"release.json": tree.release_json(files, NEW, "x64")}
        data = form.sign(form.release(files, NEW, "x64"), maker.key)
        made.equip(flash_kb=FLASH_KB)
        on_flash = tree.board_tree("x64", "a", config=b"{}")
        made.image(None, on_flash | {"a/trust/keys": maker.trust})
        card = littlefs_image.write({"bota-recorder.bundle": data}, FLASH_KB * 1024)
        (made.hardware / "flash.img").write_bytes(card)
        made.plug_in()
        return made

    with made:
        yield make


def said(board) -> str:
    path = board.folder / "serial.log"
    return path.read_text(errors="replace") if path.exists() else ""


def wait_for(board, text, times=1):
    deadline = time.monotonic() + LIMIT_S
    while said(board).count(text) < times:
        assert time.monotonic() < deadline, f"no {text!r} in: {said(board)[-2000:]}"
        time.sleep(0.1)


def watched(board) -> str:
    """What `recorder update` sees on the console, as soon as anything answers there."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        seen = watching.watch(board.device, NEW, time.monotonic(), print)
        if seen != watching.SILENT:
            return seen
    return watching.SILENT


def record_of(board, tmp_path):
    for name in ("boot0", "boot1"):
        (tmp_path / name).unlink(missing_ok=True)
        if name in board.read_image():
            (tmp_path / name).write_bytes(board.read_image()[name])
    return boot_record.read(str(tmp_path) + "/")[1:]


def on_card(board) -> dict[str, bytes]:
    return littlefs_image.read((board.hardware / "flash.img").read_bytes())


def test_from_the_card_to_the_new_program(board, release, tmp_path):
    board = board(release)
    wait_for(board, f"I update version={NEW} installed")
    wait_for(board, f"firmware={NEW}")
    assert watched(board) == watching.ON_TRIAL
    board.pull_cable()
    assert f"firmware={tree.version()}" not in said(board), "it was installed before anything ran"
    assert record_of(board, tmp_path)[:2] == ("a", "b")
    card = on_card(board)
    assert b"tries it now" in card["bota-recorder.txt"] and "bota-recorder.bundle" in card
    lies = {n[2:]: d for n, d in board.read_image().items() if n.startswith("b/")}
    assert lies == release | {"release.json": tree.release_json(release, NEW, "x64")}


def test_a_release_that_cannot_run_is_taken_back_and_not_tried_again(board, release, tmp_path):
    board = board(release | {"device/app.mpy": b"M\x00 this is no module"})
    wait_for(board, f"I update version={NEW} installed")
    wait_for(board, f"firmware={tree.version()}")
    assert watched(board) == watching.TAKEN_BACK
    board.pull_cable()
    assert said(board).count("update version=") == 1
    assert record_of(board, tmp_path)[:2] == ("a", "-")
    assert b"did not prove itself" in on_card(board)["bota-recorder.txt"]
