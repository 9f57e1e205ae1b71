"""recorder flash: what a firmware file says of itself, and the real esptool against a stand-in for
the chip's ROM loader (tools/sim/rom_loader.py).
"""

import hashlib
import random
import struct

import pytest
from field_bench import Person

from tools.recorder import firmware as firmware_module
from tools.recorder import line, loader
from tools.recorder.cli import parser
from tools.recorder.commands.flash import wants_erase
from tools.recorder.errors import ToolError, UsageError
from tools.recorder.firmware import numbers_of, read_firmware
from tools.recorder.ports import Found
from tools.recorder.ui import Ui
from tools.sim.rom_loader import RomLoader

S3, C3, ESP32 = 9, 5, 0
PLACES = {S3: 0, C3: 0, ESP32: 0x1000}


def image(chip=S3, version="v1.28.0", project="micropython", size=0x14000) -> bytes:
    """A file as MicroPython's makeimg.py joins it; it holds nothing but what is looked at."""
    header = b"\xe9\x03\x02\x40" + bytes(8) + struct.pack("<H", chip)
    data = bytearray(random.Random(1).randbytes(size))
    data[: len(header)] = header
    data[32:36] = b"\xff" * 4
    at = 0x10000 - PLACES[chip]
    data[at : at + len(header)] = header
    description = bytes.fromhex("3254cdab") + bytes(12)
    for text, length in ((version, 32), (project, 32), ("12:00", 16), ("Apr 6", 16), ("v5.5", 32)):
        description += text.encode().ljust(length, b"\0")
    data[at + 32 : at + 288] = description.ljust(256, b"\0")
    return bytes(data)


@pytest.fixture
def person(capsys, monkeypatch):
    monkeypatch.setattr(line, "ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr(line, "PROMPT_LIMIT_S", 0.6)
    return Person(capsys, monkeypatch)


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A file that the table knows."""
    path = tmp_path / "ESP32_GENERIC_S3.bin"
    path.write_bytes(image())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(firmware_module.KNOWN_BUILDS, digest, "ESP32_GENERIC_S3 v1.28.0")
    return path


def test_a_firmware_says_what_it_is(tmp_path):
    path = tmp_path / "x.bin"
    for chip, name in ((S3, "esp32s3"), (C3, "esp32c3"), (ESP32, "esp32")):
        path.write_bytes(image(chip))
        found = read_firmware(path)
        assert (found.chip, found.offset) == (name, PLACES[chip])
        assert (found.project, found.version, found.idf_version) == (
            "micropython",
            "v1.28.0",
            "v5.5",
        )
        assert len(found.doubts()) == 1 and "SHA-256" in found.doubts()[0]


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "no firmware of an ESP32"),
        (b"UF2\n" + bytes(600), ".uf2"),
        (image()[0x10000:], "app-bin"),
        (image(size=0x14000)[:0x10010], "cut short"),
        (b"\x7fELF" + bytes(600), "no firmware"),
        (image(S3).replace(struct.pack("<H", S3), struct.pack("<H", 77), 1), "does not know (77)"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, data, said):
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(UsageError) as error:
        read_firmware(path)
    assert said in str(error.value)


def test_doubts(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(image(version="v1.26.1"))
    assert "1.27 or newer" in read_firmware(path).doubts()[0]
    path.write_bytes(image(project="tasmota32"))
    assert "not MicroPython" in read_firmware(path).doubts()[0]
    assert numbers_of("v1.29.0-preview.731.g1c3c2011") == (1, 29) and numbers_of("x") == ()


def test_it_is_written_and_read_back_with_the_real_esptool(tmp_path, known, person):
    with RomLoader(tmp_path) as chip:
        words = ("flash", "--firmware", known, "--board", chip.device)
        code, said = person.run(*words, "--keep", "--dry-run")
        assert code == 0 and not said["written"] and said["mac"] == "0c:8b:95:1d:2e:3f"
        assert chip.flash == b"\xa5" * len(chip.flash)
        code, said = person.run(*words, "--keep")
        assert code == 0 and said["written"] and said["chip"] == "esp32s3", said
        data = known.read_bytes()
        assert chip.flash[: len(data)] == data
        assert chip.flash[-4096:] == b"\xa5" * 4096, "what lies beside it stays"
        code, said = person.run(*words, "--erase")
        assert code == 0 and said["erases"]
        assert chip.flash[: len(data)] == data and chip.flash[-4096:] == b"\xff" * 4096


def test_without_esptools_flasher_the_rom_does_it(tmp_path, known, person):
    with RomLoader(tmp_path) as chip:
        words = ("flash", "--firmware", known, "--board", chip.device)
        code, said = person.run(*words, "--keep", "--no-stub")
        assert code == 0 and said["written"], said
        data = known.read_bytes()
        assert chip.flash[: len(data)] == data and 0x06 not in chip.commands


def test_flash_that_does_not_hold_what_was_written_is_noticed(tmp_path, known, person):
    with RomLoader(tmp_path, damages=True) as chip:
        code, said = person.run("flash", "--firmware", known, "--keep", "--board", chip.device)
        assert code in (1, 4) and "esptool" in said["error"]
        firmware = read_firmware(known)
        with pytest.raises(loader.NotVerified):
            loader.Loader(chip.device).verify(firmware)


def test_the_wrong_chip_and_unknown_builds_and_the_erasing_are_asked_for(tmp_path, known, person):
    other = tmp_path / "ESP32_GENERIC_C3.bin"
    other.write_bytes(image(C3))
    with RomLoader(tmp_path) as chip:
        board = ("--board", chip.device)
        code, said = person.run("flash", "--firmware", other, "--keep", *board)
        assert code == 2 and "--force" in said["error"] and not chip.commands
        code, said = person.run("flash", "--firmware", other, "--keep", "--force", *board)
        assert code == 3 and "is for esp32c3" in said["error"]
        code, said = person.run("flash", "--firmware", known, *board)
        assert code == 2 and "--erase or --keep" in said["error"]
        assert chip.flash == b"\xa5" * len(chip.flash)


def test_a_chip_that_does_not_answer_ends_in_time(tmp_path, known, person, monkeypatch):
    monkeypatch.setattr(loader, "_CONNECT_LIMIT_S", 2.0)
    with RomLoader(tmp_path, is_deaf=True) as chip:
        code, said = person.run("flash", "--firmware", known, "--keep", "--board", chip.device)
        assert code == 3 and "BOOT" in said["error"]


def test_clips_that_wait_are_not_erased_without_a_word(known):
    ui, found = Ui(is_json=True), Found("port", "recorder", "REC-1", {"clips": 3})
    words = ["flash", "--firmware", str(known), "--erase"]
    with pytest.raises(ToolError, match="3 undelivered clips"):
        wants_erase(parser().parse_args(words), ui, found)
    assert wants_erase(parser().parse_args([*words, "--lose-clips"]), ui, found) is True
    found.facts["clips"] = 0
    assert wants_erase(parser().parse_args(words), ui, found) is True
