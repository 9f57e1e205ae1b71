"""The way over one Wi-Fi network: joins it, knows whether it still stands, leaves it."""

from device.compat import const, sleep_ms, ticks_diff, ticks_ms
from device.errors import DeviceError, Transient

_JOIN_LIMIT_MS = const(20_000)
_JOIN_STEP_MS = const(200)
_RADIO_OFF_MS = const(30_000)
_RUNG_RADIO_OFF = const(2)
_STEPS = ("join", "rejoin", "radio_off")

_REASONS = {"not_found": "wifi_not_found", "refused": "wifi_refused"}


class WifiWay:
    """wifi: port; name: of the network; its password is read anew for each join."""

    kind = "wifi"
    limit_ms = _JOIN_LIMIT_MS + _RADIO_OFF_MS + 10_000
    step = ""

    def __init__(self, wifi, name, secrets):
        self._wifi = wifi
        self.name = name
        self._secrets = secrets

    async def start(self, rung):
        """Join; returns when there is an address. Raises Transient."""
        self.step = _STEPS[min(rung, _RUNG_RADIO_OFF)]
        if rung >= _RUNG_RADIO_OFF:
            await sleep_ms(_RADIO_OFF_MS)  # leaving has put it off
        self._wifi.connect(self.name, self._secrets.get("wifi:" + self.name) or "")
        started = ticks_ms()
        status = "joining"
        while ticks_diff(ticks_ms(), started) < _JOIN_LIMIT_MS:
            status = self._wifi.status()
            if status == "up":
                return
            if status in ("not_found", "refused", "failed"):
                break
            await sleep_ms(_JOIN_STEP_MS)
        raise Transient(_REASONS.get(status, "link_down"), status)

    async def leave(self):
        try:
            self._wifi.disconnect()
        except DeviceError:
            pass  # the driver is confused; the next join begins with the radio off again

    def is_up(self):
        return self._wifi.status() == "up"

    def address(self):
        return self._wifi.address()

    def rssi_dbm(self):
        return self._wifi.rssi_dbm()
