"""Sleep port: the chip's light and deep sleep, ended by time, the button or the board's sound pin.

What MicroPython's lightsleep does (ports/esp32/modmachine.c, machine_sleep_helper): it arms the
wake-ups that were asked for and calls IDF's esp_light_sleep_start. That stops processors and
peripherals with what they hold, and puts esp_timer, which our ticks are, forward by what the RTC
counted (sleep_modes.c, esp_timer_private_set). The RTC counts an RC oscillator, so a slept hour is
less exact than an hour awake. Wi-Fi does not live through it (IDF, Sleep Modes), USB leaves the
computer, and an edge at a pin goes by unseen: a wake-up is told to the button.

Waking by `wake_on_gpio` is not used: gpio_wakeup_enable makes the pin's interrupt one of level,
which then fires without end while the button is held. A chip without EXT0 (ESP32-C3), or a button
at a pin that the RTC does not have, naps instead and looks at the button in between.
"""

import esp32
import machine

from device.compat import const, ticks_diff, ticks_ms

_NAP_MS = const(80)  # shorter than a press; waking takes a millisecond, so some 2 % awake


class Sleep:
    """button: port; led: what darkens the light, or None; sound_pin: GPIO that is high while it is
    loud, or None.
    """

    # The RC oscillator is calibrated when a sleep begins and drifts with temperature after it
    # (IDF, System Time: RTC clock source). No figure is promised; on the bench to be measured.
    drift_ppm = 10_000

    def __init__(self, button, led, sound_pin):
        self._button = button
        self._led = led
        self.wakes_by = ("time",) if button.pin is None else ("time", "button")
        self._sound = None
        if sound_pin is not None:
            self._sound = machine.Pin(sound_pin, machine.Pin.IN)
            self.wakes_by += ("level",)
        try:
            self._arm()
            self._has_ext = True
        except (AttributeError, ValueError):
            self._has_ext = False
        if button.pin is not None:
            button.rearm(False)

    def light(self, limit_ms):
        if self._led:
            self._led.set(0)  # a lamp that is lit now would stay so
        begun = ticks_ms()
        left_ms = limit_ms
        was_down = self._button.is_down()
        why = "time"
        while left_ms > 0:
            # A button that is held would end every sleep at once: it is only looked at.
            is_armed = self._has_ext and not was_down
            if is_armed:
                self._arm()
            is_nap = not is_armed and self._button.pin is not None
            machine.lightsleep(min(left_ms, _NAP_MS) if is_nap else left_ms)
            if is_armed:
                why = self._reason()
                if self._button.pin is not None:
                    self._button.rearm(why == "button")
            elif self._button.is_down() and not was_down:
                why = "button"
                self._button.rearm(True)
            was_down = self._button.is_down()
            if why != "time":
                break
            left_ms = limit_ms - ticks_diff(ticks_ms(), begun)
        return why

    def deep(self, limit_ms):
        if self._has_ext:
            self._arm()
        if limit_ms is None:
            machine.deepsleep()
        else:
            machine.deepsleep(limit_ms)

    def wake_cause(self):
        return self._reason()

    def _arm(self):
        button = self._button
        if button.pin is not None:
            esp32.wake_on_ext0(button.pin, bool(button.pressed_level))
        if self._sound is not None:
            esp32.wake_on_ext1((self._sound,), esp32.WAKEUP_ANY_HIGH)

    @staticmethod
    def _reason():
        cause = machine.wake_reason()
        if cause == machine.EXT0_WAKE:
            return "button"
        if cause == machine.EXT1_WAKE:
            return "level"
        return "time" if cause == machine.TIMER_WAKE else "other"
