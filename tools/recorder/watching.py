"""Follows a trial over the console of the running recorder: asks, never stops it."""

import time

from tools.recorder.errors import ToolError
from tools.recorder.line import Line

PROVED, ON_TRIAL, TAKEN_BACK, SILENT = "proved", "on_trial", "taken_back", "silent"
_LOOK_S = 5.0


def watch(device: str, version: str, until_s: float, say) -> str:
    """What became of version, by until_s (time.monotonic()) at the latest."""
    outcome = SILENT
    while True:
        seen = judge(_status(device), version) or outcome
        if seen != outcome and seen == ON_TRIAL:
            say(f"{version} runs; it is tried until every task has been well for ten minutes.")
        outcome = seen
        if outcome in (PROVED, TAKEN_BACK) or time.monotonic() >= until_s:
            return outcome
        time.sleep(min(_LOOK_S, max(0.0, until_s - time.monotonic())))


def judge(status: dict | None, version: str) -> str | None:
    """What a status document says of the trial of version; None if it says nothing."""
    if not status or "update" not in status:
        return None
    is_tried = status["update"].get("trial", "-") != "-"
    if status.get("firmware") == version:
        return ON_TRIAL if is_tried else PROVED
    return ON_TRIAL if is_tried else TAKEN_BACK


def _status(device: str) -> dict | None:
    """The running recorder's status document; None while it starts, or where nothing answers."""
    try:
        with Line(device) as line:
            answer = line.ask({"do": "status"})
    except ToolError:
        return None
    return answer if isinstance(answer, dict) else None
