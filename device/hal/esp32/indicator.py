"""Indicator port: a plain LED or one addressable one, in the language of hal/lights.py."""

import asyncio

from machine import Pin, bitstream

from device.compat import const, sleep_ms
from device.hal.lights import CODES

_DARK_MS = const(200)
# ns of (0 high, 0 low, 1 high, 1 low) at 800 kHz, colours in the order green, red, blue
# (drivers/led/neopixel/neopixel.py).
_TIMING = (400, 850, 800, 450)


class PlainLed:
    def __init__(self, pin, level):
        self._lit = level
        self._pin = Pin(pin, Pin.OUT, value=1 - level)

    def set(self, colour):
        self._pin.value(self._lit if colour else 1 - self._lit)


class NeoPixel:
    """dim: how far each colour is shifted to the right; the full light blinds and costs 36 mA."""

    def __init__(self, pin, dim):
        self._pin = Pin(pin, Pin.OUT)
        self._dim = dim
        self._grb = bytearray(3)

    def set(self, colour):
        self._grb[0] = (colour >> 8 & 0xFF) >> self._dim
        self._grb[1] = (colour >> 16) >> self._dim
        self._grb[2] = (colour & 0xFF) >> self._dim
        bitstream(self._pin, 0, _TIMING, self._grb)


class Indicator:
    """led: something with set(colour), or None for a board without a light."""

    def __init__(self, led):
        self._led = led
        self._task = None
        self.code = None

    def show(self, code):
        if code not in CODES:
            raise ValueError("not a code: " + code)
        self.code = code
        if self._task is not None:
            self._task.cancel()
        if self._led is not None:
            self._task = asyncio.create_task(self._run(*CODES[code]))

    async def _run(self, colour, flashes, lit_ms, pause_ms):
        while True:
            for _ in range(flashes):
                self._led.set(colour)
                await sleep_ms(lit_ms)
                if not pause_ms:
                    return  # it stays on
                self._led.set(0)
                await sleep_ms(_DARK_MS)
            await sleep_ms(pause_ms)


def open_led(table):
    """The light of a board: led* of hal/esp32/boards.py."""
    if table["led"] == "plain":
        return PlainLed(table["led_pin"], table["led_level"])
    return NeoPixel(table["led_pin"], table["led_dim"]) if table["led"] == "neopixel" else None
