"""The control channel: the simulator's hand on the board, and the board's console.

JSON lines over a loopback connection that the board opens. Commands about the world (button,
radio, battery, clock, secrets) are carried out here; all others are the application's console
commands.
"""

import json
import socket
import sys

from device.compat import IS_MICROPYTHON, sleep_ms, wait_readable
from device.hal.commands import MAX_LINE_BYTES, parse_command

_READ_BYTES = 512


class Console:
    """address: (host, port) of the simulator, or None for a board on its own."""

    def __init__(self, address):
        self._address = address
        self._socket = None
        self._unsent = []
        self._world = {}
        self._rest = b""  # of what was read: the beginning of a line

    def attach(self, world):
        """world: dict of command name -> function(command)."""
        self._world = world

    async def next_command(self):
        """The next command for the application. Waits without limit."""
        while True:
            if self._address is None:
                await sleep_ms(3_600_000)
                continue
            if self._socket is None:
                self._connect()
            line = await self._next_line()
            if not line:
                sys.exit(4)  # the simulator is gone, and a board without its world with it
            command = parse_command(line)
            if command is None:
                continue
            handler = self._world.get(command["do"])
            if handler is None:
                return command
            handler(command)
            self.reply(command, {"ok": True})

    def _connect(self):
        address = socket.getaddrinfo(*self._address)[0][-1]
        self._socket = socket.socket()
        self._socket.connect(address)  # loopback: it answers at once or never
        self._socket.setblocking(False)
        for message in self._unsent:
            self._send(message)
        self._unsent = []

    async def _next_line(self):
        """The next line, b"" at the end; of one that is too long only its rest."""
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                return line + newline
            self._rest = line[-MAX_LINE_BYTES:]
            await wait_readable(self._socket)
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError:
                data = b""
            if not data:
                return b""
            self._rest += data

    def line(self):
        """The socket to the simulator, or None before the first command was waited for."""
        return self._socket

    def reply(self, command, answer):
        self._send({"answer": command.get("id"), "value": answer})

    def event(self, name, **values):
        values["event"] = name
        self._send(values)

    def _send(self, message):
        if self._address is None:
            return
        if self._socket is None:
            if len(self._unsent) < 16:
                self._unsent.append(message)
            return
        try:
            if IS_MICROPYTHON:
                # Piece by piece: a status document as one text needs 4 KiB in one place.
                json.dump(message, self._socket)
            else:
                self._socket.send(json.dumps(message).encode())
            self._socket.send(b"\n")
        except OSError:
            self._address = None
