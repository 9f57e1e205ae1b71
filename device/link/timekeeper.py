"""Keeps the clock told: asks NTP when the link comes up, and again every few hours."""

import asyncio

from device.compat import WAIT_ERRORS, const, forget_module, wait_for_ms
from device.errors import DeviceError

_RETRY_FIRST_MS = const(2_000)
_RETRY_CAP_MS = const(300_000)
_RESYNC_MS = const(6 * 3600 * 1000)


class TimeKeeper:
    """Asks NTP when the link is up and the time is not known or old."""

    def __init__(self, net, clock, link, server, random_bits, log):
        self._net = net
        self._clock = clock
        self._link = link
        self._server = server
        self._random_bits = random_bits
        self._log = log
        self._wake = asyncio.Event()
        self._silent_until_up_ms = 0  # a server said so: whatever wakes us, it is not asked before

    def notify(self):
        self._wake.set()

    async def run(self, check_in):
        retry_ms = _RETRY_FIRST_MS
        while True:
            pause_ms = _RESYNC_MS
            check_in(_RESYNC_MS + 60_000)
            silent_ms = self._silent_until_up_ms - self._clock.uptime_ms()
            if silent_ms > 0:
                pause_ms = silent_ms
            elif not self._link.is_up():
                pause_ms = 60_000
            else:
                # Needed a few times a day: it is loaded for a question and let go of again.
                from device.link import ntp

                nonce = b"".join(self._random_bits(32).to_bytes(4, "big") for _ in range(2))
                try:
                    unix_ms, uncertainty_ms = await ntp.ask(self._net, self._server, nonce)
                    self._clock.witness(unix_ms, uncertainty_ms, "ntp")
                    self._link.time_came()
                    retry_ms = _RETRY_FIRST_MS
                except DeviceError as e:
                    self._log.warning("ntp failed %s", e)
                    asked_ms = 1000 * (getattr(e, "retry_after_s", None) or 0)
                    self._silent_until_up_ms = self._clock.uptime_ms() + asked_ms
                    pause_ms = max(retry_ms, asked_ms)
                    retry_ms = min(2 * retry_ms, _RETRY_CAP_MS)
                forget_module("device.link.ntp")
            try:
                await wait_for_ms(self._wake.wait(), pause_ms)
            except WAIT_ERRORS:
                pass
            self._wake.clear()
