"""The one way in for a technician's session: takes the hold, runs one function, frames its answer.

tools/recorder/port.py sends a few lines that call serve(); what comes back are lines that begin
with FRAME and carry one JSON object each, among whatever else the board prints:

    @field {"progress": {...}}      any number
    @field {"answer": {...}}        or {"error": {"code": ..., "detail": ...}}: exactly one, last

A function is a module of this folder with run(board, args) -> dict. It may yield nothing, print
nothing, and call progress(**values) to be heard of. It starts from a soft reset: boot.py ran,
main.py did not, and nothing else is imported.
"""

import json
import sys

from device.errors import DeviceError

FRAME = "@field "
_HOLD_MS = 600_000  # longer than any call of a session; the next call winds it up again
_TRACEBACK_CHARS = 800


def progress(**values):
    """Be heard of before the answer: plain values for the technician's screen."""
    _send({"progress": values})


def hold(board):
    """Keep a watchdog that runs from ending the session, and say on the indicator that it is held.

    A watchdog of the ESP32 outlives Ctrl-C and soft reset, and can only be wound up again.
    """
    board.watchdog.start(_HOLD_MS)
    board.indicator.show("held")


def serve(build, name, args):
    """build(): the board's ports. name: a module of device.field. args: dict of plain values."""
    try:
        board = build()
        hold(board)
        if not _is_name(name):
            raise DeviceError("no_such_function", "device.field." + repr(name))
        try:
            module = __import__("device.field." + name, None, None, ("run",))
        except ImportError as e:
            raise DeviceError("no_such_function", str(e))
        message = {"answer": module.run(board, args)}
    except DeviceError as e:
        message = {"error": {"code": e.code, "detail": str(e.detail)}}
    except Exception as e:  # noqa: BLE001  the boundary: whatever it is, the laptop must hear of it
        message = {"error": {"code": "surprise", "detail": _surprise(e)}}
    _send(message)


def _send(message):
    sys.stdout.write(FRAME + json.dumps(message) + "\n")


def _is_name(name):
    for letter in name:
        if not ("a" <= letter <= "z" or letter == "_"):
            return False
    return bool(name) and name[0] != "_"


def _surprise(e):
    from device.compat import short_traceback

    return short_traceback(e)[-_TRACEBACK_CHARS:]
