"""The parts of the page that need no running recorder."""

import io
import json
import pathlib
import re
import socket
import tarfile
import types

import numpy as np
import pytest
from rich.console import Console

from device.hal.lights import CODES
from device.reasons import CLIP, LANE, RECORDER
from device.store.paths import stem
from device.store.slots import encode
from host_tests.conftest import ROOT
from tools.page import browser, from_bundle, replay, scene, terminal, words
from tools.page.knobs import KNOBS, Knobs
from tools.page.medium import read_clips
from tools.page.room import Room
from tools.page.watch import Watch
from tools.recorder.commands.doctor import bundle

RECORD = {"n": 3, "state": "closed", "codec": "flac", "hz": 16000, "samples": 32000, "bytes": 9000,
          "crc": 1, "take": 3, "index": 0, "first": 0, "boot": 1, "up": 5, "last": 1}  # fmt: skip


@pytest.mark.parametrize("table", [LANE, CLIP, RECORDER])
def test_every_code_of_the_recorder_has_a_line_for_people(table):
    assert [code for code in table.split() if not words.has_title(code)] == []


def test_knobs_expect_codes_that_have_a_line():
    codes = {code for knob in KNOBS for code in knob.expects}
    assert len(codes) > 12 and all(words.has_title(code) for code in codes)


def test_the_light_of_the_page_speaks_the_board_s_language():
    """recorder.js against device/hal/lights.py: flashes, their length and their pause."""
    text = (ROOT / "tools/page/static/recorder.js").read_text()
    found = re.findall(r"^  (\w+): \[\"#\w{6}\", (\d+), (\d+), (\d+), ", text, re.MULTILINE)
    assert {row[0]: tuple(map(int, row[1:])) for row in found} == {
        code: light[1:] for code, light in CODES.items()
    }


def listen(room: Room, count: int) -> np.ndarray:
    with socket.create_connection(room.address) as line:
        line.sendall(count.to_bytes(2, "little"))
        data = b""
        while len(data) < 2 * count:
            data += line.recv(2 * count - len(data))
    return np.frombuffer(data, "<i2")


def test_a_room_is_quiet_or_somebody_speaks():
    speech = np.arange(1000, 6000, dtype="<i2")
    room = Room(speech, 16_000)
    try:
        quiet = listen(room, 1000)
        assert 0 < np.abs(quiet).max() < 30 and len(set(quiet)) > 8, "not a dead microphone"
        room.set_source("speech")
        assert (listen(room, 1000) == speech[:1000]).all()
        assert (listen(room, 4500) == np.r_[speech[1000:], speech[:500]]).all(), "over and over"
        room.say_once(speech[:1500], 100.0)
        assert (listen(room, 1000) == speech[:1000]).all() and room.is_saying()
        assert (listen(room, 500) == speech[1000:1500]).all() and not room.is_saying()
        room.set_source("laptop")
        room.say(np.full(480, 900, "<i2").tobytes(), 48_000)
        heard = listen(room, 320)
        assert np.abs(heard[20:140] - 900).max() < 120, "48 kHz became 16"
        assert np.abs(heard[200:]).max() < 30
        with pytest.raises(ValueError, match="no source"):
            room.set_source("radio")
    finally:
        room.close()


