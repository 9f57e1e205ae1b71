"""Commands of a person or tool: one JSON object a line, on every board's console."""

import json

MAX_LINE_BYTES = 4096


def parse_command(line):
    """The command of a line, or None if it is none: a console is open to everybody with a
    cable.
    """
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        command = json.loads(line)
    except (ValueError, UnicodeError, RuntimeError):
        return None
    if not isinstance(command, dict) or not isinstance(command.get("do"), str):
        return None
    return command
