"""What the doctor says, what requeue brings back and where to, and what wipe refuses."""

import json
import tarfile

import pytest
from field_bench import Person, change_record, clips_on, make_clips

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
    change_record(serial, 3, lost=1600, epoch=9)
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
    assert names == ["report.txt", "document.json"] and "refused" in packed
    for secret in ("dtok_hidden", "long-password", "Café", "Caf\\u00e9"):
        assert secret not in packed + json.dumps(said["state"].get("token")), secret


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
        assert clip["cut"] == 1 and clip["samples"] == 32000 and "why" not in clip


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
