"""Which ports there are, and who holds one: what every command says in the same words."""

import os
import pathlib

from serial.tools import list_ports

# Makers of the USB chips that recorders have: Espressif, Silicon Labs, WCH, FTDI.
_USB_MAKERS = {0x303A: "ESP32 USB", 0x10C4: "CP210x", 0x1A86: "CH34x", 0x0403: "FTDI"}


def ports() -> list[dict]:
    """Serial ports that may be boards: device, usb_serial, chip. More can be named for
    tests and remote benches in RECORDER_PORTS (separated by the path separator)."""
    found = [
        {"device": p.device, "usb_serial": p.serial_number or "", "chip": _USB_MAKERS[p.vid]}
        for p in sorted(list_ports.comports())
        if p.vid in _USB_MAKERS
    ]
    for device in filter(None, os.environ.get("RECORDER_PORTS", "").split(os.pathsep)):
        found.append({"device": device, "usb_serial": "", "chip": "named"})
    return found


def holders(device: str) -> list[str]:
    """Names of the processes that have the port open ("miniterm (pid 812)"); Linux only."""
    try:
        wanted = os.stat(device).st_rdev
    except OSError:
        return []
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) == os.getpid():
                continue
            if any(_is_device(entry, wanted) for entry in (folder / "fd").iterdir()):
                name = (folder / "comm").read_text().strip()
                found.append(f"{name} (pid {folder.name})")
        except OSError:
            continue  # gone, or not ours to look at
    return found


def _is_device(entry: pathlib.Path, wanted: int) -> bool:
    try:
        return entry.stat().st_rdev == wanted
    except OSError:
        return False


def busy_message(device: str) -> str:
    """Why a port cannot be opened, and what to do."""
    if not os.path.exists(device):
        return (
            f"{device}: no such port. Plug the recorder in; `recorder list` shows what is there."
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return (
            f"{device}: no permission. On Linux add yourself to the group dialout "
            "(sudo usermod -aG dialout $USER) and log in again."
        )
    who = holders(device)
    named = f" by {', '.join(who)}" if who else " by another program"
    return f"{device}: the port is held{named}. End that program, then try again."
