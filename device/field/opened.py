"""The store as a technician's session opens it: no recorder runs, so nothing is being recorded."""

from device.compat import ticks_ms
from device.config_kept import load_settings
from device.errors import DeviceError
from device.log import ERROR, Log
from device.store.media import store_of
from device.store.slots import Slots


def open_store(board):
    """The board's ClipStore, prepared. Raises NeedsOperator if the medium cannot be read."""
    log = quiet_log(board) if getattr(board, "media", None) else None
    store = store_of(board, ticks_ms, log)
    store.prepare()
    return store


def settings_in_force(board):
    """The settings that the recorder runs with: of config.json, or the last good ones."""
    try:
        with open("config.json", "rb") as f:
            data = f.read()
    except OSError:
        data = None
    kept = Slots("config1", board.storage.root + "/state/config")
    return load_settings(data, kept, board.limits)[0]


def quiet_log(board):
    return Log(board.system.log_sink, ERROR)


def pick(store, args):
    """Yield the clips that args["numbers"] names (None: all), ascending, records loaded."""
    wanted = args.get("numbers")
    number = 0
    while True:
        clip = store.after(number)
        if clip is None:
            return
        number = clip.number
        if wanted is None or number in wanted:
            yield clip


def check_device(board, args):
    """Raise DeviceError(other_device) unless the session means this very board."""
    if args.get("device") != board.system.device_id:
        raise DeviceError("other_device", "this is " + board.system.device_id)
