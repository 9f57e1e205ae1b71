"""tools/mpremote/config.py with the real mpremote: every command of its own does what it says."""

import json
import os
import subprocess
import sys

from field_bench import wait_until

from tools.sim.build import ROOT


def mpremote(*words) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"XDG_CONFIG_HOME": str(ROOT / "tools")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answer(said: str) -> dict:
    lines = [line for line in said.splitlines() if line.startswith("@field ")]
    return json.loads(lines[-1][len("@field ") :])["answer"]


def test_each_command_works_on_a_board(serial_board):
    serial = serial_board("REC-1")
    wait_until(lambda: serial.register("indicator") is not None)  # it runs
    at = ("connect", serial.device)
    assert answer(mpremote(*at, "recorder-hold")) == {"device": "REC-1", "held": True}
    assert serial.register("indicator") == {"code": "held"}
    assert answer(mpremote(*at, "recorder-facts"))["device"] == "REC-1"
    assert answer(mpremote(*at, "recorder-clips"))["clips"] == 0
    assert answer(mpremote(*at, "recorder-state"))["token"] is False
    assert "start device=REC-1" in mpremote(*at, "recorder-logs")
    assert "battery" in mpremote(*at, "recorder-selftest")
    mpremote(*at, "resume", "recorder-release")
    wait_until(lambda: serial.register("watchdog") == {"limit_ms": 60_000})


def test_they_stand_in_its_help():
    said = mpremote("help")
    for name in ("hold", "facts", "clips", "state", "logs", "selftest", "watch", "release"):
        assert "recorder-" + name in said
