"""The log that is kept on the flash (device/log_file.py), for a technician: reads, never writes.

run() gives all of it to a session; page() a piece of it to the console of a running recorder,
which loads this module for it alone.
"""

import gc

from device.compat import const
from device.field.entry import progress
from device.log_file import opened, segments, texts

_PAGE_BYTES = const(700)  # of lines; an answer must find room in a full heap


def run(board, args):
    """Progress {"lines": [...]} any number of times; returns {"lines": how many}."""
    at, found = None, 0
    while True:
        part = page(board.system.log_folder, at, b"")
        if part["lines"]:
            progress(lines=part["lines"])
            found += len(part["lines"])
        at = part["next"]
        if at is None:
            return {"lines": found}
        gc.collect()


def page(folder, at, pending):
    """{"lines": whole ones, oldest first; "next": what to ask with as at, None at the end}.

    at: [number of a segment, offset], None for the beginning. A segment that was overwritten
    meanwhile: the oldest there is. pending: lines of the ring's buffer, which follow the flash's.
    """
    number, offset = at if _is_place(at) else (0, 0)
    try:
        for found, path, size in segments(folder):
            if found < number or (found == number and offset >= size):
                continue
            lines, offset = _lines(path, offset if found == number else 0)
            return {"lines": lines, "next": [found, offset]}
    except OSError as e:
        return {"lines": ["W the log cannot be read errno=%s" % e.errno], "next": None}
    return {"lines": texts(pending), "next": None}


def _is_place(at):
    return isinstance(at, list) and len(at) == 2 and all([isinstance(n, int) for n in at])


def _lines(path, offset):
    """([text], where the next begins) of about a page."""
    lines = []
    with open(path, "rb") as f:
        f.seek(max(0, offset))
        begun = offset
        while offset - begun < _PAGE_BYTES:
            line = f.readline(1024)
            if not line:
                break
            offset += len(line)
            text = opened(line)
            if text and not text.startswith("log1 "):
                lines.append(text)
    return lines, offset
