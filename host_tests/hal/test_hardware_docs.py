"""docs/hardware.md and its picture say what the tables say."""

import re

import pytest

from device.hal.esp32 import boards
from host_tests.conftest import ROOT

TEXT = (ROOT / "docs" / "hardware.md").read_text()
PICTURE = (ROOT / "docs" / "hardware-wiring.svg").read_text()


def test_the_picture_shows_the_reference_boards_pins():
    table = boards.BOARDS["esp32-s3-sd"]
    wired = {v for key, v in table.items() if key.endswith("_pin") and v is not None}
    wired |= set(table["sd_data_pins"])
    shown = {int(n) for n in re.findall(r">GPIO (\d+)<", PICTURE)}
    assert shown == wired


def test_the_table_of_boards_is_true():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE)
    assert len(rows) > 18
    for key, *values in rows:
        found = [str(boards.BOARDS[name][key]) for name in ("esp32-s3-sd", "esp32-sd", "esp32-c3")]
        assert values == found, key
    named = {key for key, *_ in rows} | set(re.findall(r"`(\w+)`", TEXT))
    assert set(boards.BOARDS["esp32-c3"]) - named == {"chip"}


@pytest.mark.parametrize(
    "name, blocks, words",
    [
        ("esp32-s3-sd", 8, "2 × 16 KiB | 32 KiB | 16 KiB | 496 / 240 ms"),
        ("esp32-s3-sd", 16, "2 × 32 KiB | 32 KiB | 32 KiB | 752 / 240 ms"),
        ("esp32-sd", 8, "2 × 12 KiB | 16 KiB | 16 KiB | 304 / 112 ms"),
        ("esp32-c3", 8, "2 × 12 KiB | 24 KiB | 16 KiB | 368 / 176 ms"),
    ],
)
def test_the_microphones_memory_is_what_the_port_makes(chip, name, blocks, words):
    from device.hal.esp32.microphone import Microphone

    microphone = Microphone(boards.BOARDS[name])
    microphone.prepare(16000, 1024, blocks)
    buffer_ms = microphone._frames // 16
    dma_ms = (microphone._dma_frames - 256) // 16  # one DMA buffer is always being written
    found = "2 × %d KiB | %d KiB | %d KiB | %d / %d ms" % (
        len(microphone._raw[0]) // 1024,
        microphone._ibuf_bytes // 1024,
        blocks * 2,
        buffer_ms + dma_ms,
        dma_ms,
    )
    assert found == words and words in TEXT
