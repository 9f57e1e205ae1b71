"""The console of a virtual board behind a serial port: a real board's own, and beside it the
commands about the world that the control channel has.
"""

from device.hal.console import Console


class SerialConsole(Console):
    def attach(self, world):
        """world: dict of command name -> function(command)."""
        self._world = world

    async def next_command(self):
        while True:
            command = await Console.next_command(self)
            handler = self._world.get(command["do"])
            if handler is None:
                return command
            handler(command)
            self.reply(command, {"ok": True})
