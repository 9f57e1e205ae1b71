"""Holds a fortnight against its rules and its truth: bytes, waits, delivery.

Every byte: which way it took, when, and whether the settings allowed that.
Every second in which a clip waited: the one reason that the lane gave then, whether what it claims
was true (the script knows), and whether it ended soon after that had ended.
"""

import collections
import dataclasses

from tools.torture import invariants
from tools.torture.fortnight import script

# After a claim has ceased to be true, the recorder may take so long to find out: where none is in
# reach it tries a network every 5 minutes (link.py, _RETRY_CAP_MS), and there are two.
LATE_S = 11 * script.MINUTE_S
# Reasons that pass by themselves, and how long one of them may last.
PASSING_S = {
    "sending": 60,  # a clip
    "nothing_to_send": 35,  # a clip was closed just now
    "starting": 60,
    "link_down": 60,  # the next way is begun
    "link_changing": 60,
    "clock_wait": 60,
}
_MB = 1_000_000


@dataclasses.dataclass(frozen=True)
class Wait:
    """So many clips waited from begin_s to end_s for this reason; is_true: all of the time."""

    begin_s: float
    end_s: float
    code: str
    clips: int
    is_true: bool

    @property
    def length_s(self) -> float:
        return self.end_s - self.begin_s


def judge(run) -> list[str]:
    """What broke a rule, as sentences; empty for a fortnight in which all held."""
    found = [f"{v.name} {v.text}" for v in invariants.judge(run.history)]
    found += broken_rules(run.bytes)
    for wait in waits(run):
        if not wait.is_true:
            found.append(
                f"{clock_of(wait.begin_s)}: {wait.clips} clips waited {wait.length_s:.0f} s with "
                f"the reason {wait.code}, which was not true, or not any more"
            )
    closed, delivered = closings(run.history), deliveries(run.history)
    for clip in closed:
        if len(delivered.get(clip, [])) != 1:
            found.append(f"clip {clip} was delivered {len(delivered.get(clip, []))} times")
    return found


def broken_rules(crossed: list[tuple[float, str, int]]) -> list[str]:
    """Bytes that the settings did not allow on the way they took."""
    found = collections.Counter()
    day_bytes, month_bytes = collections.Counter(), 0
    places, permissions = script.places(), script.permissions()
    for second, way, size in crossed:
        if way != "4g":
            continue
        day = script.day_of(second)
        day_bytes[day] += size
        month_bytes += size
        if not script.is_off_peak(second):
            found[f"day {day}: bytes over 4G out of hours"] += size
        is_abroad = script.at(places, second).network == "roaming"
        if is_abroad and not script.at(permissions, second):
            found[f"day {day}: bytes over 4G abroad"] += size
        if day_bytes[day] > script.DAILY_MB * _MB:
            found[f"day {day}: bytes over the daily cap"] += size
        if month_bytes > script.MONTHLY_MB * _MB:
            found[f"day {day}: bytes over the monthly cap"] += size
    return [f"{text}: {size}" for text, size in found.items()]


def closings(history) -> dict[int, float]:
    """clip -> second at which it was closed."""
    return {e.detail["clip"]: e.at_ms / 1000 for e in history.of("closed")}


def deliveries(history) -> dict[int, list[float]]:
    """clip -> seconds at which the cloud acknowledged a recording of it, once each."""
    found, seen = {}, set()
    for event in history.of("commit"):
        detail = event.detail
        if detail["route"] == "complete" and detail["status"] == 200:
            if detail["rid"] not in seen:
                seen.add(detail["rid"])
                found.setdefault(detail["clip"], []).append(event.at_ms / 1000)
    return found


