"""The clips on board, one progress line each: what the record says, and whose they are.

Reads, never writes. args: numbers (list or None: all).
"""

from device.compat import file_size
from device.field.entry import progress
from device.field.opened import open_store, pick

_SHOWN = ("state why said codec hz samples bytes take index last boot up start epoch snr lost cut "
          "rid sha tries late was via orid").split()  # fmt: skip


def run(board, args):
    store = open_store(board)
    found = 0
    for clip in pick(store, args):
        found += 1
        facts = {"n": clip.number, "body": file_size(clip.body_path) >= 0}
        if clip.record is None:
            facts["state"] = "unreadable"
        else:
            for name in _SHOWN:
                if name in clip.record:
                    facts[name] = clip.record[name]
            facts["file_bytes"] = file_size(clip.audio_path)
        progress(clip=facts)
    return {
        "device": board.system.device_id,
        "store_id": board.secrets.get("store_id"),
        "epoch": board.secrets.counter("epoch"),
        "boot": board.secrets.counter("boot"),
        "clips": found,
    }
