"""Puts the virtual board together from board.json. The keys are described in tools/board.py,
their writer.
"""

import json
import os

from device.hal.sim.control import Console
from device.hal.sim.flash import FlashStorage
from device.hal.sim.net import Net
from device.hal.sim.parts import Battery, Button, ClockPort, Indicator, System, Watchdog, Wifi
from device.hal.sim.secrets import Secrets


class Board:
    """The ports by name; see device/hal/ports.py."""

    modem = None
    filling = None  # the task that fills the flash, once somebody asked for it

    def __init__(self, spec):
        self._spec = spec

    def open_modem(self):
        """The modem port, or None: the board has no modem."""
        if self.modem is None and self._spec.get("modem"):
            from device.hal.sim.modem import Modem

            self.modem = Modem(self._spec["modem"], self.net.drop_all)
            hosts = self._spec.get("cellular_hosts", self._spec["hosts"])
            self.net.cellular = (self.modem.carries, hosts)
        return self.modem

    def open_sleep(self):
        from device.hal.sim.sleep import Sleep

        return Sleep(self.console.line, self.console.event)


def _folder():
    """Where the virtual hardware lies: beside the program, or apart from its file system."""
    return os.getenv("RECORDER_HARDWARE") or os.getcwd()


def open_secrets():
    """The secrets store alone, for boot.py."""
    return Secrets(_folder() + "/secrets.json")


def _event(console, folder):
    """event(name, **values) of the parts: told over the control channel, and shown in registers
    where a serial port is what joins the board to the world.
    """
    if not os.getenv("RECORDER_HARDWARE"):
        return console.event
    from device.hal.sim.registers import Registers

    registers = Registers(folder)

    def event(name, **values):
        registers.event(name, **values)
        console.event(name, **values)

    return event


def _trusted_roots(folder):
    """The simulated cloud's root, in place of those that a release is shipped with; or the set
    that a signed bundle brought.
    """
    try:
        os.stat("roots")
        from rescue.roots import certificates

        return list(certificates())
    except (OSError, ImportError):
        with open(folder + "/root.der", "rb") as f:
            return [f.read()]


def _console(address):
    """The simulator's channel; a board on its own behind a serial port has that port's lines."""
    if address or not os.getenv("RECORDER_HARDWARE"):
        return Console(tuple(address) if address else None)
    from device.hal.sim.serial import SerialConsole

    return SerialConsole()


def _microphone(spec, truth_path, event):
    """One that hears a file, or where `audio` is an address, a room."""
    if isinstance(spec["audio"], list):
        from device.hal.sim.room import RoomMicrophone

        return RoomMicrophone(tuple(spec["audio"]), truth_path, spec["rate_hz"], event)
    from device.hal.sim.microphone import Microphone

    speed, driver_ms = spec["speed"], spec.get("driver_ms", 500)
    return Microphone(spec["audio"], truth_path, spec["rate_hz"], speed, driver_ms, event)


def build():
    folder = _folder()
    with open(folder + "/board.json") as f:
        spec = json.load(f)
    board = Board(spec)
    board.faults = []
    board.limits = spec.get("limits", {"activity.pre_roll_s": 10})
    board.console = console = _console(spec.get("control"))
    event = _event(console, folder)
    board.secrets = secrets = open_secrets()
    board.storage = FlashStorage(folder, spec["flash_kb"], is_out=bool(spec.get("card_out")))
    board.media = None
    if spec.get("spare_kb"):
        board.media = board.storage, FlashStorage(folder, spec["spare_kb"], "spare")
        board.storage = board.media[not board.storage.is_mounted]
    board.microphone = _microphone(spec, folder + "/truth.pcm", console.event)
    board.wifi = wifi = Wifi(spec["wifi"])
    board.trusted_roots = lambda: _trusted_roots(folder)
    board.net = net = Net(spec["hosts"], board.trusted_roots(), wifi.is_up)
    wifi.on_drop = net.drop_all
    board.clock = clock = ClockPort(spec.get("rtc") in ("host", "2000"))
    if spec.get("rtc") == "2000":  # where an RTC begins anew
        clock.step(946684800 - clock.rtc_unix_s())
    board.battery = battery = Battery(spec.get("battery_pct"))
    battery.charging = bool(spec.get("charging"))
    board.button = button = Button()
    board.indicator = Indicator(event)
    board.watchdog = Watchdog(event)
    cause = os.getenv("RECORDER_CAUSE") or spec.get("cause", "power_on")
    board.system = System(spec["device_id"], cause, folder + "/rtc_memory")

    def set_battery(command):
        battery.level_pct = command.get("percent", battery.level_pct)
        battery.charging = bool(command.get("charging", battery.charging))

    def set_card(command):
        board.media[0].device.is_out = bool(command.get("out"))

    def set_modem(command):
        if board.modem:
            board.modem.spec.update(command.get("spec", {}))

    def set_full(command):
        from device.hal.sim import filler

        if board.filling is not None:
            board.filling.cancel()
        board.filling = filler.set_full(board.storage, bool(command.get("full")))

    console.attach(
        {
            "modem": set_modem,
            "card": set_card,
            "press": lambda command: button.press(),
            "wifi": lambda command: wifi.set_in_reach(bool(command.get("in_reach"))),
            "battery": set_battery,
            "clock_step": lambda command: clock.step(int(command.get("seconds", 0))),
            "secrets_changed": lambda command: secrets.reload(),
            "fill": set_full,
            "flash_counts": lambda command: console.event("flash", **board.storage.counts()),
        }
    )
    return board
