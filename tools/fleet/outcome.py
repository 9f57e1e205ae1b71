"""What came of it: curves by the minute, and the figures that a person compares."""

import dataclasses

import numpy as np

from tools.fleet.scenario import Scenario


@dataclasses.dataclass
class Outcome:
    """closed_s, delivered_s: one entry a clip, in the same order, NaN where it was not delivered;
    device: whose it was; asked, refused: requests of each minute.
    """

    scenario: Scenario
    closed_s: np.ndarray
    delivered_s: np.ndarray
    device: np.ndarray
    asked: np.ndarray
    refused: np.ndarray

    @property
    def minutes(self) -> np.ndarray:
        return np.arange(int(self.scenario.hours * 60) + 1)

    def backlog(self) -> np.ndarray:
        """Clips that wait at the end of each minute, of all devices."""
        return self._until(self.closed_s) - self._until(self.delivered_s)

    def curves(self) -> dict[str, np.ndarray]:
        """What is compared and drawn: backlog, and sums of requests from the start."""
        size = len(self.minutes)
        return {
            "backlog": self.backlog(),
            "delivered": self._until(self.delivered_s),
            "asked": np.cumsum(_padded(self.asked, size)),
            "refused": np.cumsum(_padded(self.refused, size)),
        }

    def mean_age_s(self) -> np.ndarray:
        """Of each device that closed a clip: how old its clips were when they arrived; one that
        did not arrive is as old as it was at the end.
        """
        end_s = self.scenario.hours * 3600
        age_s = np.where(np.isnan(self.delivered_s), end_s, self.delivered_s) - self.closed_s
        count = np.bincount(self.device, minlength=self.scenario.devices)
        total_s = np.bincount(self.device, age_s, self.scenario.devices)
        return total_s[count > 0] / count[count > 0]

    def _until(self, times_s: np.ndarray) -> np.ndarray:
        ordered = np.sort(times_s[~np.isnan(times_s)])
        return np.searchsorted(ordered, (self.minutes + 1) * 60.0)

    def figures(self) -> dict[str, float]:
        """refused_pct: of all requests; drain_min: from the outage's end until nine in ten of the
        clips that it had held back were through, NaN if they never were; drain_of_ideal: the same
        over the time that a fleet would need that knew of each other; jain: fairness among
        devices (Jain 1984), of the mean age at delivery, 1: all alike; late: the slowest tenth of
        devices over the median; delivered_pct: of all clips.
        """
        back_s = self.scenario.away_h[1] * 3600
        held = (self.closed_s <= back_s) & ~(self.delivered_s < back_s)
        through_s = np.where(np.isnan(self.delivered_s), np.inf, self.delivered_s)[held]
        drain_s = np.quantile(through_s, 0.9, method="higher") - back_s if held.any() else 0.0
        a_minute = min(self.scenario.urls, self.scenario.requests / 3)
        ideal_s = 60 * 0.9 * held.sum() / a_minute
        mean_s = self.mean_age_s()
        return {
            "refused_pct": 100 * self.refused.sum() / max(1, self.asked.sum()),
            "drain_min": drain_s / 60 if np.isfinite(drain_s) else float("nan"),
            "drain_of_ideal": drain_s / max(ideal_s, 60) if np.isfinite(drain_s) else float("nan"),
            "jain": float(mean_s.sum() ** 2 / (len(mean_s) * (mean_s**2).sum())),
            "late": float(np.quantile(mean_s, 0.9) / np.median(mean_s)),
            "delivered_pct": 100 * float(np.mean(~np.isnan(self.delivered_s))),
        }


def deviations(model: Outcome, real: Outcome) -> dict[str, float]:
    """How far the model's curves are from the real ones: for each the mean distance over the run,
    as a share of the real curve's largest value (of all requests, for those refused).
    """
    found = {}
    ours, theirs = model.curves(), real.curves()
    for name, curve in theirs.items():
        scale = theirs["asked"][-1] if name == "refused" else curve.max()
        found[name] = float(np.mean(np.abs(ours[name] - curve)) / max(scale, 1))
    return found


def _padded(counts: np.ndarray, size: int) -> np.ndarray:
    return np.pad(np.asarray(counts), (0, size))[:size]
