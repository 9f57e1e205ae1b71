"""Who the board is and how it is, for a list of boards: reads, never writes."""

import sys

from device.compat import file_size, mem_free_bytes
from device.store import paths


def run(board, args):
    """Plain facts; of secrets only whether they are there."""
    system, secrets, storage = board.system, board.secrets, board.storage
    return {
        "device": system.device_id,
        "firmware": system.firmware_version,
        "micropython": ".".join([str(n) for n in sys.implementation.version[:3]]),
        "reset_cause": system.reset_cause(),
        "boot": secrets.counter("boot"),
        "token": bool(secrets.get("token")),
        "store_id": secrets.get("store_id"),
        "battery_pct": board.battery.percent(),
        "charging": bool(board.battery.is_charging()),
        "free_kb": storage.free_bytes() // 1024,
        "total_kb": storage.total_bytes() // 1024,
        "clips": _clips(storage.root),
        "config_bytes": file_size("config.json"),
        "heap_free_bytes": mem_free_bytes(),
    }


def _clips(root):
    """How many clips lie on the medium, delivered or not."""
    found, number = 0, 0
    try:
        while True:
            number = paths.next_number(root, number)
            if number is None:
                return found
            found += 1
    except OSError:
        return found
