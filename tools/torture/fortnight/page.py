"""The fortnight as a page: a table of days, a table of reasons, and a picture of both."""

import collections
import dataclasses

from tools.torture.fortnight import judge, script
from tools.torture.fortnight.script import DAY_S, HOUR_S

_MB = 1_000_000
_EVENING_S = 17 * HOUR_S - 300  # before it comes home
# So that not every change of a second changes the page: shorter waits of a day are left out, and
# the picture knows tenths of an hour.
_SHOWN_S = 360
_PLACES_SHOWN = {"home": "home", "on the way": "4G", "cafe": "portal", "abroad": "abroad"}


@dataclasses.dataclass
class Day:
    """What one day came to; waits: reason -> seconds in which a clip waited for it."""

    number: int
    places: list[str]
    recorded_s: float = 0
    wifi_bytes: int = 0
    cellular_bytes: int = 0
    backlog: int = 0
    waits: dict[str, float] = dataclasses.field(default_factory=dict)


def days(run) -> list[Day]:
    """The days of the script, and the one after if anything was left to do."""
    found = {}
    for number in range(1, run.days + 1):
        here = [script.at(script.places(), (number - 1) * DAY_S + 60)]
        here += [p for s, p in script.places() if script.day_of(s) == number]
        found[number] = Day(number, list(dict.fromkeys(_PLACES_SHOWN[p.name] for p in here)))
    for second, seconds in script.takes():
        if script.day_of(second) in found:
            found[script.day_of(second)].recorded_s += seconds
    for second, way, size in run.bytes:
        day = found.setdefault(script.day_of(second), Day(script.day_of(second), []))
        if way == "wifi":
            day.wifi_bytes += size
        else:
            day.cellular_bytes += size
    for wait in judge.waits(run):
        day = found.setdefault(script.day_of(wait.begin_s), Day(script.day_of(wait.begin_s), []))
        day.waits[wait.code] = day.waits.get(wait.code, 0) + wait.length_s
        if wait.begin_s % DAY_S <= _EVENING_S < wait.begin_s % DAY_S + wait.length_s:
            day.backlog = wait.clips
    return [found[number] for number in sorted(found)]


