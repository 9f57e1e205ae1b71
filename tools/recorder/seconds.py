"""What became of each day's seconds, as the board's ledger has it (device/store/ledger.py)."""

import datetime

from device.store.ledger_book import KINDS, NAMES

_DAY_S = 86_400
_SHOWN = 14
_LOST = ("overrun", "cut", "evicted", "unreadable")


def by_name(counts: list[int]) -> dict[str, int]:
    return dict(zip(NAMES.split(), counts[: len(KINDS)], strict=True))


def unknown_s(day: int, seconds: dict[str, int], now_s: int | None) -> int:
    """Seconds of a day that nothing is known of: off, or it ended before they were written down.

    now_s: Unix seconds, None if nobody knows; the day that it is in has only begun.
    """
    length_s = _DAY_S
    if now_s is not None and now_s // _DAY_S == day:
        length_s = now_s % _DAY_S
    known = sum(seconds[name] for name in ("not_scheduled", "blocked", "recorded", "cut"))
    return max(0, length_s - known)


def table(days: list, now_s: int | None) -> list[str]:
    """Lines for people, the newest days; [] where the ledger is empty."""
    if not days:
        return []
    rows = [("day (UTC)", "recorded", "confirmed", "not wanted", "forbidden", "lost", "unknown")]
    why = []
    for day, counts in days[-_SHOWN:]:
        seconds = by_name(counts)
        named, missing = "time unknown", ""
        if day >= 0:
            date = datetime.date(1970, 1, 1) + datetime.timedelta(day)
            named, missing = date.isoformat(), span(unknown_s(day, seconds, now_s))
        lost = sum(seconds[name] for name in _LOST)
        shown = (seconds["recorded"], seconds["confirmed"], seconds["not_scheduled"])
        shown += (seconds["blocked"], lost)
        rows.append((named, *map(span, shown), missing))
        parts = [f"{name} {span(seconds[name])}" for name in _LOST if seconds[name]]
        if parts:
            why.append(f"  {named}: lost are {', '.join(parts)}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ] + why


def span(seconds: int) -> str:
    """1:02:03, or - for none."""
    if not seconds:
        return "-"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
