"""Lines of the kept log (device/log_ring.py) for a person: when, how bad, what."""

import dataclasses
import datetime

_WORDS = {"E": "ERROR", "W": "warn ", "I": "info ", "D": "debug"}


@dataclasses.dataclass
class LogLine:
    """boot and up_s are None for a line of the live console, which carries neither."""

    boot: int | None
    up_s: int | None
    level: str
    text: str

    def document(self, offsets_ms: dict[int, int]) -> dict:
        return dataclasses.asdict(self) | {"unix_s": self.unix_s(offsets_ms)}

    def unix_s(self, offsets_ms: dict[int, int]) -> int | None:
        """When it was; offsets_ms: Unix minus uptime of each boot whose time is known."""
        offset_ms = offsets_ms.get(self.boot)
        return None if offset_ms is None else (offset_ms // 1000 + self.up_s)

    def shown(self, offsets_ms: dict[int, int]) -> str:
        word = _WORDS.get(self.level, "     ")
        if self.boot is None:
            return f"{word}  {self.text}"
        unix_s = self.unix_s(offsets_ms)
        if unix_s is None:
            up = str(datetime.timedelta(seconds=self.up_s))
            return f"boot {self.boot} +{up:<9}  {word}  {self.text}"
        at = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
        return f"{at:%Y-%m-%d %H:%M:%S}  {word}  {self.text}"


def parse(text: str) -> LogLine:
    """A line as the board keeps it ("3+61 W text") or shows it ("W text", or anything else)."""
    head, _, rest = text.partition(" ")
    boot, plus, up_s = head.partition("+")
    if plus and boot.isdigit() and up_s.isdigit():
        return LogLine(int(boot), int(up_s), *_level(rest))
    return LogLine(None, None, *_level(text))


def _level(text: str) -> tuple[str, str]:
    if text[:1] in _WORDS and text[1:2] == " ":
        return text[0], text[2:]
    return "", text


def offsets_of(status: dict | None = None, boots: dict | None = None) -> dict[int, int]:
    """Unix minus uptime in ms, by boot: of a status document's clock, of `boots` of the state
    (what device/link/clock.py keeps: a list a boot, the offset first).
    """
    found = {
        int(boot): entry[0]
        for boot, entry in (boots or {}).items()
        if boot.isdigit() and isinstance(entry, list) and entry and isinstance(entry[0], int)
    }
    clock = (status or {}).get("clock", {})
    if clock.get("unix_s") and isinstance(clock.get("boot"), int):
        found[clock["boot"]] = 1000 * (clock["unix_s"] - clock["uptime_s"])
    return found
