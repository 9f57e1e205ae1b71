"""What else the board keeps of itself, for the doctor: boots, what became of each day's seconds,
the lane's wait, settings, log tail.

Reads, never writes; nothing secret is in it. The lane's own status document lives with the running
program (console command `status`); this is what is durable of it.
"""

import os

from device import config
from device.compat import file_size, list_dir
from device.field.opened import open_store, quiet_log
from device.link.clock import BOOTS, Clock
from device.store import ledger_book
from device.store.slots import Slots


def run(board, args):
    store = open_store(board)
    state = store.root + "/state/"
    found = {"boots": Slots(BOOTS, state + "boots").read()}
    clock = Clock(board.clock, board.secrets.counter("boot"), quiet_log(board))
    clock.attach(Slots(BOOTS, state + "boots"))
    found["seconds"] = ledger_book.totals(store.steady_root)
    found["days"] = ledger_book.days(store.steady_root, clock.start_of)
    found["lane"] = Slots("lane1", state + "lane").read()
    settings, faults = config.load(_read("config.json"))
    found["settings"] = settings
    found["faults"] = faults
    found["passwords"] = {
        name: bool(board.secrets.get("wifi:" + name)) for name in settings["wifi.networks"]
    }
    found["token"] = bool(board.secrets.get("token"))
    found["rtc_unix_s"] = board.clock.rtc_unix_s()
    found["build_unix_s"] = board.clock.build_unix_s
    found["next_clip"] = max(store.highest, board.secrets.counter("clip")) + 1
    found["state_files"] = _names(state)
    found["micropython"] = os.uname()[2] if hasattr(os, "uname") else None
    return found


def _names(path):
    """[name, bytes] of each file of a folder, at most 64."""
    found = []
    try:
        for name, is_folder in list_dir(path):
            if not is_folder and len(found) < 64:
                found.append([name, file_size(path + name)])
    except OSError:
        pass
    return found


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return None
