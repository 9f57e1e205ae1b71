"""The hold alone: entry.py took it before it came here."""


def run(board, args):
    return {"device": board.system.device_id, "held": True}
