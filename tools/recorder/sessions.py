"""One session with one board: found, held while it lasts, given back to its work afterwards."""

import contextlib

from tools.recorder.errors import Foreign, ToolError
from tools.recorder.guard import guard
from tools.recorder.ports import find_board


@contextlib.contextmanager
def session(named: str | None, ui):
    """(Board, Found) of the recorder meant. Raises Foreign for anything that is no recorder."""
    board, found = find_board(named)
    try:
        guard(found)
    except Foreign:
        if found.was_stopped:
            with contextlib.suppress(ToolError):
                board.release()
        raise
    try:
        yield board, found
    finally:
        try:
            board.release()
        except ToolError as error:
            ui.say(f"The board was not given back to its work ({error}) Press its reset button.")
