"""Console port: JSON lines over the USB serial console, between the lines of the log.

A line of the log never begins with a brace, an answer always does. Ctrl-C is not read here: it
ends the program in the REPL, which the technician's tool needs.
"""

import json
import select
import sys

from device.compat import const, sleep_ms
from device.hal.commands import MAX_LINE_BYTES, parse_command

_LOOK_MS = const(50)
_BYTES_A_LOOK = const(256)  # so that a flood does not stop everything else


class Console:
    def __init__(self):
        self._line = bytearray()
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    async def next_command(self):
        """The next command. Waits without limit."""
        while True:
            for _ in range(_BYTES_A_LOOK):
                if not self._poll.poll(0):
                    break
                # One byte: read() waits until it has all it is asked for, and as text it would
                # also wait for the rest of a letter (shared/runtime/sys_stdio_mphal.c).
                byte = sys.stdin.buffer.read(1)
                if byte not in (b"\n", b"\r"):
                    if len(self._line) <= MAX_LINE_BYTES:  # of one that is too long: its start
                        self._line += byte
                    continue
                line, self._line = bytes(self._line), bytearray()
                command = parse_command(line)
                if command is not None:
                    return command
            await sleep_ms(_LOOK_MS)

    def reply(self, command, answer):
        sys.stdout.write(json.dumps({"answer": command.get("id"), "value": answer}) + "\n")

    def event(self, name, **values):
        """For the simulator only."""
