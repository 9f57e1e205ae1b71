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
        self.pressed_level = table["button_level"]
        self._last_ticks_ms = ticks_ms()
        self.pin = None
        if table["button_pin"] is not None:
            self.pin = Pin(table["button_pin"])
            self.rearm(False)

    def rearm(self, is_pressed):
        """Watch the pin, from the start on and again after a sleep: a wake-up leaves the pin with
        the RTC, from where only init() takes it back (machine_pin.c, rtc_gpio_deinit).

        is_pressed: a press ended the sleep; its edge was not seen.
        """
        pull = Pin.PULL_DOWN if self.pressed_level else Pin.PULL_UP
        try:
            self.pin.init(Pin.IN, pull)
        except ValueError:
            self.pin.init(Pin.IN)  # can only be read: the board has a resistor
        self.pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING)
        if is_pressed:
            self._last_ticks_ms = ticks_ms()  # its bouncing is no second press
            self._flag.set()

    def is_down(self):
        return self.pin is not None and self.pin.value() == self.pressed_level

    def _edge(self, pin):
        now = ticks_ms()
        quiet_ms = ticks_diff(now, self._last_ticks_ms)
        self._last_ticks_ms = now
        if pin.value() == self.pressed_level and not 0 <= quiet_ms < _QUIET_MS:
            self._flag.set()

    async def pressed(self):
        await self._flag.wait()
