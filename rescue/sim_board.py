"""The rest of a virtual board: medium, radio, names, time and console, from board.json."""

import json
import os
import select
import socket
import sys

import vfs

from rescue.ends import LATER, End
from rescue.sim_chip import hardware, read_board

_BLOCK_BYTES = 4096
_LINE_BYTES = 1024


class Board:
    """What rescue/esp32_board.py is on a real one. haste: how much faster its hours pass."""

    def __init__(self):
        spec = read_board()
        self.haste = spec.get("haste", 1)
        self._networks, self._hosts = spec["wifi"], spec["hosts"]
        self.knows_time = spec.get("rtc") == "host"
        self._joined = False
        self._in_reach = True
        self._control = None
        self._line = b""
        if spec.get("control"):
            host, port = spec["control"]
            self._control = socket.socket()
            self._control.connect(socket.getaddrinfo(host, port)[0][-1])
            self._control.setblocking(False)
            self._poll = select.poll()
            self._poll.register(self._control, select.POLLIN)

    def mount(self):
        """Mount the medium and return its root."""
        vfs.mount(
            vfs.VfsLfs2(
                _Flash(hardware() + "/flash.img"), readsize=128, progsize=32, lookahead=128
            ),
            "/flash",
        )
        return "/flash"

    def roots(self):
        """The simulated cloud's root, or the set that a signed bundle brought."""
        try:
            os.stat("roots")
        except OSError:
            with open(hardware() + "/root.der", "rb") as f:
                return [f.read()]
        from rescue.roots import certificates

        return certificates()

    def join(self, ssid, password, breathe):
        """None if the network is joined, else why not."""
        breathe()
        if not self._in_reach or ssid not in self._networks:
            return "wifi_not_found"
        if self._networks[ssid] != password:
            return "wifi_refused"
        self._joined = True
        return None

    def is_up(self):
        return self._joined and self._in_reach

    def leave(self):
        self._joined = False

    def resolve(self, host, port):
        if not self.is_up():
            raise End(LATER, "link_down")
        if host not in self._hosts:
            raise End(LATER, "dns_failed", host)
        return socket.getaddrinfo(self._hosts[host], port)[0][-1]

    def set_time(self, unix_s):
        self.knows_time = True  # TLS of the unix port asks the host

    def command(self):
        """A command that came over the control channel, or None."""
        if self._control is None or not self._poll.poll(0):
            return None
        data = self._control.recv(256)
        if not data:
            sys.exit(4)  # the simulator is gone, and a board without its world with it
        line, newline, rest = (self._line + data).partition(b"\n")
        self._line = rest if newline else line[-_LINE_BYTES:]
        if not newline:
            return None
        try:
            command = json.loads(line)
        except ValueError:
            return None
        if command.get("do") == "wifi":
            self._in_reach = bool(command.get("in_reach"))
            self.reply(command, {"ok": True})
            return None
        return command

    def reply(self, command, answer):
        text = json.dumps({"answer": command.get("id"), "value": answer}) + "\n"
        self._control.setblocking(True)
        self._control.send(text.encode())
        self._control.setblocking(False)


class _Flash:
    """flash.img, as device/hal/sim/flash.py writes it."""

    def __init__(self, path):
        self._f = open(path, "r+b")
        self._f.seek(0, 2)
        self._blocks = self._f.tell() // _BLOCK_BYTES

    def readblocks(self, block, buf, offset=0):
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.write(buf)
        self._f.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK_BYTES
        if operation == 6:
            return 0
