"""The tables of boards: sound as shipped, and every wrong change is named and left out."""

import json
import sys
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.errors import NeedsOperator
from device.hal.esp32 import boards


@pytest.mark.parametrize("name", sorted(boards.BOARDS))
def test_the_tables_are_sound(name):
    table = boards.BOARDS[name]
    assert boards.faults_of(table) == []
    assert sorted(table) == sorted(boards.BOARDS["esp32-s3-sd"]), "all have the same keys"


@pytest.mark.parametrize(
    "machine, name",
    [
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "esp32-s3-sd"),
        ("Generic ESP32 module with ESP32", "esp32-sd"),
        ("ESP32C3 module with ESP32C3", "esp32-c3"),
        ("", "esp32-s3-sd"),
    ],
)
def test_a_board_that_nobody_named_is_told_by_its_chip(machine, name):
    assert boards.load(None, machine)[0] == name


WRONG = [
    ("esp32-s3-sd", {"led_pin": 35}, "GPIO 35 is not free on esp32s3"),
    ("esp32-s3-sd", {"led_pin": 4}, "taken by"),
    ("esp32-s3-sd", {"led_pin": True}, "is not free"),
    ("esp32-s3-sd", {"led_pin": None}, "a pin is needed"),
    ("esp32-s3-sd", {"battery_pin": 14}, "ADC2 is Wi-Fi's"),
    ("esp32-s3-sd", {"mic_channel": "middle"}, "one of left, right"),
    ("esp32-s3-sd", {"mic_shift": 17}, "a whole number from 9 to 16"),
    ("esp32-s3-sd", {"mic_shift": "12"}, "a whole number"),
    ("esp32-s3-sd", {"sd_data_pins": [13, 14]}, "a list of 1 or 4 pins"),
    ("esp32-s3-sd", {"sd_data_pins": [13, 14, 38, 12]}, "taken by"),
    ("esp32-s3-sd", {"storage": "sd_spi"}, "a pin is needed"),
    ("esp32-s3-sd", {"sd_slot": 2}, "no slot of esp32s3 for sdmmc"),
    ("esp32-s3-sd", {"chip": "esp32"}, "no such option"),
    ("esp32-s3-sd", {"microphone": 1}, "no such option"),
    ("esp32-sd", {"led_pin": 36}, "can only be read"),
    ("esp32-sd", {"mic_sck_pin": 6}, "is not free on esp32"),
    ("esp32-c3", {"mic_id": 1}, "has no I2S 1"),
    ("esp32-c3", {"button_pin": 18}, "is not free on esp32c3"),
]


@pytest.mark.parametrize("name, change, words", WRONG)
def test_a_wrong_change_is_named_and_left_out(name, change, words):
    found, table, faults = boards.load(json.dumps({"board": name, **change}).encode(), "")
    assert found == name and len(faults) == 1 and words in faults[0], faults
    assert table == boards.BOARDS[name]


def test_sdmmc_of_the_plain_esp32_has_fixed_pins():
    change = {"board": "esp32-sd", "storage": "sdmmc", "sd_slot": 1}
    table = dict(
        boards.BOARDS["esp32-sd"],
        storage="sdmmc",
        sd_slot=1,
        sd_clk_pin=14,
        sd_cmd_pin=15,
        sd_data_pins=[4],
        led_pin=27,
    )
    assert "fixed pins" in boards.faults_of(table)[0]
    assert boards.faults_of(dict(table, sd_data_pins=[2])) == []
    assert boards.load(json.dumps(change).encode(), "")[2], "a change of half of it is refused"


def test_right_changes_hold():
    data = b'{"board": "esp32-s3-sd", "led_pin": 38, "mic_channel": "right", "_note": "rev B"}'
    _, table, faults = boards.load(data, "")
    assert faults == [] and (table["led_pin"], table["mic_channel"]) == (38, "right")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff", b'{"board": "esp9"}', b'{"board":[]}']
)
def test_a_broken_file_leaves_the_chips_own_table(data):
    name, table, faults = boards.load(data, "x with ESP32C3")
    assert (name, table) == ("esp32-c3", boards.BOARDS["esp32-c3"]) and faults


