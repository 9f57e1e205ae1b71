"""Modem port of the virtual recorder: the scripted modem at the end of a line, and a stand-in for
PPP: after CONNECT it is up for as long as the modem carries data. What travels then goes over the
host's loopback, to the hosts that are named for 4G (hal/sim/net.py).
"""

from device.compat import ticks_diff, ticks_ms
from device.hal.sim.at_modem import AtModem

_PPP_UP_MS = 200
_PPP_DOWN_MS = 100


class Modem:
    """spec: see AtModem; beside it has_supply, `ppp_silent` (up, but nothing comes through),
    `ppp_stuck` (does not end), `address`.
    """

    key_on_ms = 500
    key_off_ms = 2_500
    signal_dbm = None
    is_roaming = False

    def __init__(self, spec, drop_all=lambda: None):
        self.spec = spec
        self.modem = AtModem(spec)
        self.baud = spec.get("baud", 460_800)
        self._drop_all = drop_all
        self._key_ticks_ms = None
        self._data = "idle"
        self._data_ticks_ms = 0
        self.starts = 0

    def open(self, baud):
        self.modem.line_baud = baud
        self.modem.give(bytearray(4096))

    def close(self):
        """Nothing to let go of."""

    def write(self, data):
        self.modem.take(data)

    def readinto(self, buf):
        return self.modem.give(buf)

    def key(self, is_down):
        if is_down:
            self._key_ticks_ms = ticks_ms()
            return
        held_ms = ticks_diff(ticks_ms(), self._key_ticks_ms)
        if self.modem.is_on and held_ms >= self.key_off_ms:
            self._power(False)
        elif not self.modem.is_on and held_ms >= self.key_on_ms:
            self._power(True)

    def supply(self, on):
        if not self.spec.get("has_supply", True):
            return False
        self._power(on and self.modem.is_on)  # after supply it waits for its key
        return True

    def _power(self, on):
        if not on and self._data != "idle":
            self._data = "idle"
            self._drop_all()
        if on and self.spec.get("ppp_silent") == "until_power":
            self.spec["ppp_silent"] = False
        self.modem.power(on)

    def start_data(self, auth, user, password):
        self.starts += 1
        self._set_data("joining" if self.modem.data_mode else "failed")

    def _set_data(self, status):
        self._data, self._data_ticks_ms = status, ticks_ms()

    def data_status(self):
        since_ms = ticks_diff(ticks_ms(), self._data_ticks_ms)
        if self._data == "joining" and since_ms >= _PPP_UP_MS and self.modem.data_mode:
            self._set_data("up")
        elif self._data == "ending" and since_ms >= _PPP_DOWN_MS:
            if not self.spec.get("ppp_stuck"):
                self._set_data("idle")
                self.modem.end_data()
        elif self._data == "up" and not self.modem.is_on:
            self._set_data("failed")
        return "up" if self._data == "ending" else self._data

    def stop_data(self):
        if self._data in ("joining", "up"):
            self._drop_all()
            self._set_data("ending")
        elif self._data == "failed":
            self._set_data("idle")

    def is_up(self):
        return self.data_status() == "up"

    def carries(self):
        """True if sockets reach something: what the net port asks."""
        return self.is_up() and not self.spec.get("ppp_silent")

    def rssi_dbm(self):
        return self.signal_dbm

    def address(self):
        if self.data_status() != "up":
            return None
        return self.spec.get("address", "10.64.64.64")
