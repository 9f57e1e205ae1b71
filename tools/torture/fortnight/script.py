"""The script: where the recorder is, what it records, which rules hold. Times are local.

Two weeks from Monday, 2 November 2026: work days with a lunch behind a sign-in page, a weekend
abroad (roaming refused on Saturday, allowed on Sunday), and a monthly cap that is reached on the
Wednesday of the second week.
"""

import dataclasses

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
DAYS = 14
UTC_OFFSET_S = HOUR_S
START_UNIX_S = 1_793_577_600 - UTC_OFFSET_S  # Monday, 2 November 2026, 00:00 local
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclasses.dataclass(frozen=True)
class Place:
    """wifi: the network in reach, or None; has_portal: it shows a sign-in page in place of all
    else; network: what the modem finds ("home", "roaming").
    """

    name: str
    wifi: str | None
    network: str
    has_portal: bool = False
    has_charger: bool = False

    @property
    def has_good_wifi(self) -> bool:
        return self.wifi is not None and not self.has_portal


HOME = Place("home", "home", "home", has_charger=True)
WAY = Place("on the way", None, "home")
CAFE = Place("cafe", "cafe", "home", has_portal=True)
ABROAD = Place("abroad", None, "roaming")

DAILY_MB, MONTHLY_MB = 7, 47
OFF_PEAK = "10:00-20:00"
RULES = {
    "wifi.networks": ["home", "cafe"],
    "cellular.apn": "iot.example",
    "cellular.daily_mb": DAILY_MB,
    "cellular.monthly_mb": MONTHLY_MB,
    "cellular.off_peak": [OFF_PEAK],
    "schedule.utc_offset_min": UTC_OFFSET_S // 60,
    "recording.clip_length_s": 60,
    "cloud.heartbeat_s": 1800,
}

_WORK_DAY = ((0, HOME), (7.5, WAY), (12.2, CAFE), (14, WAY), (18, HOME))
_DAY_OUT = ((0, HOME), (9.5, WAY), (17, HOME))
_PLACES = {6: ((0, HOME), (9, ABROAD)), 7: ((0, ABROAD), (20, HOME))}
_WEEKEND = {13: _DAY_OUT, 14: _DAY_OUT}

# (hour, minutes) of each take.
_TAKES = (
    (7, 1), (8.25, 4), (9.5, 3), (11, 3), (12.5, 2), (13.75, 1), (14.25, 4), (16, 3), (20.5, 2)
)  # fmt: skip
_TAKES_OF = {
    3: (*_TAKES, (16.5, 14)),
    6: ((11, 5), (15, 5)),
    7: ((11, 5), (15, 3)),
    13: ((11, 6), (15, 3)),
    14: ((11, 4), (15, 2)),
}


def places() -> list[tuple[int, Place]]:
    """(second since the start, where it is from then on), in order."""
    found = []
    for day in range(1, DAYS + 1):
        for hour, place in _PLACES.get(day) or _WEEKEND.get(day) or _WORK_DAY:
            if not found or found[-1][1] is not place:
                found.append((_at_s(day, hour), place))
    return found


def takes() -> list[tuple[int, int]]:
    """(second since the start, seconds) of each take, in order."""
    return [
        (_at_s(day, hour), minutes * MINUTE_S)
        for day in range(1, DAYS + 1)
        for hour, minutes in _TAKES_OF.get(day, _TAKES)
    ]


def permissions() -> list[tuple[int, bool]]:
    """(second since the start, may it roam from then on): the settings are changed over the cable,
    and the recorder starts anew.
    """
    return [(0, False), (_at_s(7, 8), True), (_at_s(8, 7.25), False)]


def power_cuts() -> list[tuple[int, int]]:
    """(second since the start, seconds without power): one after the cap was reached."""
    return [(_at_s(11, 14.5), 600)]


def at(rows: list, second: float):
    """The value of rows (from when, value) that holds at second."""
    value = rows[0][1]
    for from_s, later in rows:
        if from_s > second:
            break
        value = later
    return value


def is_off_peak(second: float) -> bool:
    """True in the hours in which 4G may be used."""
    begin, end = (int(text[:2]) * HOUR_S for text in OFF_PEAK.split("-"))
    return begin <= second % DAY_S < end


def day_of(second: float) -> int:
    """1 to 14, and 15 for what is left to do on the morning after."""
    return int(second // DAY_S) + 1


def _at_s(day: int, hour: float) -> int:
    return round((day - 1) * DAY_S + hour * HOUR_S)
