"""M9: how block reads grow from ten to ten thousand clips that wait (tools.bench.backlog).

The card's file system is judged. The chip's own flash holds a hundred or two on a board: its
figures stand beside, without a target.
"""

import importlib

from tools.bench.rows import NotMeasured, Row
from tools.bench.upload import need_micropython

_CLIPS = {"fat": (10, 100, 1_000, 10_000), "lfs": (10, 100, 1_000)}
_QUICK_CLIPS = (10, 100, 1_000)


def measure(session):
    need_micropython()
    try:
        backlog = importlib.import_module("tools.bench.backlog")
    except ModuleNotFoundError:
        raise NotMeasured("tools/bench/backlog.py is not in this tree") from None
    rows = []
    for medium, clips in _CLIPS.items():
        clips = _QUICK_CLIPS if session.quick else clips
        session.say(f"{medium}, up to {clips[-1]:,} clips")
        for found in backlog.measure((medium,), clips)[medium]["verdicts"]:
            rows.append(
                Row(
                    "M9",
                    f"{found['metric']}, {medium}, {clips[0]} to {clips[-1]:,} clips",
                    found["value"],
                    found["unit"],
                    most=found["target"] if medium == "fat" else None,
                )
            )
    return rows
