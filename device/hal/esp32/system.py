"""Clock, watchdog and system ports: what the chip itself gives."""

import sys
import time

import machine

from device.compat import const, hex_digest
from device.hal.release import BUILD_UNIX_S, FIRMWARE_VERSION

_2000_UNIX_S = 946684800
# machine.reset_cause() folds a brown-out into power-on (modmachine.c). Its memory tells them
# apart: this mark is in RTC memory that only a loss of power forgets (machine_rtc.c,
# RTC_NOINIT_ATTR). What mark() keeps follows it (rescue/esp32_chip.py reads the same).
_MARK = b"bota"
_MARKED_CHARS = const(60)


def _epoch_unix_s():
    """What time.time() counts from on this build."""
    return _2000_UNIX_S if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """The RTC: goes on through resets and deep sleep, begins anew with power."""

    build_unix_s = BUILD_UNIX_S

    def rtc_unix_s(self):
        unix_s = int(time.time()) + _epoch_unix_s()
        return unix_s if unix_s >= self.build_unix_s else None

    def set_rtc(self, unix_s):
        t = time.gmtime(unix_s - _epoch_unix_s())
        machine.RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))


class Watchdog:
    """Once started it survives Ctrl-C and soft resets; only a reset of the chip ends it."""

    def __init__(self):
        self._wdt = None

    def start(self, limit_ms):
        self._wdt = machine.WDT(timeout=limit_ms)

    def feed(self):
        if self._wdt is not None:
            self._wdt.feed()


class System:
    firmware_version = FIRMWARE_VERSION
    log_folder = "log"

    def __init__(self):
        self.device_id = hex_digest(machine.unique_id())
        memory = bytes(machine.RTC().memory())
        was_alive = memory[: len(_MARK)] == _MARK
        self.marked = _text(memory[len(_MARK) :]) if was_alive else ""
        self._cause = _reset_cause(was_alive)
        self.mark("")

    def reset_cause(self):
        return self._cause

    def reset_reason(self):
        # Digits are the numbers of clips in hand: it was not planned.
        is_told = self._cause == "reset" and not self.marked[:1].isdigit()
        return self.marked if is_told else ""

    def mark(self, text):
        machine.RTC().memory(_MARK + text[:_MARKED_CHARS].encode())

    def reset(self, reason=""):
        if reason:
            self.mark(reason)
        machine.reset()

    def log_sink(self, text):
        sys.stdout.write(text + "\n")


def _text(data):
    try:
        return data.decode()
    except UnicodeError:
        return ""


def _reset_cause(was_alive):
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return "brown_out" if was_alive else "power_on"
    if cause == machine.WDT_RESET:
        return "watchdog"
    if cause == machine.DEEPSLEEP_RESET:
        return "deep_sleep"
    return "reset" if cause in (machine.HARD_RESET, machine.SOFT_RESET) else "unknown"
