"""Wi-Fi port: the chip's station. One attempt for each connect(); when again is link's to decide.

The driver's own retries are off: it would go on with a wrong password for ever and say
"connecting" all the while. Its status is the reason of the last disconnection, also of one before
this connect(), so a status that has not changed since is not believed at once. disconnect()
switches the radio off: everything begins from one known state, and an idle radio costs 100 mA.
"""

import network

from device.compat import const, ticks_diff, ticks_ms
from device.errors import Transient

_STALE_MS = const(5_000)  # a scan of all channels takes less
_GOT_IP = const(1010)
_IDLE = const(1000)
_CONNECTING = const(1001)
# Reasons of esp_wifi_types.h, which status() passes on (network_wlan.c).
_NOT_FOUND = (201, 210, 211, 212)
_REFUSED = (15, 202, 204)  # four-way handshake, authentication, handshake timeout


class Wifi:
    def __init__(self):
        self._wlan = None
        self._is_asked = False
        self._before = None
        self._asked_ticks_ms = 0

    def connect(self, ssid, password):
        """See the Wi-Fi port. Raises Transient(wifi_error)."""
        try:
            if self._wlan is None:
                self._wlan = network.WLAN(network.STA_IF)
            self._wlan.active(True)
            self._wlan.config(reconnects=0)
            self._wlan.disconnect()
            self._before = self._wlan.status()
            self._wlan.connect(ssid, password or None)
        except (OSError, RuntimeError) as e:
            raise Transient("wifi_error", "Wi-Fi: %s" % e)
        self._is_asked = True
        self._asked_ticks_ms = ticks_ms()

    def status(self):
        if not self._is_asked:
            return "idle"
        code = self._wlan.status()
        if code == self._before:
            if ticks_diff(ticks_ms(), self._asked_ticks_ms) < _STALE_MS:
                return "joining"
        self._before = None
        if code == _GOT_IP:
            return "up"
        if code in (_IDLE, _CONNECTING):
            return "joining"
        if code in _NOT_FOUND:
            return "not_found"
        return "refused" if code in _REFUSED else "failed"

    def is_up(self):
        return self.status() == "up"

    def disconnect(self):
        """See the Wi-Fi port. Raises Transient(wifi_error)."""
        self._is_asked = False
        if self._wlan is None:
            return
        try:
            self._wlan.active(False)
        except (OSError, RuntimeError) as e:
            raise Transient("wifi_error", "Wi-Fi: %s" % e)

    def address(self):
        return self._wlan.ifconfig()[0] if self.is_up() else None

    def rssi_dbm(self):
        try:
            return self._wlan.status("rssi") if self.is_up() else None
        except (OSError, RuntimeError):
            return None  # it went between the two calls
