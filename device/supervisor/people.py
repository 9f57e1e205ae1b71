"""What people do to the recorder: the button, and commands over the console."""

import gc

from device.compat import forget_module


class People:
    """button, console: ports. Commands: status, look_again, send (clip), record (on), log
    (at).
    ring: the kept log (device/log_ring.py), or None.
    """

    def __init__(self, button, console, recorder, lane, status, ring=None):
        self._button = button
        self._console = console
        self._recorder = recorder
        self._lane = lane
        self._status = status
        self._ring = ring
        self.on_touch = None  # told whenever somebody is there

    async def run_button(self, check_in):
        while True:
            check_in(None)
            await self._button.pressed()
            self._touched()
            self._recorder.toggle()

    async def run_console(self, check_in):
        """Every command is answered, an unknown one too."""
        while True:
            check_in(None)
            command = await self._console.next_command()
            self._touched()
            try:
                self._console.reply(command, self._answer(command))
            except MemoryError:
                gc.collect()  # a status document needs some memory in one place: once more
                self._console.reply(command, self._answer(command))

    def _touched(self):
        if self.on_touch:
            self.on_touch()

    def _answer(self, command):
        name = command.get("do")
        if name == "status":
            return self._status.document()
        if name == "look_again":
            self._lane.look_again()
        elif name == "send":
            return self._lane.send_first(command.get("clip"))
        elif name == "record":
            self._recorder.want(bool(command.get("on")))
        elif name == "log" and self._ring:
            from device.field.logs import page

            answer = page(self._ring.folder, command.get("at"), self._ring.pending())
            for module in ("device.field.logs", "device.field.entry", "device.log_file"):
                forget_module(module)
            return answer
        else:
            return {"error": "unknown command"}
        return {"ok": True}