_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
)


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(boards.BOARDS)),
    st.dictionaries(st.sampled_from(sorted(boards.BOARDS["esp32-c3"])), _anything, max_size=6),
)
def test_whatever_the_file_says_the_table_is_sound(name, changes):
    _, table, _ = boards.load(json.dumps({"board": name, **changes}).encode(), "")
    assert boards.faults_of(table) == []


@pytest.mark.parametrize("name", sorted(boards.BOARDS))
def test_a_board_is_built_from_its_table(chip, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.json").write_text(json.dumps({"board": name}))
    table = boards.BOARDS[name]
    put_together(chip, table, monkeypatch)
    from device.hal.esp32 import board as module

    board = module.build()
    assert (board.name, board.faults) == (name, [])
    assert board.limits["upload.max_connections"] == table["max_connections"]
    assert board.storage.root == ("/rec" if table["storage"] == "flash" else "/sd")
    has_spare = table["storage"] != "flash" and table["spare"] == "flash"
    assert [port.root for port in board.media or ()] == (["/sd", "/rec"] if has_spare else [])
    if table["storage"] == "flash" or has_spare:
        assert chip.mounts["/"].options == (512, 32, 512)
    if table["storage"] != "flash":
        assert chip.wired_card["slot"] == table["sd_slot"]
        assert chip.wired_card["pins"]["sck"] == table["sd_clk_pin"]
    assert board.system.device_id == "7cdfa1010203"


def put_together(chip, table, monkeypatch):
    chip.microvolts[table["battery_pin"]] = 2_000_000
    chip.card = {}
    from device.hal import console

    quiet = types.SimpleNamespace(register=lambda stream, flags: None)
    monkeypatch.setattr(console, "select", types.SimpleNamespace(poll=lambda: quiet, POLLIN=1))
    chip.mounts["/"] = "what the firmware mounted"
    monkeypatch.setattr("os.mkdir", lambda path: None)
    monkeypatch.setattr("os.statvfs", lambda path: (32768, 32768, 9, 9, 9, 0, 0, 0, 0, 255))


@pytest.mark.parametrize(
    "card, words", [(None, "is it in, and FAT32"), ({"fat": False}, "is it in, and FAT32")]
)
def test_a_card_that_does_not_mount_says_so_and_is_never_formatted(chip, monkeypatch, card, words):
    from device.hal.esp32.storage import CardStorage

    chip.card = card
    with pytest.raises(NeedsOperator) as error:
        CardStorage(boards.BOARDS["esp32-s3-sd"]).mount()
    assert error.value.code == "storage_failed" and words in str(error.value)
    assert chip.mounts == {}
    assert not hasattr(sys.modules["vfs"].VfsFat, "mkfs"), "the fake has none to call"


@pytest.mark.parametrize("partitions", [[], ["vfs", "no littlefs"]])
def test_flash_that_does_not_mount_leaves_what_is_there(chip, partitions):
    from device.hal.esp32.storage import FlashStorage

    chip.partitions = partitions
    chip.mounts["/"] = "what the firmware mounted"
    with pytest.raises(NeedsOperator):
        FlashStorage()
    assert chip.mounts == {"/": "what the firmware mounted"}


def test_a_card_that_comes_later_is_mounted_from_the_start(chip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_together(chip, boards.BOARDS["esp32-s3-sd"], monkeypatch)
    chip.card = None
    from device.hal.esp32 import board as module

    board = module.build()
    assert board.storage.root == "/rec" and not board.media[0].is_mounted
    with pytest.raises(NeedsOperator):
        board.media[0].mount()
    chip.card = {}
    for _ in range(2):
        board.media[0].mount()
        assert board.media[0].is_mounted and "/sd" in chip.mounts
    assert chip.hosts == 1, "the driver is let go of before it is begun anew"


def test_a_missing_card_is_shown(chip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.json").write_text('{"spare": "none"}')
    table = boards.BOARDS["esp32-s3-sd"]
    put_together(chip, table, monkeypatch)
    chip.card = None
    from device.hal.esp32 import board as module

    with pytest.raises(NeedsOperator):
        module.build()
    assert chip.bits_sent == [(table["led_pin"], bytes([0, 0x0F, 0]))]
