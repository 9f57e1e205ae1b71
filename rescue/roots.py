"""The trusted roots of TLS: one set, replaced whole. The full program and rescue read it here.

    <folder of the program that runs>/trust/roots    what the release was shipped with
    /roots                                           what a signed bundle brought since

The higher version wins, the other file is not looked at. A release that is not running is never
asked: an update that was broken off may have left there what nobody signed.

A set is one file: a line of text, then certificates as DER, one behind the other:

    roots1 <version> <CRC-32 of the rest, hex> <bytes of the rest>

Who replaces /roots writes a file beside it, checks it, and renames it: the old set or the new one.
"""

import os
from binascii import crc32

from rescue import boot_record

REPLACED = "roots"
SHIPPED = "trust/roots"
ROM = "/rom/"  # a board whose firmware mounts one (choice.py)
MAGIC = "roots1"
MOST_BYTES = 24 * 1024
_LINE_BYTES = 64
_PIECE_BYTES = 512
_DER_SEQUENCE = 0x30


def program_folder(folder=""):
    """Where the program that runs lies: folder + "a/" or "b/", ROM, or folder for a flat tree.
    folder: "" or a path that ends in "/".
    """
    _, release, trial, _ = boot_record.read(folder)
    name = trial if trial != boot_record.NONE else release
    if name != boot_record.NONE and _is_there(folder + name):
        return folder + name + "/"
    return ROM if _is_there(ROM + SHIPPED) else folder


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def newest(folder=""):
    """(version, path) of the set in force; (0, None) if there is no whole one."""
    best = (0, None)
    for path in (program_folder(folder) + SHIPPED, folder + REPLACED):
        version = check(path)
        if version > best[0]:
            best = (version, path)
    return best


def check(path):
    """The version of the set in a file, or 0 if it is absent, torn or damaged."""
    try:
        with open(path, "rb") as f:
            words = f.readline(_LINE_BYTES).decode().split()
            if len(words) != 4 or words[0] != MAGIC:
                return 0
            left = int(words[3])
            if not 0 < left <= MOST_BYTES:
                return 0
            crc = 0
            while left:
                piece = f.read(min(left, _PIECE_BYTES))
                if not piece:
                    return 0
                crc = crc32(piece, crc)
                left -= len(piece)
            is_whole = crc & 0xFFFFFFFF == int(words[2], 16) and not f.read(1)
            return int(words[1]) if is_whole else 0
    except (OSError, ValueError, UnicodeError):
        return 0


def certificates(folder=""):
    """Yield each trusted root as DER, one in memory at a time. Nothing if there is no set."""
    _, path = newest(folder)
    if path is None:
        return
    with open(path, "rb") as f:
        f.readline(_LINE_BYTES)
        while True:
            head = f.read(4)
            if len(head) < 4 or head[0] != _DER_SEQUENCE or head[1] != 0x82:
                return  # the end; a certificate is never shorter than 256 bytes
            yield head + f.read(head[2] << 8 | head[3])


def replace(path, folder=""):
    """Put the checked set in the file at path in force. Raises OSError; then the old one is."""
    os.rename(path, folder + REPLACED)
