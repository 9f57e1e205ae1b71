"""The rest of an ESP32 board: medium, radio, names, time and console.

Wiring and formats as in device/hal/esp32/ (boards.py, storage.py, wifi.py, net.py, system.py);
what is taken for granted about MicroPython's port is cited there.
"""

import json
import os
import select
import socket
import sys
import time

import machine
import network
import vfs

from rescue import const
from rescue.ends import LATER, End

_GOT_IP = const(1010)
_JOIN_MS = const(20_000)
_SLICE_MS = const(200)
_2000_UNIX_S = const(946684800)
_LEAST_UNIX_S = const(1793491200)  # 2026-11-01: a clock before it was never set
_LINE_BYTES = const(1024)
_BYTES_A_LOOK = const(256)
_CODES = {201: "wifi_not_found", 202: "wifi_refused", 204: "wifi_refused", 15: "wifi_refused"}


class Board:
    haste = 1  # how much faster hours pass; more than 1 in the simulator only

    def __init__(self):
        self._wlan = None
        self._line = b""
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def mount(self):
        """Mount the medium and return its root. Raises OSError."""
        from rescue import esp32_pins

        table = esp32_pins.read(sys.implementation._machine)
        if table["storage"] == "flash":
            try:
                os.mkdir("/rec")
            except OSError:
                pass  # it is there already
            return "/rec"
        card = None
        try:
            card = machine.SDCard(**esp32_pins.wiring(table, machine.Pin))
            card.info()  # raises where a card that does not answer reads as rubbish
            vfs.mount(vfs.VfsFat(card), "/sd")
        except (OSError, ValueError) as e:
            if card is not None:
                card.deinit()  # a host begun once is refused the second time (sdmmc_host_init)
            raise OSError(getattr(e, "errno", None) or 22)
        return "/sd"

    def roots(self):
        from rescue.roots import certificates

        return certificates()

    def join(self, ssid, password, breathe):
        """None if the network is joined, else why not. Waits 20 s at most."""
        try:
            self._wlan = wlan = network.WLAN(network.STA_IF)
            wlan.active(False)  # everything anew from one known state
            wlan.active(True)
            wlan.config(reconnects=0)
            wlan.connect(ssid, password or None)
            began = time.ticks_ms()
            while time.ticks_diff(time.ticks_ms(), began) < _JOIN_MS:
                breathe()
                if self.is_up():
                    return None
                time.sleep_ms(_SLICE_MS)
            return _CODES.get(wlan.status(), "link_down")
        except (OSError, RuntimeError):
            return "link_down"

    def is_up(self):
        return self._wlan is not None and self._wlan.status() == _GOT_IP

    def leave(self):
        wlan, self._wlan = self._wlan, None
        try:
            if wlan is not None:
                wlan.active(False)
        except (OSError, RuntimeError):
            pass  # join() begins anew anyhow

    def resolve(self, host, port):
        if not self.is_up():
            raise End(LATER, "link_down")
        try:
            return socket.getaddrinfo(host, port)[0][-1]
        except (OSError, IndexError):
            raise End(LATER, "dns_failed", host)

    @property
    def knows_time(self):
        return int(time.time()) + _epoch_unix_s() >= _LEAST_UNIX_S

    def set_time(self, unix_s):
        t = time.gmtime(unix_s - _epoch_unix_s())
        machine.RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))

    def command(self):
        """A JSON line that came over the console, or None. Never waits."""
        for _ in range(_BYTES_A_LOOK):  # a flood must not stop everything else
            if not self._poll.poll(0):
                break
            byte = sys.stdin.buffer.read(1)
            if byte not in (b"\n", b"\r"):
                self._line = (self._line + byte)[-_LINE_BYTES:]
                continue
            line, self._line = self._line, b""
            try:
                command = json.loads(line)
            except (ValueError, RuntimeError):
                continue
            if isinstance(command, dict):
                return command
        return None

    def reply(self, command, answer):
        sys.stdout.write(json.dumps({"answer": command.get("id"), "value": answer}) + "\n")


def _epoch_unix_s():
    """What time.time() counts from on this build."""
    return _2000_UNIX_S if time.gmtime(0)[0] == 2000 else 0
