"""A history that fails is made short: what does not matter is left away, and it still fails."""

import json
import subprocess
import sys

from host_tests.conftest import ROOT
from tools.torture import defects, shrink, weather


def test_only_the_events_that_matter_are_left():
    """Two of a month's events make it fail, and only together."""
    whole = weather.generate(3)
    one, two = whole.events[4], whole.events[-3]
    runs = []

    def fails(tried):
        runs.append(tried)
        whats = [(event["what"], event.get("for_s")) for event in tried.events]
        return (one["what"], one.get("for_s")) in whats and (
            two["what"],
            two.get("for_s"),
        ) in whats

    short = shrink.shrink(whole, fails)
    assert [event["what"] for event in short.events] == [one["what"], two["what"]]
    assert short.days == 0 and short.events[-1]["at_s"] < whole.events[-3]["at_s"]
    assert len(runs) < 200
    assert len(shrink.told(short)) == 2


def test_what_the_recorder_is_set_to_stays(tmp_path):
    """Settings are no event: a shorter history has the same, and so has its file."""
    whole = weather.generate(4)
    assert whole.settings["storage.evict"] in weather.EVICT_ORDERS
    short = shrink.shrink(whole, lambda tried: len(tried.events) >= 3)
    assert len(short.events) == 3 and short.settings == whole.settings
    assert weather.Weather.from_json(short.to_json()) == short
    assert "settings" not in weather.generate(3).to_json()


def test_what_cannot_be_shorter_stays_and_time_is_bounded():
    whole = weather.generate(3)
    assert shrink.shrink(whole, lambda tried: False) == whole
    assert shrink.shrink(whole, lambda tried: True, limit_s=0) == whole


def test_a_planted_defect_is_made_short_and_replays(tmp_path):
    """Another create body at the second attempt: two events of a month show it."""
    defect = next(d for d in defects.load() if d.name == "create is retried with a new body")
    defects.plant(defect, tmp_path)

    def month(*words):
        command = [sys.executable, "-W", "ignore", "-m", "tools.torture.month", *words]
        return subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )

    short = tmp_path / "short.json"
    done = month("--seed", "2", "--shrink", str(short))
    assert done.returncode == 1 and "S6 create of clip" in done.stdout, done.stdout + done.stderr
    assert f"run it: python -m tools.torture.month --weather {short}" in done.stdout
    assert len(json.loads(short.read_text())["events"]) <= 4
    again = month("--weather", str(short))
    assert again.returncode == 1 and "S6 create of clip" in again.stdout
