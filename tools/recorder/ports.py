"""From what the technician named to one board: by serial number or port, never "the first".

A board is asked who it is before anything else happens to it. A serial number is the recorder's
own (System.device_id), as its label shows it; it is read over the cable, as a USB chip has none.
"""

import concurrent.futures
import dataclasses

from tools.recorder.errors import Foreign, NoDevice, ToolError, UsageError
from tools.recorder.manners import ports
from tools.recorder.port import Board

_PROBE_LIMIT_S = 12.0

# Runs on any MicroPython, with or without our application; writes nothing.
_PROBE = """\
import os, sys, json, binascii
try:
    import machine
    unique = binascii.hexlify(machine.unique_id()).decode()
except (ImportError, AttributeError):
    unique = ""
names = os.listdir()
print("@field " + json.dumps({"answer": {
    "platform": sys.platform, "micropython": ".".join([str(n) for n in sys.implementation[1][:3]]),
    "machine": getattr(sys.implementation, "_machine", ""), "unique_id": unique,
    "application": "device" in names, "files": names[:32]}}))
"""


@dataclasses.dataclass
class Found:
    """One port and what answered there: state "recorder", "empty", "foreign" or "silent"."""

    device: str
    state: str
    serial_number: str = ""
    facts: dict = dataclasses.field(default_factory=dict)
    probe: dict = dataclasses.field(default_factory=dict)
    fault: str = ""


def look(device: str) -> Found:
    """Ask the board at a port who it is; bounded in time, never raises for what it finds there."""
    board = Board(device)
    try:
        probe = board.run(_PROBE, _PROBE_LIMIT_S, "probe")
    except Foreign as error:
        return Found(device, "foreign", fault=str(error))
    except ToolError as error:
        return Found(device, "silent", fault=str(error))
    serial_number = text_of(probe["unique_id"])
    if not probe["application"]:
        state = "empty" if set(probe["files"]) <= {"boot.py", "incoming"} else "foreign"
        return Found(device, state, serial_number, probe=probe)
    try:
        facts = board.call("facts", {}, _PROBE_LIMIT_S)
    except ToolError as error:
        # Half a program, or another's: `provision --force` is the way out.
        return Found(device, "broken", serial_number, probe=probe, fault=str(error))
    return Found(device, "recorder", facts["device"], facts, probe)


def look_everywhere(devices: list[str] | None = None) -> list[Found]:
    """look() at every port, side by side."""
    devices = [port["device"] for port in ports()] if devices is None else devices
    if not devices:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(8, len(devices))) as pool:
        return list(pool.map(look, devices))


def find_board(named: str | None) -> tuple[Board, Found]:
    """The one board meant. Raises NoDevice, UsageError (several, and none was named)."""
    found = look_everywhere([named] if named and "/" in named else None)
    if named and "/" not in named:
        found = [f for f in found if f.serial_number == named or f.device == named]
    if not found:
        raise NoDevice(
            (f"No recorder {named} on any port. " if named else "No serial port of a recorder. ")
            + "Plug it in with a cable that carries data; `recorder list` shows what is there."
        )
    if len(found) > 1:
        names = ", ".join(f"{f.serial_number or '?'} at {f.device}" for f in found)
        raise UsageError(f"There are several boards ({names}): name one with --board.")
    if found[0].state == "silent":
        raise NoDevice(found[0].fault)
    return Board(found[0].device), found[0]


def text_of(unique_id: str) -> str:
    """The id as the recorder shows it: printable text as it is, other bytes as hex digits."""
    try:
        text = bytes.fromhex(unique_id).decode("ascii")
    except (ValueError, UnicodeDecodeError):
        return unique_id
    return text if text.isprintable() else unique_id
