"""One figure of the benchmarks: what it is, its target, the verdict, and how two runs compare."""

import dataclasses

MET, MISSED, NOT_MEASURED = "met", "MISSED", "NOT MEASURED"
# Counts that a second run repeats to the digit; below it two floats are the same figure.
_SAME = 1e-9


class NotMeasured(Exception):
    """A metric cannot be measured here; the text says why and what would help."""


@dataclasses.dataclass
class Row:
    """most, least: the target, one of them or neither. spread: how far repeats lay from the value
    (0: a count that repeats exactly). baselines: name of another client -> its figure, same unit.
    A row without a value says in note why nothing was measured.
    """

    metric: str
    what: str
    value: float | None
    unit: str = ""
    most: float | None = None
    least: float | None = None
    spread: float = 0.0
    baselines: dict[str, float] = dataclasses.field(default_factory=dict)
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return NOT_MEASURED
        if self.most is not None and self.value > self.most:
            return MISSED
        if self.least is not None and self.value < self.least:
            return MISSED
        return "" if self.most is None and self.least is None else MET

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"≤ {figure(self.most)}"
        return "" if self.least is None else f"≥ {figure(self.least)}"

    def to_json(self) -> dict:
        return dataclasses.asdict(self) | {"verdict": self.verdict}

    @classmethod
    def from_json(cls, value: dict) -> "Row":
        """Raises TypeError, KeyError if it is no row."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value[name] for name in names & value.keys()})


@dataclasses.dataclass
class Change:
    """A figure of two runs. word: "", "better", "worse", "changed", "new", "gone"."""

    metric: str
    what: str
    old: float | None
    new: float | None
    word: str

    @property
    def percent(self) -> float | None:
        if self.old is None or self.new is None or not self.old:
            return None
        return 100 * (self.new - self.old) / abs(self.old)


def compare(old: list[Row], new: list[Row]) -> list[Change]:
    """Every figure of both, in the order of new; a change within the spreads has no word."""
    before = {(row.metric, row.what): row for row in old}
    after = {(row.metric, row.what) for row in new}
    changes = [_change(before.get((row.metric, row.what)), row) for row in new]
    for key, row in before.items():
        if key not in after:
            changes.append(Change(row.metric, row.what, row.value, None, "gone"))
    return changes


def _change(old: Row | None, new: Row) -> Change:
    if old is None or old.value is None:
        word = "" if new.value is None else "new"
        return Change(new.metric, new.what, None, new.value, word)
    if new.value is None:
        return Change(new.metric, new.what, old.value, None, "gone")
    difference = new.value - old.value
    noise = old.spread + new.spread + _SAME * max(1.0, abs(old.value))
    word = ""
    if abs(difference) > noise:
        word = "changed"
        if new.most is not None:
            word = "worse" if difference > 0 else "better"
        elif new.least is not None:
            word = "better" if difference > 0 else "worse"
    return Change(new.metric, new.what, old.value, new.value, word)


def figure(value: float | None) -> str:
    """As a person reads it: four digits that count, thousands set apart."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.4g}" if abs(value) < 10 else f"{value:.1f}"


def middle(values: list[float]) -> float:
    """The median."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def spread_of(values: list[float]) -> float:
    """How far the middle half of the values lies from their median."""
    ordered, centre = sorted(values), middle(values)
    quarter = len(ordered) // 4
    kept = ordered[quarter : len(ordered) - quarter]
    return max(abs(value - centre) for value in kept)
