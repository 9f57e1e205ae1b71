"""The older copies of the documentation: d1 and d2 differ from s as the contract's table says."""

import pytest
from cloud_recorder import Recorder

from tools.cloud import Cloud, CloudError

DATA = b"sound" * 1000


@pytest.fixture(scope="module", params=["d1", "d2"])
def old(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with Cloud.start(folder, generation=request.param, rate_limits=False) as cloud:
        recorder = Recorder(cloud)
        operator = cloud.operator()
        yield request.param, cloud, recorder, operator
        operator.close()
        recorder.close()


def test_recordings_show_what_their_generation_knows(old):
    generation, _cloud, recorder, _operator = old
    shown = recorder.api.post("/recordings", json={"name": "r"}).json()
    assert ("file_size_bytes" in shown) == (generation == "d1")
    assert ("media" in shown and "name" in shown) == (generation == "d2")
    assert "content_sha256" not in shown


def test_upload_urls_ask_and_answer_by_generation(old):
    generation, _cloud, recorder, _operator = old
    path = f"/recordings/{recorder.create()}/upload-url"
    full = recorder.api.post(path, json={"type": "audio", "content_type": "audio/flac"}).json()
    assert full["headers"] == {"Content-Type": "audio/flac"}
    assert "upload_token" not in full and "content_type" not in full
    assert ("media_id" in full) == (generation == "d2")
    typed = recorder.api.post(path, json={"type": "audio"})
    untyped = recorder.api.post(path, json={"content_type": "audio/flac"})
    opus = recorder.api.post(path, json={"type": "audio", "content_type": "audio/opus"})
    expected = (400, 200, 400) if generation == "d1" else (200, 400, 200)
    assert (typed.status_code, untyped.status_code, opus.status_code) == expected


def test_complete_ignores_evidence_and_wants_a_pending_recording(old):
    _generation, cloud, recorder, _operator = old
    recording_id = recorder.uploaded(DATA)
    done = recorder.complete(recording_id, b"another hash")
    assert (done.status_code, done.json()["status"]) == (200, "uploaded")
    assert recorder.complete(recording_id).status_code == 409
    cloud.switches.wrong_state_status = 400
    assert recorder.complete(recording_id).status_code == 400
    cloud.reset()


def test_an_api_key_names_what_its_generation_asks_for(old):
    generation, _cloud, recorder, operator = old
    answer = operator.post("/recordings", json={"device_id": recorder.device_id})
    assert answer.status_code == (201 if generation == "d1" else 400)
    if generation == "d1":
        mine = recorder.api.post("/recordings", json={}).json()
        assert answer.json()["end_user_id"] == mine["end_user_id"]


def test_download_urls_are_posted_for_in_d2_only(old):
    generation, _cloud, recorder, operator = old
    recording_id = recorder.uploaded(DATA)
    recorder.complete(recording_id)
    path = f"/recordings/{recording_id}/download-url"
    assert operator.get(path).status_code in (404, 405)
    if generation == "d1":
        assert operator.post(path, json={}).status_code == 404
        return
    medium = operator.get(f"/recordings/{recording_id}").json()["media"][0]["id"]
    link = operator.post(path, json={"media_id": medium}).json()
    assert link["media_id"] == medium
    assert recorder.storage.get(link["download_url"]).content == DATA
    assert operator.post(path, json={"media_id": "med_none"}).status_code == 404


def test_a_recording_follows_its_transcription(old):
    _generation, _cloud, recorder, operator = old
    recording_id = recorder.uploaded(b"no audio at all")
    recorder.complete(recording_id)
    made = operator.post(f"/recordings/{recording_id}/transcribe", json={"language": "en"})
    assert made.status_code == 201
    assert "text" in made.json() and "full_text" not in made.json()
    _wait_for_end(operator, made.json()["id"])
    shown = operator.get(f"/recordings/{recording_id}").json()
    assert (shown["status"], shown["transcription_id"]) == ("failed", made.json()["id"])
    assert operator.post("/transcriptions", json={}).status_code == 404


def _wait_for_end(operator, transcription_id):
    for _ in range(1000):
        shown = operator.get(f"/transcriptions/{transcription_id}").json()
        if shown["status"] in ("completed", "failed"):
            return shown
    raise AssertionError(f"still {shown['status']}")


def test_d1_errors_have_no_request_id(old):
    generation, _cloud, _recorder, operator = old
    error = operator.get("/recordings/rec_none").json()["error"]
    assert ("request_id" in error) == (generation == "d2")


def test_an_unknown_generation_gets_a_sentence(tmp_path):
    with pytest.raises(CloudError, match="no generation 'd9'"):
        Cloud.start(tmp_path, generation="d9")
