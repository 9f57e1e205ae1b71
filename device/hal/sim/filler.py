"""Fills the flash with a file of nobody's until almost nothing is free; loaded for that alone.

Piece by piece, so that the loop goes on: the recorder is to notice a full medium, not a dead one.
"""

import asyncio
import os

from device.compat import file_size

_PIECE_BYTES = 4096
_PIECES_AT_ONCE = 4
_LEFT_BYTES = 64 * 1024  # what records need to be closed in order
_NAME = "/filler.bin"


async def _fill(storage, path):
    piece = bytes(_PIECE_BYTES)
    left = 0
    try:
        with open(path, "wb") as f:
            while True:
                if left <= 0:
                    left = (storage.free_bytes() - _LEFT_BYTES) // 2 // _PIECE_BYTES
                    if left <= 0:
                        break
                for _ in range(_PIECES_AT_ONCE):
                    f.write(piece)
                left -= _PIECES_AT_ONCE
                await asyncio.sleep(0)
    except OSError:
        pass  # full is what was wanted


def set_full(storage, is_full):
    """Begin to fill, or take the file away again."""
    path = storage.root + _NAME
    if is_full:
        return asyncio.create_task(_fill(storage, path))
    if file_size(path) >= 0:
        os.remove(path)
    return None
