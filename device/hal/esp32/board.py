"""Puts a board together from its table (hal/esp32/boards.py)."""

import sys

from device.compat import forget_module
from device.errors import NeedsOperator
from device.hal.esp32.secrets import Secrets

_ROOTS = "/roots"


class Board:
    """The ports by name; see device/hal/ports.py. name: of the table; faults: of board.json."""


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


def build():
    """The board's ports. Raises NeedsOperator(storage_failed) if a medium does not mount."""
    from device.hal.esp32.battery import Battery
    from device.hal.esp32.button import Button
    from device.hal.esp32.console import Console
    from device.hal.esp32.indicator import Indicator, open_led
    from device.hal.esp32.microphone import Microphone
    from device.hal.esp32.net import Net, read_roots
    from device.hal.esp32.storage import CardStorage, FlashStorage
    from device.hal.esp32.system import Clock, System, Watchdog
    from device.hal.esp32.wifi import Wifi

    board = Board()
    board.name, table, board.faults = read_table()
    board.limits = {
        "upload.max_connections": table["max_connections"],
        "activity.pre_roll_s": table["max_pre_roll_s"],
        "recording.ring_blocks": table["max_ring_blocks"],
    }
    board.system = System()
    board.secrets = open_secrets()
    led = open_led(table)
    try:
        board.storage = FlashStorage() if table["storage"] == "flash" else CardStorage(table)
    except NeedsOperator:
        if led:
            led.set(0xFF0000)
        raise
    board.microphone = Microphone(table)
    board.wifi = wifi = Wifi()
    board.net = Net(read_roots(_ROOTS), wifi.is_up)
    board.clock = Clock()
    board.battery = Battery(table)
    board.button = Button(table)
    board.indicator = Indicator(led)
    board.watchdog = Watchdog()
    board.console = Console()
    return board
