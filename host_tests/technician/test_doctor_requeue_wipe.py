"""What the doctor says, what requeue brings back and where to, and what wipe refuses."""

import json
import tarfile

import pytest
from field_bench import Person, change_record, clips_on, make_clips, wait_until

from device.hal.release import BUILD_UNIX_S
from tools.recorder.diagnosis import when
from tools.recorder.port import Board
from tools.sim.serial import SerialBoard

_SECRETS = """
from device.hal.sim.board import build
secrets = build().secrets
secrets.set("token", "dtok_hidden")
secrets.set("wifi:Café 7", "long-password")
print('@field {"answer": 1}')
"""
_CONFIG = {"config.json": json.dumps({"wifi": {"networks": ["Café 7"]}}).encode()}


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def test_the_doctor_says_what_waits_why_and_what_was_lost(serial_board, person, tmp_path):
    serial = serial_board("REC-1", files=_CONFIG)
    make_clips(serial, 2, 2, 2, 2)
    change_record(serial, 2, state="parked", why="refused", said="status=422 lookback")
    change_record(serial, 3, lost=800, epoch=9)
    change_record(serial, 4, cut=1)
    Board(serial.device).run(_SECRETS, 60, "secrets")
    path = tmp_path / "rec.tar.gz"
    code, said = person.run("doctor", "--board", serial.device, "--bundle", path)
    text = "\n".join(f["text"] + " → " + f["next"] for f in said["findings"])
    assert code == 0
    assert "2 clips (0.1 min) wait to be sent: 1, 4" in text
    assert "1 clips are set aside, refused: 2. The cloud said: status=422 lookback" in text
    assert "requeue --why refused" in text
    assert "made under another token: 3" in text
    assert "Clip 3 of 2026-03-01 12:00 UTC: 100 ms are missing" in text
    assert "Clip 4 of 2026-03-01 12:00 UTC ended with the power" in text
    with tarfile.open(path) as archive:
        names = archive.getnames()
        packed = "".join(archive.extractfile(n).read().decode() for n in names)
    assert names == ["report.txt", "document.json", "log.txt"] and "refused" in packed
    for secret in ("dtok_hidden", "long-password", "Café", "Caf\\u00e9"):
        assert secret not in packed + json.dumps(said["state"].get("token")), secret


def test_the_doctor_asks_it_while_it_still_runs(serial_board, person, tmp_path):
    serial = serial_board("REC-6", files={"config.json": b'{"recording": {"mode": "buton"}}'})
    path = tmp_path / "rec.tar.gz"
    code, said = person.run("doctor", "--board", serial.device, "--bundle", path)
    with tarfile.open(path) as archive:
        assert b"start device=REC-6" in archive.extractfile("log.txt").read()
    texts = [finding["text"] for finding in said["findings"]]
    assert code == 0 and said["status"]["device"] == "REC-6"
    assert any(text.startswith("It ran, for") and "Recording: idle" in text for text in texts)
    assert any(text.startswith(("Sending: no_token", "Sending: starting")) for text in texts)
    assert any("ERROR" in text and "buton" in text for text in texts), texts
    wait_until(lambda: "reset" in serial.resets)
    Board(serial.device).hold()
    code, said = person.run("doctor", "--board", serial.device)
    assert code == 0 and said["status"] is None
    assert any("ERROR" in finding["text"] for finding in said["findings"]), "also what is on flash"


_BOOTS = """
from device.hal.sim.board import build
from device.link.clock import BOOTS, Clock
from device.log import Log
from device.store import ledger_book
from device.store.slots import Slots
from device.store.store import ClipStore
board = build()
ClipStore(board.storage, board.secrets).prepare()
clock = Clock(board.clock, 1, Log(lambda text: None))
clock.attach(Slots(BOOTS, board.storage.root + "/state/boots"))
clock.witness(%d + clock.uptime_ms(), 50, "ntp")
runs = [["i", 1, 0, 60], ["r", 1, 60, 30], ["c", 1, 60, 20]]
ledger_book.add(board.storage.root, runs, clock.start_of)
print('@field {"answer": 1}')
"""


