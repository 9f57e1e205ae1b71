"""Button port: a push-button, debounced where its edges arrive."""

from machine import Pin

from device.compat import ThreadSafeFlag, const, ticks_diff, ticks_ms

_QUIET_MS = const(30)


class Button:
    """table: button_* of hal/esp32/boards.py; without a pin nobody ever presses.

    A press is the first edge after 30 quiet milliseconds, with the pin still down when the
    handler runs: a spike of less does not stop a recording. The handler waits while flash is
    erased or TLS calculates, so a very short press may be passed over; the light tells.
    """

    def __init__(self, table):
        self._flag = ThreadSafeFlag()
        self._pressed_level = table["button_level"]
        self._last_ticks_ms = ticks_ms()
        if table["button_pin"] is not None:
            pull = Pin.PULL_DOWN if self._pressed_level else Pin.PULL_UP
            try:
                pin = Pin(table["button_pin"], Pin.IN, pull)
            except ValueError:
                pin = Pin(
                    table["button_pin"], Pin.IN
                )  # can only be read: the board has a resistor
            pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING)

    def _edge(self, pin):
        now = ticks_ms()
        quiet_ms = ticks_diff(now, self._last_ticks_ms)
        self._last_ticks_ms = now
        if pin.value() == self._pressed_level and not 0 <= quiet_ms < _QUIET_MS:
            self._flag.set()

    async def pressed(self):
        await self._flag.wait()