def write_clip(root: pathlib.Path, number: int, sequence: int = 1, **changes) -> None:
    path = pathlib.Path(stem(str(root), number) + f".r{sequence & 1}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode("clip1", sequence, RECORD | {"n": number} | changes))
    path.with_name(path.name.replace(".r", ".flac")[:-1]).write_bytes(b"x" * 700)


def test_clips_are_read_off_a_folder_the_newer_record_wins(tmp_path):
    write_clip(tmp_path / "flash", 3)
    write_clip(tmp_path / "flash", 3, 2, state="created", rid="rec_1")
    (tmp_path / "flash/clips/0000/00/00/00000004.r0").write_bytes(b"torn")
    found = read_clips(tmp_path)
    assert found[3]["record"]["state"] == "created" and found[3]["file_bytes"] == 700
    assert found[4] == {"record": None, "file_bytes": 0}


def test_clips_are_read_off_a_littlefs_image_that_is_never_written(tmp_path):
    from littlefs import LittleFS

    flash = LittleFS(block_size=4096, block_count=64)
    path = stem("", 3)
    flash.makedirs(path.rsplit("/", 1)[0])
    with flash.open(path + ".r1", "wb") as f:
        f.write(encode("clip1", 1, RECORD))
    image = tmp_path / "flash.img"
    image.write_bytes(flash.context.buffer)
    before = image.read_bytes()
    assert read_clips(tmp_path)[3]["record"] == RECORD
    assert image.read_bytes() == before
    image.write_bytes(b"\xff" * 8192 + before[8192:])
    assert read_clips(tmp_path) is None, "half a change: the next look sees it whole"


def test_where_a_clip_is_comes_from_its_record_and_the_wire():
    def request(route, ended=True):
        return types.SimpleNamespace(route=route, ended_s=1.0 if ended else None)

    def stage(state, *wire, in_hand=False, on_flash=True, arrived=None):
        record = RECORD | {"state": state} if state else {}
        return scene._stage(record, {} if on_flash else None, list(wire), arrived, in_hand)

    assert stage("open") == "record"
    assert stage("closed") == "wait"
    assert stage("created", request("put", ended=False), in_hand=True) == "put"
    assert stage("created", request("put")) == "url", "it failed: a fresh URL comes next"
    assert stage("stored") == "complete"
    assert stage("quarantined", request("create", ended=False), in_hand=True) == "aside"
    assert stage(None, on_flash=False, arrived={"id": "rec_1"}) == "cloud"


def status(recorder="idle", queue="nothing_to_send", clock="known", **more) -> dict:
    return {
        "recorder": {"code": recorder, "ends_when": "r"},
        "queue": {"code": queue, "ends_when": "q"},
        "clock": {"state": clock},
        "link": {"up": True, "way": "wifi"},
        "indicator": "waiting_link",
    } | more


def test_it_says_what_troubles_it_first():
    assert scene.says(status(), True)["code"] == "idle"
    assert scene.says(status(queue="portal"), True)["tone"] == "wait"
    both = scene.says(status("storage_full", "portal"), True)
    assert both["code"] == "storage_full" and both["also"] == words.title("portal")
    assert scene.says(status("recording", "sending"), True)["also"] == "Sending"
    assert scene.says(status("recording", "wifi_not_found"), True)["code"] == "wifi_not_found"
    assert scene.says(status(clock="unknown"), True)["clock"]
    assert scene.says(None, False)["code"] == "power_off"
    assert scene.says(None, True)["code"] == "no_answer"


def test_a_browser_is_opened_on_a_desktop_alone(monkeypatch):
    monkeypatch.setattr(browser.sys, "stdout", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(browser.sys, "platform", "linux")
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not browser.is_there()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert browser.is_there()
    monkeypatch.setenv("CI", "true")
    assert not browser.is_there()
    monkeypatch.delenv("CI")
    monkeypatch.setattr(browser.sys, "stdout", types.SimpleNamespace(isatty=lambda: False))
    assert not browser.is_there()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no json", "no JSON"),
        ("[]", "version 1"),
        ('{"knobs": 2, "events": []}', "version 1"),
        ('{"knobs": 1, "events": {}}', "no list"),
        ('{"knobs": 1, "events": [7]}', "event 1"),
        ('{"knobs": 1, "events": [{"knob": "rain"}]}', "no knob 'rain'"),
        ('{"knobs": 1, "events": [{"knob": "wifi", "plus_s": -1}]}', "plus_s is -1"),
        ('{"knobs": 1, "events": [{"knob": "wifi", "plus_s": true}]}', "plus_s is True"),
        ('{"knobs": 1, "events": [{"knob": "wifi", "on": "yes"}]}', "on is 'yes'"),
        ('{"knobs": 1, "events": [{"knob": "wifi", "after": 3}]}', "after is no text"),
    ],
)
def test_a_file_that_is_none_is_refused_by_what_is_wrong_with_it(tmp_path, text, complaint):
    path = tmp_path / "knobs.json"
    path.write_text(text)
    with pytest.raises(replay.ReplayError, match=re.escape(complaint)):
        replay.read(path)


def test_a_turn_comes_after_what_was_done_before_it_not_after_what_it_did(tmp_path):
    """A press begins a take, and on a slow host the take is seen before the press is through."""

    class Board:
        def is_running(self):
            return True

        def command(self, _name):
            watch.mark("take 2")

    bench = types.SimpleNamespace(board=Board(), room=None, has_modem=False, has_cell=False)
    knobs = Knobs(bench)
    watch = Watch(bench, knobs)
    watch.mark("clip 1 closed")
    keeper = replay.Keeper(tmp_path / "knobs.json", {}, watch)
    knobs.on_turn = keeper.turned
    knobs.turn("press")
    knobs.turn("press")
    events = replay.read(tmp_path / "knobs.json")["events"]
    assert [event["after"] for event in events] == ["clip 1 closed", "knob 1"]