def test_the_time_of_a_boot_that_was_learnt_later_is_used(serial_board, person):
    serial = serial_board("REC-7")
    make_clips(serial, 2)
    change_record(serial, 1, cut=1, start=None, up=60_000)
    booted_unix_s = BUILD_UNIX_S + 86400  # an earlier time would not be believed
    Board(serial.device).run(_BOOTS % (1000 * booted_unix_s), 60, "boots")
    _, said = person.run("doctor", "--board", serial.device)
    texts = " ".join(finding["text"] for finding in said["findings"])
    assert f"Clip 1 of {when(booted_unix_s + 60)} ended with the power" in texts
    # And what became of each second of that day.
    assert said["state"]["days"] == [[booted_unix_s // 86400, [60, 0, 30, 0, 0, 20, 0, 0]]]
    assert said["state"]["seconds"]["on_device"] == 10


@pytest.mark.parametrize(
    "record, words, state",
    [
        ({"state": "parked", "why": "refused"}, [], "closed"),
        ({"state": "parked", "why": "refused", "rid": "rec_1"}, [], "created"),
        ({"state": "parked", "why": "collected", "was": "created", "rid": "rec_1"}, [], "created"),
        ({"state": "quarantined", "why": "kills_device", "was": "creating"}, [], "creating"),
        ({"state": "parked", "why": "gone_in_cloud", "rid": "rec_1"}, [], "parked"),
        (
            {"state": "parked", "why": "gone_in_cloud", "rid": "rec_1"},
            ["--new-recording"],
            "closed",
        ),
        ({"state": "quarantined", "why": "damaged", "crc": 7}, [], "quarantined"),
        ({"state": "quarantined", "why": "damaged", "crc": 7}, ["--rebuild"], "closed"),
        ({"state": "quarantined", "why": "too_short"}, ["--rebuild"], "quarantined"),
        ({"state": "parked", "why": "refused"}, ["--dry-run"], "parked"),
        ({"state": "parked", "why": "refused"}, ["--why", "conflict"], "parked"),
        ({"state": "parked", "why": "refused", "epoch": 9}, [], "parked"),
        ({"state": "parked", "why": "refused", "epoch": 9}, ["--other-epoch"], "closed"),
        ({"epoch": 0}, [], "closed"),
    ],
)
def test_requeue_brings_each_clip_back_where_it_is_safe(
    serial_board, person, record, words, state
):
    serial = serial_board("REC-2")
    make_clips(serial, 2)
    change_record(serial, 1, **record)
    code, said = person.run("requeue", "--board", serial.device, *words)
    clip = clips_on(serial)[1]
    assert code == 0 and clip["state"] == state, said
    if state == "closed" and "--other-epoch" in words:
        assert clip["epoch"] == 1
    if words == ["--rebuild"] and state == "closed":
        assert clip["cut"] == 1 and clip["samples"] == 16000 and "why" not in clip


def test_another_token_needs_a_word(serial_board, person):
    serial = serial_board("REC-3")
    make_clips(serial, 2)
    change_record(serial, 1, epoch=0)
    assert person.run("requeue", "--board", serial.device)[1]["left"] == {"1": "other_epoch"}
    person.run("requeue", "--board", serial.device, "--other-epoch")
    assert clips_on(serial)[1]["epoch"] == 1


def test_wipe_asks_twice_and_leaves_nothing_of_a_person(serial_board, person):
    serial = serial_board("REC-4", files=_CONFIG)
    make_clips(serial, 2)
    Board(serial.device).run(_SECRETS, 60, "secrets")
    store_id = serial.secrets().get("store_id")
    words = ("wipe", "--board", serial.device)
    code, said = person.run(*words, "--confirm", "REC-4")
    assert code == 1 and "1 clips on board are not delivered" in said["error"]
    code, said = person.run(*words, "--lose-clips")
    assert code == 2 and "Not confirmed" in said["error"]
    assert set(clips_on(serial)) == {1}
    assert person.run(*words, "--lose-clips", "--confirm", "REC-4")[0] == 0
    assert clips_on(serial) == {}
    # The recorder that begins anew on the board names its store anew, sooner or later.
    left = {name: value for name, value in serial.secrets().items() if value}
    assert set(left) <= {"store_id"} and left.get("store_id") != store_id
    assert "config.json" not in serial.read_image()
    assert make_clips(serial, 2) == 2  # a number never comes again


def test_a_wipe_of_another_board_is_refused(serial_board: type[SerialBoard], person):
    serial = serial_board("REC-5")
    code, said = person.run("wipe", "--board", serial.device, "--confirm", "REC-4")
    assert code == 2 and "REC-5" in said["error"]
