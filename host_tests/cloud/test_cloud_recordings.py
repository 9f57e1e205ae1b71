"""Recordings: who may create, see and delete which, and how lists are paged."""

import pytest


@pytest.fixture
def end_user_id(operator):
    return operator.post("/end-users", json={"name": "Ada"}).json()["id"]


def test_a_device_token_takes_both_ids_from_the_token(recorder, another_recorder):
    body = {"device_id": another_recorder.device_id, "end_user_id": "eu_nobody", "name": "r-1"}
    answer = recorder.api.post("/recordings", json=body)
    created = answer.json()
    assert answer.status_code == 201
    assert created["device_id"] == recorder.device_id
    assert created["end_user_id"] not in ("eu_nobody", None)
    assert created["status"] == "pending"
    assert created["media"] == []
    assert created["name"] == "r-1"


def test_instants_come_back_in_utc_and_metadata_unchanged(recorder, operator):
    metadata = {"device_recording_uuid": "6f1c", "nested": {"n": [1, 2.5, None]}}
    recording_id = recorder.create(
        started_at="2026-03-02T10:15:00+02:00", ended_at="2026-03-02T08:20:11Z", metadata=metadata
    )
    shown = operator.get(f"/recordings/{recording_id}").json()
    assert shown["started_at"] == "2026-03-02T08:15:00Z"
    assert shown["ended_at"] == "2026-03-02T08:20:11Z"
    assert shown["metadata"] == metadata


@pytest.mark.parametrize("left_out", ["device_id", "end_user_id"])
def test_an_api_key_must_name_device_and_end_user(operator, recorder, end_user_id, left_out):
    body = {"device_id": recorder.device_id, "end_user_id": end_user_id}
    assert operator.post("/recordings", json=body).status_code == 201
    del body[left_out]
    answer = operator.post("/recordings", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == left_out


def test_an_imported_file_needs_no_device(operator, end_user_id):
    body = {"end_user_id": end_user_id, "source": "api_upload"}
    created = operator.post("/recordings", json=body)
    assert (created.status_code, created.json()["device_id"]) == (201, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "n" * 256}, "name"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "2026-03-02T08:15:00"}, "started_at"),  # no zone: no instant
        ({"upload_method": "pigeon"}, "upload_method"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"long": "x" * 5000}}, "metadata"),
        ({"streaming": "yes"}, "streaming"),
    ],
)
def test_a_bad_field_is_named(recorder, body, field):
    answer = recorder.api.post("/recordings", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert error["details"]["field"] == error["param"] == field


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff\xfe", b'{"name": "\xc3"}'])
def test_a_body_that_is_no_json_object_is_refused(recorder, body):
    answer = recorder.api.post("/recordings", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_unknown_fields_are_ignored(recorder):
    assert recorder.api.post("/recordings", json={"from_the_future": 1}).status_code == 201


def test_a_foreign_recording_does_not_exist(recorder, another_recorder):
    recording_id = recorder.create()
    for tail in ("upload-url", "upload-complete"):
        answer = another_recorder.api.post(
            f"/recordings/{recording_id}/{tail}", json={"content_type": "audio/flac"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/recordings"),
        ("GET", "/recordings/{id}"),
        ("DELETE", "/recordings/{id}"),
        ("GET", "/recordings/{id}/download-url"),
        ("POST", "/transcriptions"),
        ("POST", "/devices"),
        ("GET", "/devices/{device}"),
        ("POST", "/devices/{device}/unbind"),
        ("GET", "/end-users"),
    ],
)
def test_a_device_token_opens_no_operator_route(recorder, method, path):
    path = path.format(id=recorder.create(), device=recorder.device_id)
    answer = recorder.api.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "unauthorized")


def test_lists_are_newest_first_paged_and_filtered(recorder, another_recorder, operator):
    mine = [recorder.create(name=f"r-{n}") for n in range(5)]
    another_recorder.create()
    wanted = {"device_id": recorder.device_id, "limit": 2}
    pages = [operator.get("/recordings", params={**wanted, "offset": n}).json() for n in (0, 2, 4)]
    assert [[row["id"] for row in page["data"]] for page in pages] == [
        [mine[4], mine[3]],
        [mine[2], mine[1]],
        [mine[0]],
    ]
    assert [page["has_more"] for page in pages] == [True, True, False]
    uploaded = operator.get("/recordings", params={**wanted, "status": "uploaded"}).json()
    assert uploaded == {"data": [], "has_more": False}


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"offset": -1}, {"status": "gone"}]
)
def test_a_bad_query_is_refused(operator, query):
    answer = operator.get("/recordings", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] in query


def test_deleting_takes_the_object_too(cloud, recorder, operator):
    recording_id = recorder.uploaded(b"sound")
    recorder.complete(recording_id, b"sound")
    (key,) = cloud.object_keys(recording_id)
    assert operator.delete(f"/recordings/{recording_id}").status_code == 204
    assert operator.get(f"/recordings/{recording_id}").status_code == 404
    assert recorder.complete(recording_id, b"sound").status_code == 404
    assert not cloud._store.exists(key)