def test_a_file_sets_no_option_but_those_of_the_bench(tmp_path):
    path = tmp_path / "knobs.json"
    run = {"link": "both", "folder": "/", "storage_endpoint": "http://elsewhere"}
    path.write_text(json.dumps({"knobs": 1, "run": run, "events": [{"knob": "press"}]}))
    assert replay.read(path) == {"run": {"link": "both"}, "events": [{"knob": "press"}]}


LOG = """\
2026-11-01 09:00:00  info   start device=REC-1 firmware=0.1.0 boot=7 cause=power_on
2026-11-01 09:00:02  info   link up way=wifi reason=-
2026-11-01 09:00:40  info   clip closed clip=21 take=21 index=0 samples=480000 bytes=1 last=0
2026-11-01 09:00:50  info   clip closed clip=22 take=21 index=1 samples=160000 bytes=1 last=1
2026-11-01 09:00:51  warn   lane waits clip=21 reason=server_error (status=503) wait_s=30
2026-11-01 09:01:31  warn   lane waits clip=21 reason=server_error (status=503) wait_s=60
2026-11-01 09:20:00  info   clip created clip=21 recording=rec_1
2026-11-01 09:20:01  info   link down way=wifi reason=wifi_not_found
2026-11-01 11:00:00  info   link up way=wifi reason=-
2026-11-01 11:00:05  ERROR  task is overdue task=lane
boot 8 +0:00:00    info   start device=REC-1 firmware=0.1.0 boot=8 cause=watchdog
boot 9 +0:00:00    info   start device=REC-1 firmware=0.1.0 boot=9 cause=power_on
boot 9 +0:00:04    warn   battery sending=0 percent=9
boot 9 +0:10:00    warn   battery sending=1 percent=80
boot 9 +0:10:01  a line of nobody's
"""


def made_bundle(path: pathlib.Path, log: str = LOG) -> pathlib.Path:
    document = {"device": "REC-1", "state": {"passwords": []}}
    bundle(path, document, "report", log)
    return path


def test_a_support_bundle_becomes_knobs(tmp_path, capsys):
    path = made_bundle(tmp_path / "rec1.tar.gz")
    target = tmp_path / "knobs.json"
    assert from_bundle.main([str(path), "--out", str(target)]) == 0
    said = capsys.readouterr()
    found = replay.read(target)
    assert found["run"] == {"live": True, "plays": False}
    assert [(event["knob"], event["on"]) for event in found["events"]] == [
        ("speech", True),
        ("press", True), ("outage", True), ("press", True),  # one take, however many clips
        ("outage", False),
        ("wifi", True), ("wifi", False),
        ("power", True), ("power", False),  # not the watchdog: no knob makes it
        ("battery", True), ("battery", False),
    ]  # fmt: skip
    assert all(event["plus_s"] <= 4 for event in found["events"])
    assert [event["after"] for event in found["events"][:5]] == [
        "start 1", "knob 1", "knob 2", "knob 3", "knob 3 said"]  # fmt: skip
    assert "a start after watchdog (1 times)" in said.err
    assert "task is overdue (1 times)" in said.err


def test_what_is_no_bundle_is_refused(tmp_path, capsys):
    (tmp_path / "none").write_text("not an archive")
    assert from_bundle.main([str(tmp_path / "none")]) == 1
    assert "no bundle" in capsys.readouterr().err
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("else"), io.BytesIO())
    assert from_bundle.main([str(tmp_path / "other.tar.gz")]) == 1
    assert "no log.txt" in capsys.readouterr().err


def test_the_terminal_shows_the_same_picture():
    clip = {"number": 4, "seconds": 12.0, "bytes": 9000, "stage": "put", "progress": 0.5}
    picture = {
        "says": scene.says(status(queue="portal"), True) | {"again_in_s": 7},
        "status": {"storage": {"used_pct": 3}, "battery_pct": 80},
        "light": "waiting_link", "level_dbfs": -30.0, "heard_s": 12.0, "total_s": 74.2,
        "clips": [clip], "cloud": [1, 2],
        "knobs": [{"name": "wifi", "label": "No network", "is_on": True, "why_not": ""}],
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=120)
    console.print(terminal.picture(picture))
    shown = console.file.getvalue()
    for text in (words.title("portal"), "looks again in 7 s", "battery 80 %", "put", "No network"):
        assert text in shown
    keys = terminal.letters()
    assert len(keys) == len(KNOBS) and set(keys.values()) == {knob.name for knob in KNOBS}