def table(run) -> str:
    """Day by day, as Markdown."""
    lines = [
        "| day | where | recorded, min | over Wi-Fi, MB | over 4G, MB | clips waiting at 16:55 "
        "| why clips waited, h |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for day in days(run):
        name = f"{day.number} {script.DAY_NAMES[(day.number - 1) % 7]}"
        waits = ", ".join(
            f"`{code}` {_length(seconds)}"
            for code, seconds in sorted(day.waits.items(), key=lambda item: -item[1])
            if seconds >= _SHOWN_S
        )
        lines.append(
            f"| {name} | {', '.join(day.places)} | {day.recorded_s / 60:.0f} | "
            f"{day.wifi_bytes / _MB:.1f} | {day.cellular_bytes / _MB:.1f} | {day.backlog} | "
            f"{waits} |"
        )
    return "\n".join(lines)


def reasons(run, ends_when) -> str:
    """Each reason with the event that ends it, as Markdown; ends_when(code) -> text."""
    length, longest = collections.Counter(), collections.Counter()
    run_of = None
    for wait in judge.waits(run):
        length[wait.code] += wait.length_s
        goes_on = run_of and run_of[0] == wait.code and run_of[2] == wait.begin_s
        run_of = (wait.code, run_of[1] if goes_on else wait.begin_s, wait.end_s)
        longest[wait.code] = max(longest[wait.code], run_of[2] - run_of[1])
    lines = [
        "| reason | in all, h | longest, h | ends when |",
        "| --- | ---: | ---: | --- |",
    ]
    for code, seconds in length.most_common():
        lines.append(
            f"| `{code}` | {_length(seconds)} | {_length(longest[code])} | {ends_when(code)} |"
        )
    return "\n".join(lines)


def facts(run, faults: list[str]) -> str:
    """What was judged, in a sentence or two."""
    closed = judge.closings(run.history)
    cellular = sum(size for _, way, size in run.bytes if way == "4g")
    waited_s = sum(wait.length_s for wait in judge.waits(run))
    said = (
        f"{len(closed)} clips, each delivered once; {cellular / _MB:.1f} of "
        f"{script.MONTHLY_MB} MB over 4G; {waited_s / HOUR_S:.0f} hours in which a clip waited, "
        "each second with one reason that was true."
    )
    return said if not faults else "NOT KEPT: " + "; ".join(faults[:5])


def _length(seconds: float) -> str:
    """Hours, to a tenth."""
    return f"{seconds / HOUR_S:.1f}"


# The picture: a row a day, from left to right the hours.

_LEFT, _TOP, _HOUR_PX, _ROW_PX = 64, 34, 30, 34
_COLOURS = {"home": "#e8f0e4", "cafe": "#f6dede", "abroad": "#e4e4f4", "on the way": "#f4f4f4"}
_WAY_COLOURS = {"wifi": "#2f7d32", "4g": "#c77800"}
_STEP_S = 900
_FULL_BYTES = 2_500_000  # as high as the row
_FULL_CLIPS = 45


def picture(run) -> str:
    """SVG: where it was (ground), bytes a quarter of an hour (bars), clips waiting (line)."""
    width, height = _LEFT + 24 * _HOUR_PX + 10, _TOP + run.days * _ROW_PX + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    legend = [*_COLOURS.items(), ("over Wi-Fi", _WAY_COLOURS["wifi"])]
    legend += [("over 4G", _WAY_COLOURS["4g"]), ("clips waiting", "#222")]
    for place, (name, colour) in enumerate(legend):
        x = _LEFT + place * 100
        out.append(f'<rect x="{x}" y="6" width="12" height="12" fill="{colour}" stroke="#999"/>')
        out.append(f'<text x="{x + 16}" y="16">{name}</text>')
    moves = [*script.places(), (run.days * DAY_S, None)]
    for (begin_s, place), (end_s, _) in zip(moves, moves[1:], strict=False):
        for first_s, last_s in _by_day(begin_s, min(end_s, run.days * DAY_S)):
            out.append(_box(first_s, last_s, 0, _ROW_PX - 4, _COLOURS[place.name]))
    out += _bars(run) + _lines(run)
    for day in range(run.days):
        y = _TOP + day * _ROW_PX
        out.append(f'<text x="6" y="{y + 19}">{day + 1} {script.DAY_NAMES[day % 7]}</text>')
    for hour in range(0, 25, 3):
        x = _LEFT + hour * _HOUR_PX
        out.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle">{hour}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _bars(run):
    sums = collections.Counter()
    for second, way, size in run.bytes:
        if second < run.days * DAY_S:
            sums[int(second // _STEP_S), way] += size
    out = []
    for (step, way), size in sorted(sums.items()):
        tall = max(1, round(min(1, size / _FULL_BYTES) * (_ROW_PX - 4)))
        begin_s = step * _STEP_S
        top = _ROW_PX - 4 - tall
        out.append(_box(begin_s, begin_s + _STEP_S, top, tall, _WAY_COLOURS[way]))
    return out


def _lines(run):
    out = []
    for wait in judge.waits(run):
        tall = round(min(1, wait.clips / _FULL_CLIPS) * (_ROW_PX - 6))
        begin_s, end_s = (round(at_s / _SHOWN_S) * _SHOWN_S for at_s in (wait.begin_s, wait.end_s))
        for first_s, last_s in _by_day(begin_s, min(end_s, run.days * DAY_S)):
            if first_s < last_s:
                out.append(_box(first_s, last_s, _ROW_PX - 5 - tall, 1.5, "#222"))
    return out


def _by_day(begin_s, end_s):
    while begin_s < end_s:
        midnight_s = (begin_s // DAY_S + 1) * DAY_S
        yield begin_s, min(end_s, midnight_s)
        begin_s = midnight_s


def _box(begin_s, end_s, top, tall, colour):
    x = _LEFT + begin_s % DAY_S / HOUR_S * _HOUR_PX
    y = _TOP + begin_s // DAY_S * _ROW_PX + top
    wide = (end_s - begin_s) / HOUR_S * _HOUR_PX
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall}" fill="{colour}"/>'
