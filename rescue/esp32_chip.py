"""The chip of an ESP32 board, as rescue/chip.py promises.

What is taken for granted about MicroPython's port is cited in device/hal/esp32/system.py and held
by the fakes of host_tests/hal: a brown-out shows as power-on, RTC memory tells the two apart.
"""

import sys
from binascii import hexlify

import machine

from rescue.chip import is_reason, numbers_in

MARK = b"bota"  # begins what the product keeps in RTC memory


class Chip:
    def __init__(self):
        self.device_id = hexlify(machine.unique_id()).decode()
        self._watchdog = None
        memory = machine.RTC().memory()
        self._was_alive = memory[: len(MARK)] == MARK
        self._marked = bytes(memory[len(MARK) :]) if self._was_alive else b""

    def cause(self):
        cause = machine.reset_cause()
        if cause == machine.PWRON_RESET:
            return "brown_out" if self._was_alive else "power_on"
        if cause == machine.WDT_RESET:
            return "watchdog"
        if cause == machine.DEEPSLEEP_RESET:
            return "deep_sleep"
        if cause not in (machine.HARD_RESET, machine.SOFT_RESET):
            return "unknown"
        return "planned" if is_reason(self._marked) else "reset"

    def in_hand(self):
        return numbers_in(self._marked)

    def mark(self, text):
        machine.RTC().memory(MARK + text.encode())

    def guard(self, limit_ms):
        # Made again it takes the new limit (machine_wdt.c, mp_machine_wdt_make_new_instance).
        self._watchdog = machine.WDT(timeout=limit_ms)

    def feed(self):
        if self._watchdog is not None:
            self._watchdog.feed()

    def reset(self):
        machine.reset()

    def say(self, text):
        sys.stdout.write(text + "\n")
