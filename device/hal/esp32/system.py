"""Clock, watchdog and system ports: what the chip itself gives."""

import sys
import time

import machine

from device.compat import const, hex_digest
from device.hal.release import BUILD_UNIX_S, FIRMWARE_VERSION

_2000_UNIX_S = 946684800
# machine.reset_cause() folds a brown-out into power-on (modmachine.c). Its memory tells them
# apart: this mark is in RTC memory that only a loss of power forgets (machine_rtc.c,
# RTC_NOINIT_ATTR). Behind it stands why we reset the board ourselves.
_MARK = b"bota"
_REASON_CHARS = const(60)


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

    def __init__(self):
        self.device_id = hex_digest(machine.unique_id())
        self._cause, self._reason = _look_back()

    def reset_cause(self):
        return self._cause

    def reset_reason(self):
        return self._reason

    def reset(self, reason=""):
        machine.RTC().memory(_MARK + reason[:_REASON_CHARS].encode())
        machine.reset()

    def log_sink(self, text):
        sys.stdout.write(text + "\n")


def _look_back():
    """(reset cause, reason that reset() was given), of the memory that is made anew with it."""
    cause = machine.reset_cause()
    memory = machine.RTC()
    kept = memory.memory()
    was_alive = kept[: len(_MARK)] == _MARK
    memory.memory(_MARK)
    if cause == machine.PWRON_RESET:
        return "brown_out" if was_alive else "power_on", ""
    if cause == machine.WDT_RESET:
        return "watchdog", ""
    if cause == machine.DEEPSLEEP_RESET:
        return "deep_sleep", ""
    if cause not in (machine.HARD_RESET, machine.SOFT_RESET):
        return "unknown", ""
    try:
        return "reset", kept[len(_MARK) :].decode() if was_alive else ""
    except UnicodeError:
        return "reset", ""
