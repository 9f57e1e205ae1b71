"""M8: audio frames lost while a board records and uploads without end, under the device's costs.

A virtual hour takes some seconds: by default a few of the thousand hours are run, each with the
handshakes of eight, and the row says how many. All of them:
python -m tools.bench.losses --hours 1000 --medium flash.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tools.bench import losses
from tools.bench.rows import Row
from tools.sim.build import ROOT

_HOURS = 5
_QUICK_HOURS = 0.5
_MOST_COVER_KIB = 64
_LIMIT_S = 900


def measure(session):
    hours = _QUICK_HOURS if session.quick else _HOURS
    session.say(f"{hours} virtual hours a medium")
    with ThreadPoolExecutor(len(losses.MEDIA)) as pool:
        found = list(pool.map(lambda medium: _run(hours, medium), losses.MEDIA))
    rows = []
    for medium, one in zip(losses.MEDIA, found, strict=True):
        made = f"{one['hours']:.1f} of 1,000 virtual hours, {one['handshakes']} handshakes"
        rows.append(
            Row(
                "M8",
                f"frames lost, FLAC 16 kHz on {medium}",
                one["lost_frames"],
                most=0,
                note=made,
            )
        )
        cover_ms = losses.DRIVER_MS + losses.RING_BLOCKS * losses.BLOCK_MS
        what = f"most that the recorder was behind, on {medium}"
        rows.append(Row("M8", what, one["most_behind_ms"], "ms", note=f"covered: {cover_ms} ms"))
    cover = Row("M8", "memory that covers it", losses.COVER_KIB, "KiB", most=_MOST_COVER_KIB)
    return [*rows, cover]


def _run(hours, medium) -> dict:
    """Apart: the code of the device is bent to virtual time once a process."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.losses"]
    command += ["--hours", str(hours), "--medium", medium]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)
