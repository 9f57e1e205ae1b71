"""The small ports: clock, Wi-Fi, battery, button, indicator, watchdog, system. All can be
steered.
"""

import asyncio
import sys
import time

from device.compat import ticks_diff, ticks_ms
from device.hal.release import BUILD_UNIX_S, FIRMWARE_VERSION


class ClockPort:
    """The host's clock behind an offset; `rtc: "unset"` in board.json is a board fresh from
    power.
    """

    build_unix_s = BUILD_UNIX_S

    def __init__(self, is_set):
        self._is_set = is_set
        self._offset_s = 0

    def rtc_unix_s(self):
        return self._host_unix_s() + self._offset_s if self._is_set else None

    def set_rtc(self, unix_s):
        self._is_set = True
        self._offset_s = unix_s - self._host_unix_s()

    def step(self, seconds):
        self._offset_s += seconds

    @staticmethod
    def _host_unix_s():
        # time.time() counts from 2000 on some ports of MicroPython.
        epoch_year = time.gmtime(0)[0]
        return int(time.time()) + (946684800 if epoch_year == 2000 else 0)


class Wifi:
    """Networks in reach are a list; joining takes join_ms. Steered: reachable, answers."""

    def __init__(self, networks, join_ms=50):
        self._networks = networks  # ssid -> password
        self._join_ms = join_ms
        self._status = "idle"
        self._joined_ticks_ms = 0
        self.in_reach = True
        self.on_drop = None

    def connect(self, ssid, password):
        self._status = "joining"
        self._joined_ticks_ms = ticks_ms()
        if not self.in_reach or ssid not in self._networks:
            self._status = "not_found"
        elif self._networks[ssid] != password:
            self._status = "refused"

    def status(self):
        if self._status == "joining":
            if ticks_diff(ticks_ms(), self._joined_ticks_ms) >= self._join_ms:
                self._status = "up"
        return self._status

    def disconnect(self):
        self._status = "idle"

    def set_in_reach(self, in_reach):
        self.in_reach = in_reach
        if not in_reach:
            self._status = "not_found"
            if self.on_drop:
                self.on_drop()

    def is_up(self):
        return self.status() == "up"

    def address(self):
        return "192.0.2.7" if self.is_up() else None

    def rssi_dbm(self):
        return -55 if self.is_up() else None


class Battery:
    """level_pct: what it holds, None: a board on the mains."""

    def __init__(self, level_pct=None):
        self.level_pct = level_pct
        self.charging = False

    def percent(self):
        return self.level_pct

    def voltage_mv(self):
        return None if self.level_pct is None else 3300 + 9 * self.level_pct

    def is_charging(self):
        return self.charging


class Button:
    """Pressed from within the loop, so an Event does. (While a ThreadSafeFlag is waited for, each
    turn of the unix port's loop sleeps a millisecond: extmod/modselect.c polls it by the clock.)
    """

    def __init__(self):
        self._event = asyncio.Event()

    def press(self):
        self._event.set()

    async def pressed(self):
        await self._event.wait()
        self._event.clear()


class Indicator:
    def __init__(self, event):
        self._event = event
        self.code = None

    def show(self, code):
        self.code = code
        self._event("indicator", code=code)


class Watchdog:
    """The simulator is the timer: it kills the process when the feeds stay out."""

    def __init__(self, event):
        self._event = event

    def start(self, limit_ms):
        self._event("watchdog", limit_ms=limit_ms)

    def feed(self):
        self._event("fed")


class System:
    """memory: path of the file that stands for RTC memory, or None: it forgets. reason: what was
    in it.
    """

    firmware_version = FIRMWARE_VERSION
    log_folder = "log"

    def __init__(self, device_id, cause, memory=None):
        """memory: path of the file that stands for the RTC's memory, or None."""
        self.device_id = device_id
        self._cause = cause
        self._memory = memory
        self.marked = ""
        if memory and cause != "power_on":
            try:
                with open(memory) as f:
                    self.marked = f.read()
            except OSError:
                pass  # nothing was marked yet
        self.mark("")

    def reset_cause(self):
        return self._cause

    def reset_reason(self):
        # Digits are the numbers of clips in hand: it was not planned.
        is_told = self._cause == "reset" and not self.marked[:1].isdigit()
        return self.marked if is_told else ""

    def mark(self, text):
        if self._memory:
            with open(self._memory, "w") as f:
                f.write(text)

    def reset(self, reason=""):
        if reason:
            self.mark(reason)
        sys.exit(3)  # the simulator starts the board again

    def log_sink(self, text):
        sys.stdout.write(text + "\n")
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
