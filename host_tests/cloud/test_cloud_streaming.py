"""Chunks with a URL each, and finalize: what is stitched, what refused, what a repeat gets."""

import math

import pytest

PARTS = (b"fLaC" + bytes(range(256)) * 300, bytes(70_000), b"the rest")
WHOLE = b"".join(PARTS)
WISH = {"content_type": "audio/flac"}


def status_of(operator, recording_id):
    return operator.get(f"/recordings/{recording_id}").json()["status"]


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_the_whole_way(cloud, recorder, operator):
    recording_id = recorder.streamed(*PARTS)
    assert status_of(operator, recording_id) == "streaming"
    answer = recorder.finalize(recording_id, 3, WHOLE, final_duration_ms=81_250)
    done = answer.json()
    assert (answer.status_code, done["id"], done["status"]) == (200, recording_id, "uploaded")
    assert done["chunks_received"] == 3 and done["stitching_job_id"].startswith("job_")
    assert cloud.object_bytes(recording_id) == WHOLE
    shown = operator.get(f"/recordings/{recording_id}").json()
    assert (shown["status"], shown["duration_ms"]) == ("uploaded", 81_250)
    assert (shown["file_size_bytes"], shown["mime_type"]) == (len(WHOLE), "audio/flac")
    link = operator.get(f"/recordings/{recording_id}/download-url").json()
    assert recorder.storage.get(link["download_url"]).content == WHOLE
    assert len(cloud.chunk_keys(recording_id)) == 3, "each chunk is an object of its own"


