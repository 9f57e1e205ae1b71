"""Clips over the cable: pull, deliver, receipt; nothing lost and nothing doubled."""

import concurrent.futures
import hashlib
import itertools
import threading
import time

import pytest
from field_bench import (
    RATE_HZ,
    STORE_ID,
    Person,
    change_record,
    clips_on,
    files,
    make_clips,
    pcm,
    recordings,
)

from device.codec.wav import WavCodec
from tools.cloud.client import loopback_client
from tools.recorder import delivery
from tools.recorder.collected import clips_in
from tools.recorder.commands.receipt import settle
from tools.recorder.errors import BoardFault
from tools.recorder.port import Board
from tools.recorder.secret import Secret
from tools.sim.serial import SerialBoard

_serial_numbers = itertools.count(1)


@pytest.fixture
def name():
    """A serial number that the cloud has not met yet."""
    return f"REC-{next(_serial_numbers):04d}"


@pytest.fixture
def person(capsys, monkeypatch, cloud):
    return Person(capsys, monkeypatch, cloud)


def test_the_whole_way_over_the_cable(serial_board, person, cloud, tmp_path, name):
    serial = serial_board(name)
    make_clips(serial, 2, 3)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"

    code, pulled = person.run("pull", folder, "--board", serial.device)
    assert code == 0 and pulled["new"] == [1, 2] and pulled["left"] == {}
    assert {n: clip["why"] for n, clip in clips_on(serial).items()} == {
        1: "collected",
        2: "collected",
    }
    code, done = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert code == 0 and sorted(done["delivered"]) == ["1", "2"], done
    code, freed = person.run("receipt", folder, "--board", serial.device)
    assert code == 0 and freed["outcomes"] == {"1": "freed", "2": "freed"}
    assert clips_on(serial) == {}

    rows = recordings(cloud)
    assert sorted(row["metadata"]["clip"] for row in rows) == [1, 2]
    for row in rows:
        clip = row["metadata"]["clip"]
        data = cloud.object_bytes(row["id"])
        assert data[44:] == pcm(clip, clip + 1) and row["status"] == "uploaded"
        assert row["content_sha256"] == hashlib.sha256(data).hexdigest()
    # Again: nothing moves, nothing doubles.
    assert person.run("deliver", folder, "--api-url", cloud.api_origin)[1]["before"] == 2
    _, again = person.run("receipt", folder, "--board", serial.device)
    assert again["outcomes"] == {"1": "gone", "2": "gone"}
    assert len(recordings(cloud)) == 2
    # The token went to the API and nowhere else.
    put = [r for r in cloud.log.requests if r.method == "PUT"]
    assert put and all(r.credential == "" for r in put)
    assert token not in "".join(p.read_text() for p in folder.rglob("*.json"))


def pull_cable_at(monkeypatch, serial, step, times=1):
    """The cable goes when the tool uses it for step the nth time; the board loses its power."""
    left = [times]
    inner = Board._mpremote

    def cut(self, commands, timeout_s, name, *rest, **named):
        if name == step and serial._thread is not None:
            left[0] -= 1
            if left[0] == 0:
                # So much of the script, or of the file, went over; then the line is dead.
                if step == "get":
                    serial.cut_after_sent_bytes = serial.sent_bytes + CUT_BYTES[step]
                else:
                    serial.cut_after_bytes = serial.received_bytes + CUT_BYTES[step]
        return inner(self, commands, timeout_s, name, *rest, **named)

    monkeypatch.setattr(Board, "_mpremote", cut)


# How far a step gets: into its script, or (get) into the file.
CUT_BYTES = {"collect": 150, "get": 10_000, "receipt": 700}


@pytest.mark.parametrize("step, times", [("collect", 1), ("get", 1), ("get", 2), ("collect", 2)])
def test_the_cable_is_pulled_in_a_pull(serial_board, person, cloud, tmp_path, step, times, name):
    serial = serial_board(name)
    make_clips(serial, 2, 2)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    with pytest.MonkeyPatch.context() as cut:
        pull_cable_at(cut, serial, step, times)
        code, said = person.run("pull", folder, "--board", serial.device)
    assert code in (1, 3, 4) and said["error"], said
    serial.pull_cable()
    serial.cut_after_bytes = serial.cut_after_sent_bytes = None
    serial.plug_in()
    # Whatever came over is whole, and nothing left the board.
    assert set(clips_on(serial)) == {1, 2}
    for clip in clips_in(folder) if folder.exists() else []:
        assert hashlib.sha256(clip.audio.read_bytes()).hexdigest() == clip.facts["sha256"]
    code, _ = person.run("pull", folder, "--board", serial.device)
    assert code == 0 and files(folder, ".clip.json") == [
        "00000001.clip.json",
        "00000002.clip.json",
    ]
    assert files(folder, ".new") == []
    assert person.run("deliver", folder, "--api-url", cloud.api_origin)[0] == 0
    assert person.run("receipt", folder, "--board", serial.device)[0] == 0
    assert clips_on(serial) == {} and len(recordings(cloud)) == 2


