"""Rules that hold for all routes: credentials, rate limits, idempotency, the error envelope."""

import pytest

LIMIT, REMAINING, RESET = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"


@pytest.fixture
def limited(cloud, recorder):
    """Rate limits on with full budgets, in one window that outlasts the test."""
    cloud.reset()  # what registering the recorder cost
    cloud.switches.rate_limits = True
    cloud.switches.rate_window_s = 100_000_000
    return cloud.switches


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer dtok_invented", "Basic c2s6", "sk_x"])
def test_without_a_good_credential_nothing_opens(cloud, header):
    with cloud.client() as client:
        headers = {"Authorization": header} if header else {}
        answer = client.get("/recordings", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_a_restricted_key_opens_what_its_scopes_say(cloud, recorder):
    with cloud.client(cloud.restricted_key("devices:read")) as client:
        assert client.get(f"/devices/{recorder.device_id}").status_code == 200
        answer = client.post("/devices", json={"serial_number": "S-x"})
        assert answer.status_code == 403
        assert "devices:write" in answer.json()["error"]["message"]


def test_health_needs_no_credential_and_lies_outside_v1(cloud):
    with cloud.client() as client:
        answer = client.get(cloud.api_origin + "/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
        assert client.get("/health").status_code == 404


def test_unknown_paths_and_methods_have_the_envelope(operator):
    unknown, wrong_method = operator.get("/nothing"), operator.put("/recordings", json={})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert wrong_method.status_code == 405
    assert set(wrong_method.headers["Allow"].replace(" ", "").split(",")) >= {"GET", "POST"}


def test_every_answer_tells_the_budget(limited, recorder, operator):
    first = operator.get("/recordings")
    second = recorder.api.post("/recordings", json={})
    missing = recorder.api.post("/recordings/rec_none/upload-complete", json={})
    refused = recorder.storage.get(recorder.cloud.api_origin + "/v1/recordings")
    answers = [first, second, missing, refused]
    assert [a.status_code for a in answers] == [200, 201, 404, 401]
    assert [a.headers[LIMIT] for a in answers] == ["100"] * 4
    assert [int(a.headers[REMAINING]) for a in answers] == [99, 98, 97, 96]
    assert len({a.headers[RESET] for a in answers}) == 1


def test_beyond_the_budget_everything_is_429(limited, recorder, operator):
    limited.rate_all = 2
    statuses = [recorder.api.post("/recordings", json={}).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    answer = operator.get("/recordings")  # one budget for the project, whoever spends it
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers[REMAINING] == "0"
    assert "Retry-After" not in answer.headers
    limited.rate_retry_after = True
    assert int(operator.get("/recordings").headers["Retry-After"]) >= 1


def test_upload_urls_have_a_budget_of_their_own(limited, recorder):
    limited.rate_upload_urls = 1
    recording_id = recorder.create()
    path, wish = f"/recordings/{recording_id}/upload-url", {"content_type": "audio/flac"}
    first, second = (recorder.api.post(path, json=wish) for _ in range(2))
    assert (first.status_code, first.headers[LIMIT]) == (200, "1")
    assert second.status_code == 429
    assert recorder.api.post("/recordings", json={}).status_code == 201


def test_a_new_window_brings_a_new_budget(cloud):
    limiter = cloud._limiter
    cloud.switches.rate_all = 1
    verdicts = [limiter.take("GET", "/v1/recordings", now) for now in (600.0, 630.0, 660.0)]
    assert [v.remaining for v in verdicts] == [0, -1, 0]
    assert [v.reset_unix_s for v in verdicts] == [660, 660, 720]
    assert verdicts[1].retry_after_s(630.0) == 30
    cloud.switches.rate_window_s = 1
    assert limiter.take("GET", "/v1/recordings", 661.5).reset_unix_s == 662


def test_the_same_key_and_body_replay_the_first_answer(recorder, operator):
    headers = {"Idempotency-Key": "rec-6f1c"}
    answers = [
        recorder.api.post("/recordings", json={"name": "r"}, headers=headers) for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    listed = operator.get("/recordings", params={"device_id": recorder.device_id}).json()["data"]
    assert len(listed) == 1


@pytest.mark.parametrize("status", [409, 400])
def test_the_same_key_with_another_body_is_refused(cloud, recorder, status):
    cloud.switches.idempotency_conflict_status = status
    headers = {"Idempotency-Key": f"other-body-{status}"}
    assert recorder.api.post("/recordings", json={}, headers=headers).status_code == 201
    answer = recorder.api.post("/recordings", json={"name": "n"}, headers=headers)
    assert answer.status_code == status


def test_a_key_belongs_to_caller_and_endpoint(recorder, another_recorder, operator):
    headers = {"Idempotency-Key": "shared-key"}
    assert recorder.api.post("/recordings", json={}, headers=headers).status_code == 201
    assert another_recorder.api.post("/recordings", json={}, headers=headers).status_code == 409
    assert operator.post("/end-users", json={}, headers=headers).status_code == 409


def test_a_refused_request_leaves_its_key_free(recorder):
    headers = {"Idempotency-Key": "free-again"}
    bad = recorder.api.post("/recordings", json={"name": 5}, headers=headers)
    good = recorder.api.post("/recordings", json={"name": "5"}, headers=headers)
    assert (bad.status_code, good.status_code) == (400, 201)


def test_keys_may_be_ignored_or_forgotten(cloud, recorder):
    def create():
        headers = {"Idempotency-Key": "forgetful"}
        return recorder.api.post("/recordings", json={}, headers=headers).json()["id"]

    first = create()
    cloud.switches.idempotency = "ignore"
    assert create() != first
    cloud.switches.idempotency = "honour"
    assert create() == first
    cloud.switches.idempotency_life_s = 0
    assert create() != first


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "semi;colon"])
def test_a_malformed_key_is_refused(recorder, key):
    answer = recorder.api.post("/recordings", json={}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400


def test_a_replayed_bind_shows_no_token(operator):
    device = operator.post("/devices", json={"serial_number": "S-replay"}).json()["id"]
    user = operator.post("/end-users", json={}).json()["id"]
    headers = {"Idempotency-Key": "bind-once"}
    path, body = f"/devices/{device}/bind", {"end_user_id": user}
    first, again = (operator.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    token = first.json().pop("device_token")
    assert token.startswith("dtok_")
    assert again.json() == {k: v for k, v in first.json().items() if k != "device_token"}


def test_errors_take_every_form_that_was_seen(cloud, operator):
    forms = {}
    for form in ("code", "type", "text", "none"):
        cloud.switches.error_form = form
        answer = operator.get("/recordings/rec_none")
        assert answer.status_code == 404
        forms[form] = answer.json() if answer.content else None
    message = "There is no such recording."
    assert forms["code"]["error"].pop("request_id").startswith("req_")
    assert forms["code"]["error"] == {"code": "not_found", "message": message, "param": None}
    assert forms["type"] == {"error": {"type": "not_found", "message": message}}
    assert forms["text"] == {"error": message}
    assert forms["none"] is None


def test_a_huge_body_is_refused(recorder):
    answer = recorder.api.post("/recordings", content=b"x" * 300_000)
    assert answer.status_code == 413
