"""The way out: keeps Wi-Fi joined, says "up" or why not. Only a real exchange proves it.

States: down → joining → up, or at rest: put off by who knows that nobody needs it or may use it
(power.keeper). `isconnected()` alone is not believed: after several exchanges in a
row that ended without an answer the network is left and joined again.
"""

import asyncio

from device.compat import (
    WAIT_ERRORS,
    const,
    sleep_ms,
    ticks_add,
    ticks_diff,
    ticks_ms,
    wait_for_ms,
)
from device.errors import DeviceError

_JOIN_LIMIT_MS = const(20_000)
_JOIN_STEP_MS = const(200)
_WATCH_MS = const(1_000)
_RETRY_FIRST_MS = const(2_000)
_RETRY_CAP_MS = const(300_000)
_DEAD_EXCHANGES = const(5)

_REASONS = {"not_found": "wifi_not_found", "refused": "wifi_refused"}


class Link:
    """wifi: port; networks: list of (ssid, password); changed(is_up): told at each change."""

    def __init__(self, wifi, networks, changed, log):
        self._wifi = wifi
        self._networks = networks
        self._changed = changed
        self._log = log
        self._up = False
        self._dead = 0
        self._held = None  # why the radio has to be off
        self._is_resting = False
        self._moved = asyncio.Event()
        self._again_ticks_ms = None  # when the next attempt comes, while one is waited for
        self.reason = "link_down" if networks else "no_wifi_configured"
        self.joins = 0

    def is_up(self):
        return self._up

    def hold(self, reason):
        """Radio off until release(). reason: why, a code of reasons.LANE."""
        if reason != self._held:
            self._held = reason
            self._moved.set()

    def release(self):
        self.hold(None)

    def is_resting(self):
        """True once the radio is off because of hold()."""
        return self._is_resting

    def pause_ms(self):
        """How long the radio is off anyway, until the next attempt to join; 0: it is on."""
        if self._again_ticks_ms is None:
            return 0
        return max(0, ticks_diff(self._again_ticks_ms, ticks_ms()))

    def exchange_succeeded(self):
        """An answer came: the way is open, whatever the answer said."""
        self._dead = 0

    def exchange_failed(self):
        """Name, connection or answer did not come."""
        self._dead += 1

    async def run(self, check_in):
        """Keep the link for ever."""
        retry_ms = _RETRY_FIRST_MS
        while True:
            check_in(_JOIN_LIMIT_MS + _RETRY_CAP_MS)
            self._is_resting = False
            if self._held:
                retry_ms = _RETRY_FIRST_MS
                if self.reason != self._held:
                    self._leave(self._held)
                self._is_resting = True
                await self._pause(_RETRY_CAP_MS)
            elif not self._networks:
                self.reason = "no_wifi_configured"
                await self._pause(_RETRY_CAP_MS)
            elif await self._join():
                retry_ms = _RETRY_FIRST_MS
                await self._watch(check_in)
            else:
                await self._pause(retry_ms)
                retry_ms = min(2 * retry_ms, _RETRY_CAP_MS)

    async def _pause(self, duration_ms):
        """Stay down for so long, or until it is held or released."""
        if self._moved.is_set():
            self._moved.clear()
            return
        self._again_ticks_ms = ticks_add(ticks_ms(), duration_ms)
        try:
            await wait_for_ms(self._moved.wait(), duration_ms)
        except WAIT_ERRORS:
            pass
        self._moved.clear()
        self._again_ticks_ms = None

    async def _join(self):
        ssid, password = self._networks[self.joins % len(self._networks)]
        self.joins += 1
        try:
            self._wifi.connect(ssid, password)
            started = ticks_ms()
            while not self._held and ticks_diff(ticks_ms(), started) < _JOIN_LIMIT_MS:
                status = self._wifi.status()
                if status == "up":
                    self._set(True, "link_down")
                    return True
                if status in ("not_found", "refused", "failed"):
                    break
                await sleep_ms(_JOIN_STEP_MS)
            self._leave(self._held or _REASONS.get(self._wifi.status(), "link_down"))
        except DeviceError as e:
            self._leave("link_down")
            self._log.warning("join failed %s", e)
        return False

    async def _watch(self, check_in):
        while not self._held and self._wifi.status() == "up":
            check_in(60_000)
            if self._dead >= _DEAD_EXCHANGES:
                self._log.warning("link is up and dead exchanges=%d", self._dead)
                break
            await sleep_ms(_WATCH_MS)
        self._leave(self._held or "link_down")

    def _leave(self, reason):
        self._dead = 0
        try:
            self._wifi.disconnect()
        except DeviceError as e:
            self._log.warning("leave failed %s", e)
        self._set(False, reason)

    def _set(self, up, reason):
        if up != self._up or reason != self.reason:
            self._log.info("link %s reason=%s", "up" if up else "down", "-" if up else reason)
        self.reason = reason
        if up != self._up:
            self._up = up
            self._changed(up)

    def as_dict(self):
        state = {"up": self._up, "joins": self.joins, "rssi_dbm": self._wifi.rssi_dbm()}
        if not self._up:
            state["reason"] = self.reason
        return state