def test_the_same_again_is_the_same_answer(recorder, cloud):
    recording_id = recorder.streamed(*PARTS)
    answers = [recorder.finalize(recording_id, 3, WHOLE).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    other = recorder.finalize(recording_id, 3, WHOLE, final_duration_ms=5)
    assert code_of(other) == (409, "already_finalized")
    cloud.switches.repeated_finalize = "refused"
    assert code_of(recorder.finalize(recording_id, 3, WHOLE)) == (409, "already_finalized")


def test_stitching_takes_as_long_as_the_switch_says(recorder, cloud, operator):
    cloud.switches.stitching_polls = 2
    recording_id = recorder.streamed(*PARTS)
    seen = [recorder.finalize(recording_id, 3, WHOLE).json()["status"] for _ in range(4)]
    assert seen == ["stitching", "stitching", "uploaded", "uploaded"]
    cloud.switches.stitching_polls = math.inf
    recording_id = recorder.streamed(*PARTS)
    for _ in range(5):
        assert recorder.finalize(recording_id, 3, WHOLE).json()["status"] == "stitching"
    assert status_of(operator, recording_id) == "streaming"


def test_stitching_may_fail(recorder, cloud, operator):
    cloud.switches.stitching_fails = True
    recording_id = recorder.streamed(*PARTS)
    for _ in range(2):
        assert recorder.finalize(recording_id, 3, WHOLE).json()["status"] == "failed"
    assert status_of(operator, recording_id) == "integrity_failure"


@pytest.mark.parametrize("declared", [1, 2, 4])
def test_another_count_than_what_is_stored_is_refused(recorder, declared, operator):
    recording_id = recorder.streamed(*PARTS)
    answer = recorder.finalize(recording_id, declared, WHOLE)
    assert code_of(answer) == (409, "chunk_count_mismatch")
    assert status_of(operator, recording_id) == "streaming"
    assert recorder.finalize(recording_id, 3, WHOLE).json()["status"] == "uploaded"


def test_a_chunk_in_the_middle_that_never_arrived_is_missed(recorder):
    recording_id = recorder.streamed(PARTS[0])
    recorder.chunk_url(recording_id, 2)
    assert recorder.put(recorder.chunk_url(recording_id, 3), PARTS[2]).status_code == 200
    answer = recorder.finalize(recording_id, 3)
    assert code_of(answer) == (409, "chunk_count_mismatch")


def test_other_bytes_than_the_declared_ones_are_refused(recorder, operator):
    recording_id = recorder.streamed(*PARTS)
    answer = recorder.finalize(recording_id, 3, WHOLE + b"!")
    assert code_of(answer) == (409, "checksum_mismatch")
    assert status_of(operator, recording_id) == "integrity_failure"


def test_a_chunk_sent_twice_is_the_newer_one(recorder, cloud):
    recording_id = recorder.streamed(b"old", PARTS[1])
    assert recorder.put(recorder.chunk_url(recording_id, 1), PARTS[0]).status_code == 200
    assert recorder.finalize(recording_id, 2, PARTS[0] + PARTS[1]).status_code == 200
    assert cloud.object_bytes(recording_id) == PARTS[0] + PARTS[1]


def test_only_streaming_recordings_take_chunks(recorder):
    plain = recorder.create()
    answer = recorder.api.post(f"/recordings/{plain}/chunks/1/upload-url", json=WISH)
    assert answer.status_code == 409
    assert code_of(recorder.finalize(plain, 1)) == (409, "not_streaming_recording")
    streaming = recorder.create(streaming=True)
    answer = recorder.api.post(f"/recordings/{streaming}/upload-url", json=WISH)
    assert answer.status_code == 409, "and they take no whole file"


def test_nobody_elses_recordings(recorder, another_recorder, cloud):
    recording_id = recorder.streamed(*PARTS)
    assert another_recorder.finalize(recording_id, 3).status_code == 404
    path = f"/recordings/{recording_id}/chunks/4/upload-url"
    assert another_recorder.api.post(path, json=WISH).status_code == 404
    assert recorder.finalize("rec_0", 3).status_code == 404
    cloud.revoke_token(recorder.device_id)
    assert recorder.api.post(path, json=WISH).status_code == 401
    assert recorder.finalize(recording_id, 3).status_code == 401


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "10001", "99999999", "x"])
def test_chunks_count_from_one(recorder, number):
    recording_id = recorder.create(streaming=True)
    path = f"/recordings/{recording_id}/chunks/{number}/upload-url"
    answer = recorder.api.post(path, json=WISH)
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, "number")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"total_chunks": 0}, "total_chunks"),
        ({"final_duration_ms": 0}, "final_duration_ms"),
        ({"checksum_md5": "A" * 32}, "checksum_md5"),
        ({"total_chunks": "3"}, "total_chunks"),
    ],
)
def test_a_bad_finalize_is_refused_by_name(recorder, body, field):
    recording_id = recorder.streamed(*PARTS)
    body = {"total_chunks": 3, "final_duration_ms": 5, **body}
    answer = recorder.api.post(f"/recordings/{recording_id}/finalize", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == field


@pytest.mark.parametrize(("flow", "status"), [("refused", 400), ("no_route", 404)])
def test_a_cloud_without_chunks(recorder, cloud, flow, status):
    streaming = recorder.create(streaming=True)
    path = f"/recordings/{streaming}/chunks/1/upload-url"
    cloud.switches.chunk_flow = flow
    if flow == "refused":
        answer = recorder.api.post("/recordings", json={"streaming": True})
    else:
        answer = recorder.api.post(path, json=WISH)
    assert answer.status_code == status
    cloud.switches.chunk_flow = "no_url"
    assert "upload_url" not in recorder.api.post(path, json=WISH).json()


def test_deleting_takes_the_chunks_away_too(recorder, cloud, operator):
    recording_id = recorder.streamed(*PARTS)
    keys = cloud.chunk_keys(recording_id)
    assert operator.delete(f"/recordings/{recording_id}").status_code == 204
    assert cloud.chunk_keys(recording_id) == []
    assert not any(cloud._store.exists(key) for key in keys)


def test_chunk_urls_are_upload_urls_to_the_budget(recorder, cloud):
    cloud.switches.rate_limits = True
    cloud.switches.rate_upload_urls = 2
    recording_id = recorder.create(streaming=True)
    path = f"/recordings/{recording_id}/chunks/1/upload-url"
    # More than two windows' worth, so that a window may end in between.
    statuses = [recorder.api.post(path, json=WISH).status_code for _ in range(6)]
    assert statuses[0] == 200 and 429 in statuses
