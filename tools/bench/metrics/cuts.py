"""M5: what is sent again over a thousand random cuts of link and power, with the real lane."""

import json
import subprocess
import sys

from tools.bench import cuts
from tools.bench.rows import Row
from tools.sim.build import ROOT

_CUTS = 1000
_MOST_CLIPS_A_CUT = 0.55
_LIMIT_S = 900


def measure(session):
    count = _CUTS // 10 if session.quick else _CUTS
    session.say(f"{count} cuts, whole files")
    whole = _run(count)
    session.say(f"{count} cuts, in chunks")
    chunked = _run(count, "--chunks")
    made = f"{whole['cuts']} cuts, {whole['power_cuts']} of them of power"
    chunk_bytes = cuts.CHUNK_KB * 1024
    return [
        Row(
            "M5",
            "clips sent again a cut, whole files",
            whole["clips_again_a_cut"],
            most=_MOST_CLIPS_A_CUT,
            note=f"{made}; clips of {whole['clip'] / 1000:.0f} KB",
        ),
        Row("M5", "PUTs of a clip recorded as stored", whole["puts_after_stored"], most=0),
        Row(
            "M5",
            "PUTs again since the power went before an answer was recorded",
            whole["puts_after_answer"],
        ),
        Row(
            "M5",
            f"chunks of {cuts.CHUNK_KB} KB sent again a cut",
            chunked["again_a_cut"] / chunk_bytes,
            most=1,
            note=f"{chunked['cuts']} cuts",
        ),
    ]


def _run(count, *words) -> dict:
    """Apart: the code of the device is bent to virtual time once a process."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.cuts", "--cuts", count, *words]
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)
