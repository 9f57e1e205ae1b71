"""Devices, their tokens and their heartbeats."""

import pytest


def test_a_serial_number_is_registered_once(operator):
    body = {"serial_number": "S-once", "model": "m5", "metadata": {"site": "lab"}}
    first = operator.post("/devices", json=body)
    second = operator.post("/devices", json={"serial_number": "S-once", "model": "other"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["status"] == "unbound"
    assert second.json() == first.json()


def test_a_bound_device_is_not_bound_again(operator, recorder):
    user = operator.post("/end-users", json={}).json()["id"]
    answer = operator.post(f"/devices/{recorder.device_id}/bind", json={"end_user_id": user})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "device_already_bound")


def test_binding_needs_an_end_user_that_exists(operator):
    device_id = operator.post("/devices", json={"serial_number": "S-lonely"}).json()["id"]
    for body in ({}, {"end_user_id": "eu_nobody"}):
        answer = operator.post(f"/devices/{device_id}/bind", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"]["field"] == "end_user_id"


def test_unbinding_kills_the_token_and_may_be_repeated(operator, recorder):
    for _ in range(2):
        answer = operator.post(f"/devices/{recorder.device_id}/unbind")
        assert (answer.status_code, answer.json()["status"]) == (200, "unbound")
    answer = recorder.api.post("/recordings", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_another_binding_sees_nothing_of_the_one_before(cloud, operator, recorder):
    recording_id = recorder.create()
    operator.post(f"/devices/{recorder.device_id}/unbind")
    same_id, token = cloud.register_recorder(recorder.serial_number, "Somebody else")
    assert same_id == recorder.device_id
    with cloud.client(token) as api:
        wish = {"content_type": "audio/flac"}
        assert api.post(f"/recordings/{recording_id}/upload-url", json=wish).status_code == 404
        mine = api.post("/recordings", json={}).json()
    old = operator.get(f"/recordings/{recording_id}").json()
    assert mine["end_user_id"] != old["end_user_id"]
    assert mine["device_id"] == old["device_id"]


def test_a_refreshed_token_is_the_only_one(cloud, recorder):
    answer = recorder.api.post(f"/devices/{recorder.device_id}/token/refresh")
    fresh = answer.json()["device_token"]
    assert fresh.startswith("dtok_") and fresh != recorder.token
    assert recorder.api.post("/recordings", json={}).status_code == 401
    with cloud.client(fresh) as api:
        assert api.post("/recordings", json={}).status_code == 201


def test_refresh_is_for_the_device_itself(operator, recorder, another_recorder):
    foreign = f"/devices/{another_recorder.device_id}/token/refresh"
    assert recorder.api.post(foreign).status_code == 403
    assert recorder.api.post("/devices/me/token/refresh").status_code == 404
    own = f"/devices/{recorder.device_id}/token/refresh"
    assert operator.post(own).status_code == 403
    # Nothing of that has cost either device its token.
    assert recorder.api.post("/recordings", json={}).status_code == 201
    assert another_recorder.api.post("/recordings", json={}).status_code == 201


def test_a_revoked_token_is_dead_and_the_binding_stays(cloud, operator, recorder):
    cloud.revoke_token(recorder.device_id)
    assert recorder.api.post("/devices/me/heartbeat", json={}).status_code == 401
    assert operator.get(f"/devices/{recorder.device_id}").json()["status"] == "bound"


def test_a_heartbeat_is_seen_by_the_operator(cloud, operator, recorder):
    state = f"/devices/{recorder.device_id}/state"
    assert operator.get(state).json()["online"] is False
    beat = {
        "battery_percent": 71,
        "device_state": "recording",
        "pending_recordings": 4,
        "flags": 40,
        "connection_type": ["wifi"],
        "firmware_version": "0.9.2",
        "new": True,
    }
    cloud.switches.heartbeat_extra = {"commands": []}
    answer = recorder.api.post("/devices/me/heartbeat", json=beat)
    assert answer.json() == {"status": "ok", "commands": []}
    device = operator.get(f"/devices/{recorder.device_id}").json()
    for name, value in beat.items():
        assert name == "new" or device[name] == value
    told = operator.get(state).json()
    assert (told["online"], told["recording"]["active"]) == (True, True)


@pytest.mark.parametrize(
    "beat",
    [
        {"battery_percent": 101},
        {"battery_percent": "full"},
        {"flags": 256},
        {"device_state": "sleepy"},
        {"connection_type": ["wifi", "carrier pigeon"]},
        {"firmware_version": "v" * 33},
        {"pending_recordings": -1},
    ],
)
def test_a_heartbeat_out_of_range_is_refused(recorder, beat):
    answer = recorder.api.post("/devices/me/heartbeat", json=beat)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"].startswith(next(iter(beat)))


def test_heartbeats_of_others_are_refused(operator, recorder, another_recorder):
    path = f"/devices/{another_recorder.device_id}/heartbeat"
    assert recorder.api.post(path, json={}).status_code == 403
    assert operator.post(path, json={"battery_percent": 5}).status_code == 200  # a relay's key
    assert operator.post("/devices/me/heartbeat", json={}).status_code == 404
