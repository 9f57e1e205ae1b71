"""Installs a signed bundle that was copied to the board; a reset then brings it to life.

A bundle that was handled is removed; `dry_run` reads and checks all of it and changes nothing.
"""

import os

from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import check_device
from device.update import install, note


def run(board, args):
    """args: device, path (of the bundle on the board), dry_run (bool).

    Returns {"kind", "version", "was"}. Raises DeviceError with a code of reasons.UPDATE.
    """
    check_device(board, args)
    path = args["path"]
    version = board.system.firmware_version
    is_dry = bool(args.get("dry_run"))
    noted, detail = install.attempt(
        path, version, lambda name: progress(file=name), dry_run=is_dry
    )
    os.remove(path)
    if not is_dry:
        noted["said"] = False
        note.write(noted)
    if noted["code"]:
        raise DeviceError(noted["code"], detail)
    return {"kind": noted["kind"], "version": noted["version"], "was": version}
