"""Back to the factory: clips, state and secrets of the product are removed, nothing else.

Refuses while clips that were not delivered are on board, unless told twice. Order, so that a cut
leaves a board that a repeated wipe finishes: clips, then state, then secrets, then config.json
(which names the networks whose passwords go). Counters stay: clip numbers must never come again.
"""

import os

from device.compat import file_size, list_dir
from device.errors import DeviceError
from device.field.opened import check_device, open_store, pick, settings_in_force
from device.store.clip import DONE

CONFIG = "config.json"
_SECRETS = (
    "token token_next cloud_id store_id bound_to staged cellular:pin cellular:password".split()
)


def run(board, args):
    """args: device, lose_clips (bool), dry_run (bool)."""
    check_device(board, args)
    store = open_store(board)
    undelivered = 0
    for clip in pick(store, {}):
        undelivered += clip.record is None or clip.state != DONE
    if args.get("dry_run"):
        return {"undelivered": undelivered, "wiped": False}
    if undelivered and not args.get("lose_clips"):
        raise DeviceError("undelivered", "%d clips" % undelivered)
    networks = settings_in_force(board)["wifi.networks"]
    try:
        for part in store.parts:
            _remove_tree(part.root + "/clips")
            _remove_tree(part.root + "/state")
    except OSError as e:
        raise DeviceError("storage_failed", "errno=%s" % e.errno)
    board.secrets.raise_counter("epoch", board.secrets.counter("epoch") + 1)
    for key in _SECRETS + ["wifi:" + name for name in networks]:
        if board.secrets.get(key):
            board.secrets.set(key, "")
    if file_size(CONFIG) >= 0:
        os.remove(CONFIG)
    return {"undelivered": undelivered, "wiped": True}


def _remove_tree(path):
    for name, is_folder in list(list_dir(path)):
        below = path + "/" + name
        if is_folder:
            _remove_tree(below)
        else:
            os.remove(below)
    os.rmdir(path)
