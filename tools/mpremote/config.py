"""Commands of their own for people who prefer bare mpremote; `recorder` does more, and checks it.

    XDG_CONFIG_HOME=$PWD/tools mpremote recorder-facts
    XDG_CONFIG_HOME=$PWD/tools mpremote connect /dev/ttyUSB0 recorder-logs

or copy this file to ~/.config/mpremote/config.py. mpremote reads it by itself and shows the
commands in `mpremote help`. All but recorder-watch stop the recorder's program, keep its watchdog
quiet for ten minutes and show it on the light; recorder-release gives the board back to its work.
"""

_CALL = """\
import sys
if sys.platform == "esp32":
    from device.hal.esp32.board import build
else:
    from device.hal.sim.board import build
from device.field.entry import serve
serve(build, %r, %r)
"""


def _call(name, **args):
    """A function of device/field on the board; its answer is a line of JSON behind @field."""
    return ["exec", _CALL % (name, args)]


commands = {
    "recorder-hold": {
        "command": _call("held"),
        "help": "stop the recorder for a session of ten minutes",
    },
    "recorder-facts": {"command": _call("facts"), "help": "who the board is and how it is"},
    "recorder-clips": {"command": _call("clips"), "help": "the clips on board, one a line"},
    "recorder-state": {"command": _call("state"), "help": "what it keeps of itself"},
    "recorder-logs": {"command": _call("logs"), "help": "the log it keeps over resets"},
    "recorder-selftest": {
        "command": _call("selftest", parts=["microphone", "storage", "battery"]),
        "help": "microphone, card and battery",
    },
    "recorder-watch": {
        "command": ["resume", "repl"],
        "help": "watch it run, stopping nothing (leave with Ctrl-])",
    },
    "recorder-release": {"command": ["reset"], "help": "give the board back to its work"},
}
