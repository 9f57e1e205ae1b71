"""From what the technician named to one board: by serial number or port, never "the first".

A board is asked who it is before anything else happens to it. A serial number is the recorder's
own (System.device_id), as its label shows it; it is read over the cable, as a USB chip has none.
"""

import concurrent.futures
import dataclasses

from tools.recorder.errors import BoardFault, Foreign, NoDevice, ToolError, UsageError
from tools.recorder.line import Line
from tools.recorder.manners import ports
from tools.recorder.port import Board

_PROBE_LIMIT_S = 20.0

# Runs on any MicroPython, with or without our application; writes nothing. Where the application
# is there, its own facts follow.
_PROBE = """\
import os, sys, json, binascii
try:
    import machine
    unique = binascii.hexlify(machine.unique_id()).decode()
except (ImportError, AttributeError):
    unique = ""
names = os.listdir()
try:
    import device.field
    is_there = True
except ImportError:
    is_there = False
print("@field " + json.dumps({"progress": {
    "platform": sys.platform, "micropython": ".".join([str(n) for n in sys.implementation[1][:3]]),
    "machine": getattr(sys.implementation, "_machine", ""), "unique_id": unique,
    "application": is_there, "files": names[:32]}}))
if is_there:
    if sys.platform == "esp32":
        from device.hal.esp32.board import build
    else:
        from device.hal.sim.board import build
    from device.field.entry import serve
    serve(build, "facts", {})
else:
    print('@field {"answer": null}')
"""


@dataclasses.dataclass
class Found:
    """One port and what answered there; guard.py lists the states.

    facts: device/field/facts.py's, or the part of them that status has. status: the status
    document if the recorder was asked while it ran; then it was not stopped. probe: what the
    script above says.
    """

    device: str
    state: str
    serial_number: str = ""
    facts: dict = dataclasses.field(default_factory=dict)
    probe: dict = dataclasses.field(default_factory=dict)
    status: dict | None = None
    fault: str = ""

    @property
    def was_stopped(self) -> bool:
        return bool(self.probe)


def ask_running(device: str) -> Found | None:
    """What a running recorder says of itself, without stopping it; None if nobody answers.

    Raises NoDevice where the port cannot be opened.
    """
    with Line(device) as line:
        status = line.ask({"do": "status"})
    if not isinstance(status, dict) or not isinstance(status.get("device"), str):
        return None
    queue, storage = status.get("queue", {}), status.get("storage", {})
    facts = {
        name: status.get(name)
        for name in ("device", "firmware", "reset_cause", "token", "battery_pct", "charging")
    }
    facts |= {"clips": queue.get("waiting"), "free_kb": storage.get("free_kb")}
    facts |= {"total_kb": storage.get("total_kb"), "boot": status.get("clock", {}).get("boot")}
    return Found(device, "recorder", status["device"], facts, status=status)


def look(device: str) -> Found:
    """Stop what runs at a port and ask it who it is; bounded in time, never raises for what it
    finds there.
    """
    probes: list[dict] = []
    fault, facts = "", None
    try:
        facts = Board(device).run(_PROBE, _PROBE_LIMIT_S, "probe", on_progress=probes.append)
    except Foreign as error:
        return Found(device, "foreign", fault=str(error))
    except BoardFault as error:
        fault = str(error)
    except ToolError as error:
        if not probes:
            return Found(device, "silent", fault=str(error))
        fault = str(error)
    probe = probes[0] if probes else {}
    serial_number = text_of(probe.get("unique_id", ""))
    if facts:
        return Found(device, "recorder", facts["device"], facts, probe)
    if fault:
        # Half a program: `provision` is the way out.
        return Found(device, "broken", serial_number, probe=probe, fault=fault)
    is_empty = set(probe["files"]) <= {"boot.py", "incoming"}
    return Found(device, "empty" if is_empty else "foreign", serial_number, probe=probe)


def look_everywhere(devices: list[str] | None = None) -> list[Found]:
    """look() at every port, side by side."""
    return at_each(look, devices)


def at_each(work, devices: list[str] | None = None) -> list:
    """work(device) for every port (None: all that there are), side by side."""
    devices = [port["device"] for port in ports()] if devices is None else devices
    if not devices:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(8, len(devices))) as pool:
        return list(pool.map(work, devices))


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


def find_port(named: str | None) -> str:
    """The port meant, for commands that stop nothing: a serial number is looked for among the
    recorders that run. Raises NoDevice, UsageError.
    """
    if named and ("/" in named or named.upper().startswith("COM")):
        return named
    devices = [port["device"] for port in ports()]
    if not named and len(devices) == 1:
        return devices[0]
    running = [found for found in at_each(_running_or_none, devices) if found]
    meant = [found for found in running if named in (None, found.serial_number)]
    if len(meant) == 1:
        return meant[0].device
    if not devices:
        raise NoDevice("No serial port of a recorder. Plug one in with a cable that carries data.")
    names = ", ".join(f"{found.serial_number} at {found.device}" for found in running) or "none"
    raise UsageError(f"Which board? Running are: {names}. Name one, or its port, with --board.")


def _running_or_none(device: str) -> Found | None:
    try:
        return ask_running(device)
    except ToolError:
        return None


def text_of(unique_id: str) -> str:
    """The id as the recorder shows it: printable text as it is, other bytes as hex digits."""
    try:
        text = bytes.fromhex(unique_id).decode("ascii")
    except (ValueError, UnicodeDecodeError):
        return unique_id
    return text if text.isprintable() else unique_id
