"""The file side of the kept log (device/log_ring.py): loaded for a write or a reader alone.

A line on flash is eight hex digits of CRC-32 of the rest, a blank, and its text. The first line of
a segment says its number: "log1 <number>".
"""

import os
from binascii import crc32

from device.compat import const, file_size, sync_file

_SEGMENTS = const(4)
_SEGMENT_BYTES = const(16384)
# What tokens, keys and signed addresses begin with; nothing after it is kept.
_SECRET_MARKS = ("dtok_", "sk_", "rk_", "up_", "Bearer ", "X-Amz-")
_LEAST_SECRET_CHARS = const(4)


def seal(text):
    """A line with its checksum, as bytes."""
    data = text.encode()
    return b"%08x %s\n" % (crc32(data) & 0xFFFFFFFF, data)


def opened(line):
    """The text of a sealed line, or None if it is torn or damaged."""
    if len(line) < 10 or line[-1:] != b"\n" or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) == crc32(line[9:-1]) & 0xFFFFFFFF:
            return line[9:-1].decode()
    except (ValueError, UnicodeError):
        pass
    return None


def redacted(text):
    """text without what looks like a secret. Whoever logs leaves them out; this is the net."""
    for mark in _SECRET_MARKS:
        start = text.find(mark)
        while start >= 0:
            after = end = start + len(mark)
            while end < len(text) and text[end] not in " \"'&":
                end += 1
            if end - after >= _LEAST_SECRET_CHARS and not text[start - 1 : start].isalpha():
                text = text[:after] + "***" + text[end:]
            start = text.find(mark, after)
    return text


def texts(pending):
    """The lines of a ring's buffer, as they go to the flash."""
    return [redacted(str(line, "utf-8")) for line in bytes(pending).split(b"\n") if line]


def segments(folder):
    """[(number, path, bytes)] of what is there, oldest first. Raises OSError."""
    found = []
    for i in range(_SEGMENTS):
        path = folder + "/" + str(i)
        size = file_size(path)
        if size <= 0:
            continue
        with open(path, "rb") as f:
            words = (opened(f.readline(40)) or "").split()
        if len(words) == 2 and words[0] == "log1" and words[1].isdigit():
            found.append((int(words[1]), path, size))
    found.sort()
    return found


def write(folder, newest, pending):
    """Append the lines of a ring's buffer. newest: what the last write returned, None for the
    first since the boot. Returns the segment that was written to. Raises OSError.
    """
    data = b"".join([seal(text) for text in texts(pending)])
    if newest is None:
        newest = _find(folder)
        data = b"\n" + data  # ends a line that a cut tore
    number, path, size = newest
    mode = "ab"
    if size + len(data) > _SEGMENT_BYTES:
        number += 1
        path, size, mode = "%s/%d" % (folder, number % _SEGMENTS), 0, "wb"
        data = seal("log1 %d" % number) + data
    with open(path, mode) as f:
        f.write(data)
        sync_file(f)
    return number, path, size + len(data)


def _find(folder):
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there, or the write says why not
    found = segments(folder)
    return found[-1] if found else (0, "", _SEGMENT_BYTES)