def waits(run) -> list[Wait]:
    """Every second in which a closed clip was not delivered and the board had power, once."""
    changes = [(second, 1) for second in closings(run.history).values()]
    changes += [(times[0], -1) for times in deliveries(run.history).values()]
    truth = _Truth(run)
    marks = sorted(
        {second for second, _ in changes}
        | {second for second, _ in run.said}
        | {second for second, _ in truth.changes}
    )
    changes.sort()
    clips = at = said_at = 0
    code = ""
    found = []
    for begin_s, end_s in zip(marks, [*marks[1:], run.now_ms / 1000], strict=True):
        while at < len(changes) and changes[at][0] <= begin_s:
            clips += changes[at][1]
            at += 1
        while said_at < len(run.said) and run.said[said_at][0] <= begin_s:
            code = run.said[said_at][1]
            said_at += 1
        if not clips or not code or end_s <= begin_s:
            continue
        since_s = run.said[said_at - 1][0]
        wait = Wait(begin_s, end_s, code, clips, truth.holds(code, since_s, begin_s, end_s))
        before = found[-1] if found else None
        if before and before.end_s == begin_s:
            if (before.code, before.clips, before.is_true) == (code, clips, wait.is_true):
                wait = dataclasses.replace(wait, begin_s=found.pop().begin_s)
        found.append(wait)
    return found


class _Truth:
    """What was the case at each moment: where the recorder was, what the caps had left, which
    failure the lane was resting from.
    """

    def __init__(self, run):
        self._rests = _rests(run.history)
        self._places, self._permissions = script.places(), script.permissions()
        self._spent = _when_spent(run.bytes)
        edges = [(day * script.DAY_S + hour * 3600, None)
                 for day in range(script.DAYS) for hour in (0, 10, 20)]  # fmt: skip
        self.changes = self._places + self._permissions + edges
        self.changes += [(second, None) for second in self._spent.values()]

    def holds(self, code, since_s, begin_s, end_s):
        """Is code, said at since_s, true from begin_s to end_s, between two of the changes?"""
        if code in PASSING_S:
            return end_s - max(begin_s, since_s) <= PASSING_S[code]
        middle = (begin_s + end_s) / 2
        if self._claim(code, middle):
            return True
        if any(c == code and b <= begin_s and end_s <= e for b, e, c in self._rests):
            return True
        # Not any more: but nobody can know at once.
        last = max((s for s, _ in self.changes if s <= begin_s), default=0)
        return self._claim(code, last - 1) and end_s - last <= LATE_S

    def _claim(self, code, second):
        place = script.at(self._places, second)
        if place.has_good_wifi:
            return False
        if code == "wifi_not_found":
            return place.wifi is None
        if code in ("portal", "tls_untrusted"):
            return place.has_portal
        if code == "roaming":
            return place.network == "roaming" and not script.at(self._permissions, second)
        if code == "off_peak":
            return not script.is_off_peak(second)
        if code == "cap_day":
            spent_s = self._spent.get(script.day_of(second))
            return spent_s is not None and spent_s <= second
        if code == "cap_month":
            return self._spent.get("month", float("inf")) <= second
        return False


# The device counts on the safe side: 3 to 10 % more than crosses the wire (docs/budgets.md), and
# the month's cap counts as reached where the next clip would not fit.
_SAFE_PCT = 10
_CLIP_BYTES = 320_000


def _when_spent(crossed):
    """day, or "month" -> second at which its cap was reached."""
    found, day_bytes, month_bytes = {}, collections.Counter(), 0
    for second, way, size in crossed:
        if way == "4g":
            day = script.day_of(second)
            day_bytes[day] += size
            month_bytes += size
            if day_bytes[day] + _CLIP_BYTES > script.DAILY_MB * _MB * (100 - _SAFE_PCT) // 100:
                found.setdefault(day, second)
            if month_bytes + _CLIP_BYTES > script.MONTHLY_MB * _MB * (100 - _SAFE_PCT) // 100:
                found.setdefault("month", second)
    return found


def _rests(history):
    """[(begin, end, reason)]: the lane said that it waits after a failure, with half as much again
    for jitter; a boot that knows no time waits the whole again.
    """
    found, last = [], None
    for event in history.of("failed", "commit", "boot"):
        second = event.at_ms / 1000
        if event.kind == "failed":
            code = event.detail["code"].partition("reason=")[2].split()[0].strip("():,")
            last = code, 1.5 * event.detail["wait_s"] + 60
        elif event.kind == "commit" and event.detail["route"] == "complete":
            last = None
        if last:
            found.append((second, second + last[1], last[0]))
    return found


def clock_of(second: float) -> str:
    """day and time of day, as a person writes them."""
    minute = int(second % script.DAY_S) // 60
    return f"day {script.day_of(second)} {minute // 60:02}:{minute % 60:02}"
