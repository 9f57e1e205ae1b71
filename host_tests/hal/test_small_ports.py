"""What the small ports of a board, but those to the network, do with their drivers' odd ways."""

import asyncio
import hashlib
import io
import json
import sys
import types

import pytest

from device.compat import wait_for_ms
from device.errors import NeedsOperator
from device.hal.esp32 import boards
from device.hal.lights import CODES
from host_tests.hal.fakes import clock as fake_clock

TABLE = boards.BOARDS["esp32-s3-sd"]


# -- secrets ----------------------------------------------------------------------------------


@pytest.fixture
def secrets(chip):
    from device.hal.esp32.secrets import Secrets

    return Secrets()


@pytest.mark.parametrize(
    "key", ["token", "wifi:" + "n" * 32, "wifi:Café am Markt, 1. Stock", "#x"]
)
@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 2000, 4000])
def test_keys_and_values_of_every_length(secrets, chip, key, size):
    text = "s" * size
    secrets.set(key, text)
    assert type(secrets)().get(key) == text
    assert all(len(name.encode()) <= 15 for values in chip.nvs.values() for name in values)


def test_a_value_that_is_too_long_is_refused_before_it_is_written(secrets, chip):
    with pytest.raises(ValueError):
        secrets.set("token", "x" * 5000)
    assert secrets.get("token") is None


def test_two_keys_of_one_hash_are_not_taken_for_each_other(secrets, monkeypatch):
    from device.hal.esp32 import secrets as module

    class OneHash:
        def __init__(self, data):
            pass

        def digest(self):
            return bytes(32)

    monkeypatch.setattr(module, "hashlib", types.SimpleNamespace(sha256=OneHash))
    secrets.set("wifi:a network of length", "first")
    assert secrets.get("wifi:another net of length") is None
    assert secrets.get("wifi:a network of length") == "first"


def test_what_was_not_committed_is_not_there_for_others(secrets, chip):
    """The port commits before it returns; a fake without commit would hide a forgotten one."""
    secrets.raise_counter("clip", 9)
    secrets.set("token", "t")
    assert chip.nvs["bota_count"] == {"clip": 9} and chip.nvs["bota"] == {"token": b"t"}


def test_a_store_that_fails_needs_somebody(secrets, chip, monkeypatch):
    def fail(*arguments):
        raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")

    for name in ("get_blob", "set_blob", "get_i32", "set_i32"):
        monkeypatch.setattr(sys.modules["esp32"].NVS, name, fail)
    calls = (
        lambda: secrets.get("token"),
        lambda: secrets.set("token", "secret"),
        lambda: secrets.counter("boot"),
        lambda: secrets.raise_counter("boot", 1),
    )
    for call in calls:
        with pytest.raises(NeedsOperator) as error:
            call()
        assert error.value.code == "storage_failed" and "secret" not in str(error.value)


def test_a_hashed_name_is_what_a_tool_can_compute(secrets, chip):
    key = "wifi:" + "n" * 32
    secrets.set(key, "p")
    name = "#" + hashlib.sha256(key.encode()).hexdigest()[:14]
    assert chip.nvs["bota"][name] == key.encode() + b"\0p"


# -- clock, reset cause -----------------------------------------------------------------------


def test_the_clock_counts_from_2000_and_says_unix_time(chip):
    from device.hal.esp32.system import Clock

    clock = Clock()
    assert clock.rtc_unix_s() is None
    clock.set_rtc(1_900_000_123)
    chip.run(2000)
    assert clock.rtc_unix_s() == 1_900_000_125
    shown = fake_clock.time() + fake_clock.UNIX_OF_2000
    assert shown == 1_900_000_125, "and so does the chip, whose dates TLS goes by"


@pytest.mark.parametrize(
    "cause, memory, word",
    [
        (1, b"", "power_on"),
        (1, b"noise after power-on", "power_on"),
        (1, b"bota", "brown_out"),
        (2, b"bota", "reset"),
        (3, b"bota", "watchdog"),
        (4, b"bota", "deep_sleep"),
        (5, b"bota", "reset"),
        (0, b"", "unknown"),
    ],
)
def test_reset_causes(chip, cause, memory, word):
    from device.hal.esp32.system import System

    chip.reset_cause, chip.rtc_memory = cause, memory
    assert System().reset_cause() == word
    assert chip.rtc_memory[:4] == b"bota"


# -- battery, button, light -------------------------------------------------------------------


def test_battery(chip):
    from device.hal.esp32.battery import CURVES, Battery, charge_pct

    chip.microvolts[1] = 1_850_000
    battery = Battery(TABLE)
    assert battery.voltage_mv() == 3700 and battery.percent() == 20
    lipo = CURVES["lipo"]
    assert [charge_pct(mv, lipo) for mv in (2500, 3300, 4000, 4150, 4300)] == [0, 0, 78, 100, 100]
    for curve in CURVES.values():
        levels = [charge_pct(mv, curve) for mv in range(2500, 4300)]
        assert levels == sorted(levels) and levels[0] == 0 and levels[-1] == 100
    assert Battery(dict(TABLE, battery_cell="lifepo4")).percent() == 100
    chip.microvolts[1] = None
    assert battery.percent() is None, "a chip without calibration"
    assert not battery.is_charging()
    chip.drive(TABLE["charger_pin"], 0)
    assert battery.is_charging()
    without = Battery(dict(TABLE, battery_pin=None, charger_pin=None))
    assert without.percent() is None and not without.is_charging()


