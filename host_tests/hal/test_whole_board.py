"""The whole application over the ports of a board and a faked chip: a press, speech, a press, and
a clip lies on the flash.
"""

import asyncio
import json
import pathlib
import wave

import pytest

from device import app
from device.hal.esp32 import boards

RATE_HZ = 16000


def sample(frame):
    return (frame * 7919) % 20011 - 10005


@pytest.fixture
def board(chip, tmp_path, monkeypatch):
    from device.hal import console
    from device.hal.esp32 import board as module
    from device.hal.esp32 import storage

    volume = tmp_path / "volume"
    volume.mkdir()
    chip.mounts[str(volume)] = "what the firmware mounted"
    chip.microvolts[boards.BOARDS["esp32-c3"]["battery_pin"]] = 2_000_000
    chip.sound = lambda frame: (sample(frame) << 12, 0)
    (tmp_path / "board.json").write_text('{"board": "esp32-c3"}')
    monkeypatch.chdir(tmp_path)
    flash = storage.FlashStorage
    monkeypatch.setattr(storage, "FlashStorage", lambda: flash(str(volume), str(volume / "rec")))
    monkeypatch.setattr(console.select, "poll", lambda: Quiet())
    secrets = module.open_secrets()  # as boot.py does
    secrets.raise_counter("boot", secrets.counter("boot") + 1)
    return module.build()


class Quiet:
    """A serial line on which nobody types."""

    def register(self, stream, flags):
        pass

    def poll(self, timeout_ms):
        return []


def test_a_take_from_press_to_press_lies_on_the_flash(chip, board, tmp_path, capsys):
    settings = {"recording": {"codec": "wav", "mode": "button", "clip_length_s": 30}}
    supervisor = app.build(board, json.dumps(settings).encode())
    pin = boards.BOARDS["esp32-c3"]["button_pin"]

    async def pass_time(duration_ms):
        for _ in range(0, duration_ms, 20):
            chip.run(20)
            await asyncio.sleep(0.001)

    async def press():
        for level in (0, 1):
            chip.drive(pin, level)
            await pass_time(100)

    async def main():
        running = asyncio.create_task(supervisor.run())
        await pass_time(200)
        await press()
        await pass_time(6000)
        await press()
        await pass_time(500)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
    log = capsys.readouterr().out
    assert "start device=7cdfa1010203" in log and "boot=1 cause=power_on" in log
    clips = [p for p in (tmp_path / "volume" / "rec").rglob("*.wav")]
    assert len(clips) == 1, log
    with wave.open(str(clips[0])) as f:
        samples = memoryview(f.readframes(f.getnframes())).cast("h").tolist()
        assert (f.getframerate(), f.getnchannels()) == (RATE_HZ, 1)
    assert 6 * RATE_HZ <= len(samples) <= 6.3 * RATE_HZ, log
    wrong = [i for i, v in enumerate(samples) if i > 6000 and abs(v - sample(i)) > 400]
    assert wrong == [], "sample for sample, from the driver to the file"
    assert chip.watchdog[0] == 60_000 and "fed" in chip.watchdog
    assert chip.bits_sent, "and the light went on"


def test_faults_of_board_json_stand_in_log_and_status(chip, board, capsys):
    board.faults = ["led_pin: GPIO 35 is not free on esp32c3"]
    app.build(board, None)
    assert "led_pin: GPIO 35 is not free" in capsys.readouterr().out


def test_boot_and_start_name_this_board():
    """What runs first on a board names this HAL, and nothing of it that is not there."""
    root = pathlib.Path(__file__).parents[2]
    from device.hal.esp32 import board as module

    for name, word in (("boot.py", "open_secrets"), ("device/start.py", "build")):
        assert "from device.hal.esp32.board import " + word in (root / name).read_text()
        assert callable(getattr(module, word))


def test_a_board_without_its_medium_says_why_and_looks_again(chip, tmp_path, monkeypatch, capsys):
    import main as program
    from device.errors import NeedsOperator
    from device.hal.esp32 import board as module

    def no_card():
        raise NeedsOperator("storage_failed", "card: is it in, and FAT32?")

    waits = []
    monkeypatch.chdir(tmp_path)  # where the starts are counted
    monkeypatch.setattr(module, "build", no_card)
    monkeypatch.setattr(program.sys, "platform", "esp32")
    monkeypatch.setattr(program.time, "sleep", waits.append)
    with pytest.raises(SystemExit) as ending:
        program.main()
    assert str(ending.value) == "esp_restart" and waits == [program.BUILD_AGAIN_S]
    assert "is it in, and FAT32?" in capsys.readouterr().out
    # It looks again under a watchdog, and that is no crash.
    assert chip.watchdog == [120_000] and chip.rtc_memory == b"botaplanned"