@pytest.mark.parametrize("cut_bytes", [1, 500, 900, 1400])
def test_the_cable_is_pulled_in_a_receipt(serial_board, person, cloud, tmp_path, cut_bytes, name):
    serial = serial_board(name)
    make_clips(serial, 2, 2)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    assert person.run("pull", folder, "--board", serial.device)[0] == 0
    assert person.run("deliver", folder, "--api-url", cloud.api_origin)[0] == 0
    with pytest.MonkeyPatch.context() as cut:
        cut.setitem(CUT_BYTES, "receipt", cut_bytes)
        pull_cable_at(cut, serial, "receipt")
        person.run("receipt", folder, "--board", serial.device)
    serial.pull_cable()
    serial.cut_after_bytes = None
    serial.plug_in()
    assert all(c["state"] == "done" or c["why"] == "collected" for c in clips_on(serial).values())
    assert person.run("receipt", folder, "--board", serial.device)[0] == 0
    assert clips_on(serial) == {} and len(recordings(cloud)) == 2


@pytest.mark.parametrize("route", ["create", "upload_url", "put", "complete"])
def test_the_laptop_dies_in_a_delivery(
    serial_board, person, cloud, tmp_path, monkeypatch, route, name
):
    """The answer is lost after the cloud did its work, and the tool is killed at that moment."""
    serial = serial_board(name)
    make_clips(serial, 2)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    assert person.run("pull", folder, "--board", serial.device)[0] == 0

    class Killed(BaseException):
        pass

    with pytest.MonkeyPatch.context() as kill:
        inner = delivery.Delivery._send
        marks = {
            "create": "/recordings",
            "upload_url": "upload-url",
            "complete": "upload-complete",
        }

        def send(self, method, url, **request):
            answer = inner(self, method, url, **request)
            if method == "PUT" if route == "put" else url.endswith(marks[route]):
                raise Killed
            return answer

        kill.setattr(delivery.Delivery, "_send", send)
        with pytest.raises(Killed):
            person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert files(folder, ".receipt.json") == []
    code, said = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert code == 0, said
    rows = recordings(cloud)
    assert [row["status"] for row in rows] == ["uploaded"]
    assert cloud.object_bytes(rows[0]["id"])[44:] == pcm(1, 2)


def owner_of(cloud, serial_number):
    device_id, _ = cloud.register_recorder(serial_number)
    with cloud.operator() as operator:
        return device_id, operator.get("/devices/" + device_id).json()["end_user_id"]


def test_two_laptops_at_once_with_keys_of_their_own(serial_board, person, cloud, tmp_path, name):
    serial = serial_board(name)
    make_clips(serial, 2, 3)
    device_id, end_user_id = owner_of(cloud, name)
    folders = [tmp_path / "one", tmp_path / "two"]
    _, first = person.run("pull", folders[0], "--board", serial.device)
    assert first.get("new") == [1, 2], first
    code, second = person.run("pull", folders[1], "--board", serial.device)
    assert second.get("new") == [], second
    assert second["left"] == {"1": "collected", "2": "collected"}
    _, again = person.run("pull", folders[1], "--board", serial.device, "--again")
    assert again.get("new") == [1, 2], again

    owner = {"device_id": device_id, "end_user_id": end_user_id}
    keys = [
        cloud.operator_key,
        cloud.restricted_key("recordings:read", "recordings:write", "devices:read"),
    ]
    start = threading.Barrier(2)

    def deliver(folder, key):
        with loopback_client("", cloud.ca_pem) as client:
            way = delivery.Delivery(
                client, cloud.api_origin, Secret(key), owner, sleep=lambda s: time.sleep(0.05)
            )
            start.wait()
            return [way.deliver(clip) for clip in clips_in(folder)]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        rids = list(pool.map(deliver, folders, keys))
    assert rids[0] == rids[1]
    rows = recordings(cloud)
    assert [row["status"] for row in rows if row["status"] != "pending"] == ["uploaded"] * 2
    assert sorted(row["id"] for row in rows if row["status"] == "uploaded") == sorted(rids[0])
    for folder in folders:
        code, said = person.run("receipt", folder, "--board", serial.device)
        assert code == 0, said
    assert clips_on(serial) == {}


