"""What a fleet lives through: how many devices, what they record, when the cloud is away."""

import dataclasses
import random

WINDOW_S = 60  # the project's limits are counted a minute, each from :00
EXCHANGE_S = 0.1  # a request and its answer on a connection that is open
CONNECT_S = 1.4  # name, TCP and TLS of a new one (tools/torture/costs.py)
UPLOAD_S = 4.0  # 240 KB, half a minute of FLAC, over a modest link
HEARTBEAT_S = 600


@dataclasses.dataclass(frozen=True)
class Scenario:
    """hours: of the whole run; clips_an_hour: of each device, at moments of its own;
    away_h: (from, to) in hours, the outage; requests, urls: the project's limits a minute;
    waiting: clips that each device begins with, as when power returns to all of them.
    """

    devices: int = 50
    hours: float = 8
    clips_an_hour: float = 6
    away_h: tuple[float, float] = (1, 4)
    requests: int = 100
    urls: int = 30
    seed: int = 1
    waiting: int = 0

    def is_away(self, now_s: float) -> bool:
        """True while the cloud answers nobody."""
        return self.away_h[0] * 3600 <= now_s < self.away_h[1] * 3600

    def closes_s(self, number: int) -> list[float]:
        """When device number closes its clips, in seconds from the start."""
        kept = [0.0] * self.waiting
        if not self.clips_an_hour:
            return kept
        dice = random.Random(f"{self.seed} clips {number}")
        every_s = 3600 / self.clips_an_hour
        first_s = dice.random() * every_s
        count = int((self.hours * 3600 - first_s) // every_s) + 1
        # A conversation does not keep to a grid: each clip comes within half an interval of it.
        times = [first_s + (n + dice.random() / 2) * every_s for n in range(count)]
        return kept + [at_s for at_s in times if at_s < self.hours * 3600]


class Project:
    """The project's limits, shared by all its devices, and a count of what met them."""

    def __init__(self, scenario: Scenario):
        self._limits = {"all": scenario.requests, "urls": scenario.urls}
        self._minute = -1
        self._used: dict[str, int] = {}
        self.asked: list[int] = []  # requests of each minute, and how many of them were refused
        self.refused: list[int] = []

    def take(self, now_s: float, is_url: bool) -> tuple[bool, int, int, int]:
        """One request: (is it served, limit, remaining, seconds until the count begins anew), of
        the limit that is tighter, as X-RateLimit-* tells it.
        """
        minute = int(now_s // WINDOW_S)
        if minute != self._minute:
            self._minute, self._used = minute, dict.fromkeys(self._limits, 0)
        while len(self.asked) <= minute:
            self.asked.append(0)
            self.refused.append(0)
        self.asked[minute] += 1
        told = None
        for name in ("all", "urls") if is_url else ("all",):
            self._used[name] += 1
            limit = self._limits[name]
            left = limit - self._used[name]
            if told is None or left * told[0] < told[1] * limit:
                told = limit, left
        if told[1] < 0:
            self.refused[minute] += 1
        reset_s = int((minute + 1) * WINDOW_S - now_s)
        return told[1] >= 0, told[0], max(0, told[1]), reset_s
