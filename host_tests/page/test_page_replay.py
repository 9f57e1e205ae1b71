"""A run's knobs turned again: the same knobs, the same reasons, as many clips proved."""

import json
import re

import pytest

from host_tests.page.live import Live
from host_tests.page.test_page_parts import LOG, made_bundle
from tools.page import from_bundle

PROVED = re.compile(r"PROVED (\d+) clips")


@pytest.fixture
def start(tmp_path):
    """start(name, *arguments) -> Live; whatever is started ends with the test."""
    started = []

    def make(name: str, *arguments: str) -> Live:
        started.append(Live(tmp_path / name, *arguments))
        return started[-1]

    yield make
    for one in started:
        one.stop()


def told(live: Live) -> list[tuple]:
    """The turns of a run, each with what the recorder answered: what lasts. That the link is
    down is said in passing, before the network was looked for, and not always caught.
    """
    document = json.loads((live.folder / "knobs.json").read_text())
    return [
        (e["knob"], e["on"], sorted({*e.get("said", [])} - {"link_down"}))
        for e in document["events"]
    ]


def proved(live: Live) -> int:
    return int(PROVED.findall(live.output())[-1])


def takes(live: Live) -> int:
    """Of how many takes the proof shows clips."""
    return len(set(re.findall(r"(\d+), part \d+", live.output())))


def replayed(start, name: str, path, *arguments: str) -> Live:
    live = start(name, "--replay", str(path), *arguments)
    assert live.process.wait(200) == 0, live.output()[-3000:]
    return live


def test_a_run_replayed_gives_the_same_reasons_and_as_many_takes(start):
    live = start("first", "--keep", "--speed", "40")
    live.wait_open()
    live.turn("speech")
    for name, code in (("wifi", "wifi_not_found"), ("outage", "server_error")):
        live.turn(name)
        live.take(2.5)
        live.wait(lambda scene, name=name, code=code: code in live.said(name))
        live.turn(name, False)
        live.wait_idle()
    assert live.finish() == 0, live.output()[-3000:]
    again = replayed(start, "again", live.folder / "knobs.json")
    turns = told(live)
    assert [turn[2] for turn in turns if turn[:2] == ("wifi", True)] == [["wifi_not_found"]]
    assert [turn[2] for turn in turns if turn[:2] == ("outage", True)] == [["server_error"]]
    assert told(again) == turns
    # How many clips a take is cut into is a matter of how fast the host was.
    assert takes(again) == takes(live) == 3


def test_a_power_cut_in_the_main_job_is_replayed_and_the_rest_is_heard(start, tmp_path):
    """The file's own run: no room, the plain recorder, and the person presses once more."""
    path = tmp_path / "knobs.json"
    events = [
        {"after": "clip 1 closed", "plus_s": 0.0, "knob": "power", "on": True},
        {"after": "knob 1", "plus_s": 0.5, "knob": "power", "on": False},
    ]
    path.write_text(json.dumps({"knobs": 1, "run": {"link": "wifi"}, "events": events}))
    live = replayed(start, "cut", path, "--ui", "terminal")
    assert "\x1b" not in live.output(), "no terminal: a line now and then, no picture"
    assert len(live.output().splitlines()) < 60
    assert told(live) == [("power", True, ["power_off"]), ("power", False, [])]
    assert proved(live) >= 3
    lost_s = float(re.search(r"1 power cuts cost ([\d.]+) s", live.output())[1])
    assert lost_s <= 1.6
    heard = live.folder / "board" / "truth.pcm"
    assert heard.read_bytes() == (live.folder / "heard.pcm").read_bytes()


def test_a_support_bundle_is_replayed(start, tmp_path):
    log = "\n".join(LOG.splitlines()[:9])  # a take, an outage, the network away and back
    lines = from_bundle.read_log(made_bundle(tmp_path / "rec1.tar.gz", log))
    document, left_out = from_bundle.from_log(lines)
    assert not left_out
    path = tmp_path / "knobs.json"
    path.write_text(json.dumps(document))
    live = replayed(start, "bundle", path)
    turns = told(live)
    assert [turn[:2] for turn in turns] == [(e["knob"], e["on"]) for e in document["events"]]
    assert ("outage", True, ["server_error"]) in turns
    assert proved(live) == 1