def test_a_charger_pin_that_can_only_be_read_needs_the_boards_resistor(chip):
    """The driver takes the pull-up without a word, and there is none."""
    from device.hal.esp32.battery import Battery

    assert boards.BOARDS["esp32-sd"]["charger_pin"] == 35
    chip.microvolts[34] = 2_000_000
    battery = Battery(dict(TABLE, battery_pin=34, charger_pin=35))
    for level in (1, 0):  # the board's own resistor and the charger
        chip.drive(35, level)
        assert battery.is_charging() == (level == 0)


def presses(chip, edges):
    """How many presses come of edges: list of (ms to wait, level)."""
    from device.hal.esp32.button import Button

    async def main():
        button = Button(TABLE)
        chip.run(100)
        count = 0
        for wait_ms, level in edges:
            chip.run(wait_ms)
            chip.drive(TABLE["button_pin"], level)
            chip.run_scheduled()
            try:
                await asyncio.wait_for(button.pressed(), 0.001)
                count += 1
            except TimeoutError:
                pass
        return count

    return asyncio.run(main())


def test_a_press_that_bounces_is_one(chip):
    bouncing = [(50, 0), (1, 1), (1, 0), (2, 1), (1, 0), (200, 1), (1, 0), (1, 1)]
    assert presses(chip, bouncing) == 1
    assert presses(chip, bouncing * 3) == 3


def test_a_held_button_is_one_press(chip):
    assert presses(chip, [(50, 0), (5000, 1)]) == 1


def test_a_spike_that_is_over_when_the_handler_looks_is_no_press(chip):
    from device.hal.esp32.button import Button

    button = Button(TABLE)
    chip.run(100)
    for level in (0, 1):
        chip.drive(TABLE["button_pin"], level)  # both before the handler runs
    chip.run_scheduled()

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(button.pressed(), 0.01)

    asyncio.run(main())


def lights(chip, led, code, duration_ms=1200):
    """What a light shows of a code, a letter for each 40 ms of real time."""
    from device.hal.esp32.indicator import Indicator

    seen = []

    async def main():
        Indicator(led).show(code)
        for _ in range(duration_ms // 40):
            await asyncio.sleep(0.04)
            seen.append(led.colour)

    led.colour = None
    before = type(led).set

    def note(colour):
        led.colour = colour
        before(led, colour)

    led.set = note
    asyncio.run(main())
    return seen


def test_a_light_flashes_as_the_table_says(chip):
    from device.hal.esp32.indicator import NeoPixel, PlainLed

    led = NeoPixel(48, 4)
    seen = lights(chip, led, "waiting_link", 900)
    changes = [b for a, b in zip([None, *seen], seen, strict=False) if a != b]
    assert changes[:4] == [0xFFFF00, 0, 0xFFFF00, 0]
    assert chip.bits_sent[0] == (48, bytes([0x0F, 0x0F, 0])), "green, red, blue, dimmed"
    assert set(lights(chip, PlainLed(2, 0), "recording", 200)) == {CODES["recording"][0]}
    assert chip.outputs[2] == 0, "lit by a low level"


def test_a_board_without_a_light_shows_nothing_and_knows_it(chip):
    from device.hal.esp32.indicator import Indicator, open_led

    indicator = Indicator(open_led(dict(TABLE, led="none")))
    indicator.show("idle")
    assert indicator.code == "idle"
    with pytest.raises(ValueError):
        indicator.show("disco")


# -- console ----------------------------------------------------------------------------------


class Serial:
    """stdin and stdout of a board: bytes come one by one, a read of more would wait."""

    def __init__(self, data):
        self._data = io.BytesIO(data)
        self.buffer = self

    def read(self, size):
        assert size == 1
        return self._data.read(1)

    def poll(self, timeout_ms):
        return self._data.tell() < len(self._data.getvalue())

    def register(self, stream, flags):
        assert stream is sys.stdin


def commands(chip, monkeypatch, data):
    from device.hal import console

    serial = Serial(data)
    monkeypatch.setattr(sys, "stdin", serial)
    monkeypatch.setattr(console, "select", types.SimpleNamespace(poll=lambda: serial, POLLIN=1))
    monkeypatch.setattr(console, "_LOOK_MS", 0)

    async def main():
        port, found = console.Console(), []
        try:
            while True:
                found.append(await wait_for_ms(port.next_command(), 60))
        except (OSError, asyncio.TimeoutError):
            return found

    return asyncio.run(main())


def test_commands_between_rubbish(chip, monkeypatch):
    data = (
        b'\r\n{"do":"status","id":1}\r\nls\n\xe2{"do"\n' + b"x" * 9000 + b'\n{"do":"record"}\n{"do'
    )
    found = commands(chip, monkeypatch, data)
    assert found == [{"do": "status", "id": 1}, {"do": "record"}]


def test_answers_are_lines_of_json(chip, monkeypatch, capsys):
    from device.hal.console import Console

    commands(chip, monkeypatch, b"")
    Console().reply({"do": "status", "id": 7}, {"a": [1, "é"]})
    assert json.loads(capsys.readouterr().out) == {"answer": 7, "value": {"a": [1, "é"]}}
