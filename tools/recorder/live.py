"""Reading the kept log of a recorder: of a running one page by page over its console, which stops
nothing, and of one that is held.
"""

from tools.recorder.errors import BoardFault, UsageError
from tools.recorder.line import Line
from tools.recorder.port import Board

_MOST_PAGES = 400  # 64 KiB are about a hundred
LOG_LIMIT_S = 120.0


def kept_log(line: Line) -> list[str] | None:
    """Every line of the log that a running recorder keeps, oldest first; None: nobody answers."""
    found: list[str] = []
    at = None
    for _ in range(_MOST_PAGES):
        page = line.ask({"do": "log", "at": at})
        if page is None or "lines" not in page:
            return found or None
        found += [text for text in page["lines"] if isinstance(text, str)]
        at = page["next"]
        if at is None:
            break
    return found


def kept_log_of(board: Board) -> list[str]:
    """The same of a board that is held, in a session."""
    found: list[str] = []
    try:
        board.call("logs", {}, LOG_LIMIT_S, lambda message: found.extend(message["lines"]))
    except BoardFault as error:
        if error.code != "no_such_function":  # an application from before there was a log
            raise
    return found


def duration_s(text: str) -> float:
    """Seconds of "10s", "5m", "1h" or "10". Raises UsageError."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{text!r} is no length of time: write 10s, 5m or 1h.")
    return seconds
