"""Clips over the cable: pull, deliver, receipt; nothing lost and nothing doubled."""

import hashlib

import pytest
from field_bench import Person, clips_on, make_clips, pcm, recordings

from tools.cloud import Cloud


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory):
    with Cloud.start(tmp_path_factory.mktemp("cloud"), rate_limits=False) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud):
    yield running_cloud
    running_cloud.reset()
    with running_cloud.operator() as operator:
        for recording in recordings(running_cloud):
            operator.delete("/recordings/" + recording["id"])


@pytest.fixture
def person(capsys, monkeypatch, cloud):
    return Person(capsys, monkeypatch, cloud)


def test_the_whole_way_over_the_cable(serial_board, person, cloud, tmp_path):
    serial = serial_board("REC-A1")
    make_clips(serial, 2, 3)
    _, token = cloud.register_recorder("REC-A1")
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
