"""Puts a board together from its table (hal/esp32/boards.py)."""

import sys

from device.compat import forget_module
from device.errors import NeedsOperator
from device.hal.esp32.secrets import Secrets


def open_secrets():
    """The secrets store alone, for boot.py."""
    return Secrets()


def read_table():
    """(name, table, faults); what only reading them needs is let go of again."""
    from device.hal.esp32 import boards

    try:
        with open("board.json", "rb") as f:
            data = f.read(2048)
    except OSError:
        data = None
    found = boards.load(data, getattr(sys.implementation, "_machine", ""))
    forget_module("device.hal.esp32.boards")
    return found


def trusted_roots():
    """The roots of TLS as DER, one after the other. None where rescue/ is broken: no server is
    believed then, and recording goes on.
    """
    try:
        from rescue.roots import certificates
    except (ImportError, SyntaxError, ValueError):
        return ()
    return certificates()


class Board:
    """The ports by name; see device/hal/ports.py. name: of the table; faults: of board.json.

    Raises NeedsOperator(storage_failed) if a medium does not mount.
    """

    def __init__(self):
        from device.hal.console import Console
        from device.hal.esp32.battery import Battery
        from device.hal.esp32.button import Button
        from device.hal.esp32.indicator import Indicator, open_led
        from device.hal.esp32.microphone import Microphone
        from device.hal.esp32.net import Net
        from device.hal.esp32.storage import CardStorage, FlashStorage
        from device.hal.esp32.system import Clock, System, Watchdog
        from device.hal.esp32.wifi import Wifi

        self.name, table, self.faults = read_table()
        self.limits = {
            "upload.max_connections": table["max_connections"],
            "activity.pre_roll_s": table["max_pre_roll_s"],
            "recording.ring_blocks": table["max_ring_blocks"],
        }
        self.system = System()
        self.secrets = open_secrets()
        led = open_led(table)
        self.media = None
        try:
            if table["storage"] == "flash":
                self.storage = FlashStorage()
            else:
                self.storage = self._open_card(CardStorage(table), FlashStorage, table)
        except NeedsOperator:
            if led:
                led.set(0xFF0000)
            raise
        self.microphone = Microphone(table)
        self.wifi = Wifi()
        self._modem_table = None if table["modem_uart"] is None else table
        self._modem = None
        self.trusted_roots = trusted_roots
        self.net = Net(trusted_roots(), self._is_up)
        forget_module("rescue.roots")
        self.clock = Clock()
        self.battery = Battery(table)
        self.button = Button(table)
        self.indicator = Indicator(led)
        self.watchdog = Watchdog()
        self.console = Console()
        self._sleep_parts = (self.button, led, table["sound_pin"])

    def _open_card(self, card, flash, table):
        """The medium in use; with a spare one, a card that does not mount stops nothing."""
        try:
            card.mount()
        except NeedsOperator:
            if table["spare"] == "none":
                raise
        if table["spare"] == "none":
            return card
        self.media = card, flash()
        return self.media[not card.is_mounted]

    def open_sleep(self):
        from device.hal.esp32.sleep import Sleep

        return Sleep(*self._sleep_parts)

    def open_modem(self):
        """The modem port, loaded when it is wanted; None: the board has no modem."""
        if self._modem is None and self._modem_table:
            from device.hal.esp32.modem import Modem

            self._modem = Modem(self._modem_table)
            self._modem_table = None
        return self._modem

    def _is_up(self):
        return self.wifi.is_up() or bool(self._modem and self._modem.is_up())


build = Board