def test_what_the_board_had_begun_goes_on_in_the_same_recording(
    serial_board, person, cloud, tmp_path, name
):
    """Created and stored by the board itself; the laptop only completes."""
    serial = serial_board(name)
    make_clips(serial, 2)
    _, token = cloud.register_recorder(name)
    with cloud.client(token) as device:
        rid = device.post("/recordings", json={}).json()["id"]
    change_record(serial, 1, state="created", rid=rid)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    assert person.run("pull", folder, "--board", serial.device)[0] == 0
    _, done = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert done["delivered"] == {"1": rid} and len(recordings(cloud)) == 1


def receipts_of(of_device, changes):
    receipt = {"device": of_device, "store_id": STORE_ID, "n": 1, "bytes": 32044, "rid": "rec_1"}
    header = bytearray(44)
    WavCodec(RATE_HZ).upload_header(2 * RATE_HZ, [], header)
    receipt["sha256"] = hashlib.sha256(header + pcm(1, 2)).hexdigest()
    return [receipt | changes]


@pytest.fixture(scope="module")
def one_clip(tmp_path_factory, application):
    with SerialBoard(tmp_path_factory.mktemp("one") / "b", "REC-ONE") as serial:
        serial.equip()
        serial.image(application, {"config.json": b"{}"})
        serial.plug_in()
        make_clips(serial, 2)
        yield serial


@pytest.mark.parametrize(
    "changes, outcome",
    [
        ({"device": "REC-OTHER"}, "other_device"),
        ({"store_id": "ffffffff"}, "other_store"),
        ({"sha256": "0" * 64}, "wrong_hash"),
        ({"bytes": 32043}, "wrong_size"),
        ({"rid": ""}, "no_receipt"),
        ({"n": 2}, "gone"),
        ({"n": -1}, "no_receipt"),
        ({}, "freed"),
    ],
)
def test_a_receipt_counts_only_for_its_very_clip(one_clip, changes, outcome):
    """The last case frees it: the others left it as it was."""
    receipts = receipts_of(one_clip.serial_number, changes)
    outcomes = settle(Board(one_clip.device), one_clip.serial_number, receipts)
    assert list(outcomes.values()) == [outcome]
    assert set(clips_on(one_clip)) == (set() if outcome == "freed" else {1})


def test_a_session_that_means_another_board_changes_nothing(serial_board, name):
    serial = serial_board(name)
    make_clips(serial, 2)
    with pytest.raises(BoardFault) as caught:
        settle(Board(serial.device), "REC-OTHER", receipts_of(name, {}))
    assert caught.value.code == "other_device"
    assert set(clips_on(serial)) == {1}


def test_clips_of_another_token_wait_for_a_decision(serial_board, person, cloud, tmp_path, name):
    serial = serial_board(name)
    make_clips(serial, 2)
    change_record(serial, 1, epoch=7)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    person.run("pull", folder, "--board", serial.device)
    code, said = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert code == 1 and "another token" in said["left"]["1"] and recordings(cloud) == []
    code, _ = person.run("deliver", folder, "--api-url", cloud.api_origin, "--other-epoch")
    assert code == 0 and len(recordings(cloud)) == 1


def test_a_changed_file_is_not_delivered(serial_board, person, cloud, tmp_path, name):
    serial = serial_board(name)
    make_clips(serial, 2)
    _, token = cloud.register_recorder(name)
    person.has(RECORDER_DEVICE_TOKEN=token)
    folder = tmp_path / "clips"
    person.run("pull", folder, "--board", serial.device)
    audio = clips_in(folder)[0].audio
    audio.write_bytes(audio.read_bytes()[:-2] + b"xx")
    code, said = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert code == 1 and "damaged" in said["left"]["1"] and recordings(cloud) == []


def test_a_refused_token_stops_everything_and_is_never_shown(
    serial_board, person, cloud, tmp_path, capsys, name
):
    serial = serial_board(name)
    make_clips(serial, 2, 2)
    person.has(RECORDER_DEVICE_TOKEN="dtok_nobodyknowsthis")
    folder = tmp_path / "clips"
    person.run("pull", folder, "--board", serial.device)
    code, said = person.run("deliver", folder, "--api-url", cloud.api_origin)
    assert code == 1 and "auth_refused" in said["left"]["1"] and "not tried" in said["left"]["2"]
    assert "nobodyknows" not in str(said) + capsys.readouterr().err
