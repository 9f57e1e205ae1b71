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


class Console:
    def __init__(self):
        self._line = bytearray()
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    async def next_command(self):
        """The next command. Waits without limit."""
        while True:
            while self._poll.poll(0):
                # One at a time: the console's read() waits until it has all (sys_stdio_mphal.c).
                letter = sys.stdin.read(1)
                if letter not in ("\n", "\r", ""):
                    if len(self._line) <= MAX_LINE_BYTES:  # of one that is too long: its start
                        self._line += letter.encode()
                    continue
                line, self._line = bytes(self._line), bytearray()
                command = parse_command(line)
                if command is not None:
                    return command
                if not letter:
                    break  # the end of the input: not on a board
            await sleep_ms(_LOOK_MS)

    def reply(self, command, answer):
        sys.stdout.write(json.dumps({"answer": command.get("id"), "value": answer}) + "\n")

    def event(self, name, **values):
        """For the simulator only."""
