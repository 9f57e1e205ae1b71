"""The fleet on one sheet: backlog, requests, what each device waited, and who knows of it."""

import pathlib

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from tools.fleet.outcome import Outcome  # noqa: E402

_REAL, _MODEL, _REFUSED, _AWAY = "#1b5e8c", "#c8641a", "#a32a2a", "#e8e8e8"


def draw(path: pathlib.Path, model: Outcome, real: Outcome | None = None) -> None:
    """Write the sheet to path (PNG or SVG by its name). real: drawn beside the model."""
    best = real or model
    scenario = best.scenario
    hours = best.minutes / 60
    pyplot.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    sheet, panels = pyplot.subplots(2, 2, figsize=(9.6, 5.8), layout="constrained")
    backlog, requests, ages, devices = panels.flat
    shown = [("real code", real, _REAL, "-"), ("model", model, _MODEL, "--" if real else "-")]
    shown = [entry for entry in shown if entry[1] is not None]
    for name, outcome, colour, style in shown:
        backlog.plot(hours, outcome.backlog(), style, color=colour, label=name, lw=1.6)
    backlog.set(title="Clips that wait", ylabel="clips", ylim=0)
    asked = _a_minute(best.asked, len(hours))
    refused = _a_minute(best.refused, len(hours))
    requests.fill_between(hours, asked, color=_REAL, alpha=0.35, lw=0, label="asked")
    requests.fill_between(hours, refused, color=_REFUSED, lw=0, label="refused")
    requests.axhline(scenario.requests, color="black", lw=0.8, ls=":")
    requests.annotate("the project's limit", (scenario.hours, scenario.requests), (0, 3),
                      fontsize=8, ha="right", textcoords="offset points")  # fmt: skip
    requests.set(title="Requests a minute, of the whole project", ylabel="requests")
    requests.set(ylim=(0, 1.25 * max(scenario.requests, asked.max())))
    for name, outcome, colour, style in shown:
        minutes = np.sort(outcome.delivered_s - outcome.closed_s)
        minutes = minutes[~np.isnan(minutes)] / 60
        share = 100 * np.arange(1, len(minutes) + 1) / len(outcome.closed_s)
        ages.plot(minutes, share, style, color=colour, label=name, lw=1.6)
    ages.set(title="How old a clip is when it arrives", xlabel="minutes", ylabel="% of all clips")
    ages.set(xlim=0, ylim=(0, 100))
    for name, outcome, colour, style in shown:
        devices.plot(*_of_devices(outcome), style, color=colour, label=name, lw=1.6)
    devices.set(title="How alike devices fare: mean age of a device's clips")
    devices.set(xlabel="% of devices", ylabel="minutes", xlim=(0, 100), ylim=0)
    for panel in (backlog, requests):
        panel.axvspan(*scenario.away_h, color=_AWAY, zorder=0, lw=0)
        panel.set(xlabel="hours", xlim=(0, scenario.hours))
    for panel in panels.flat:
        panel.legend(frameon=False, fontsize=8)
    sheet.suptitle(
        f"{scenario.devices:,} devices, {scenario.clips_an_hour:g} clips an hour each; "
        f"{scenario.requests:,} requests and {scenario.urls:,} upload URLs a minute for all; "
        "grey: the cloud is away", fontsize=10,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
    pyplot.close(sheet)


def _a_minute(counts: np.ndarray, size: int) -> np.ndarray:
    """Means over five minutes, so that the eye sees more than the beat of the minutes."""
    padded = np.pad(counts, (0, size))[:size].astype(float)
    return np.convolve(padded, np.ones(5) / 5, "same")


def _of_devices(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    minutes = np.sort(outcome.mean_age_s()) / 60
    return 100 * np.arange(1, len(minutes) + 1) / len(minutes), minutes
