"""Every kind of fault does on the wire what its name says, and is then over."""

import concurrent.futures
import email.utils
import os
import socket
import ssl
import time

import httpx
import pytest

from tools.cloud import CloudError

DATA = b"sound" * 50_000


def last(cloud, route):
    return cloud.log.wait_for(
        lambda log: next(
            (r for r in reversed(log.requests) if r.route == route and r.ended_s), None
        )
    )


def test_a_status_comes_as_often_as_ordered_and_the_service_sees_nothing(
    cloud, recorder, operator
):
    cloud.faults.add("create", "status", status=503, times=2, headers={"Retry-After": "7"})
    answers = [recorder.api.post("/recordings", json={}) for _ in range(3)]
    assert [a.status_code for a in answers] == [503, 503, 201]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json()["error"]["code"] == "service_unavailable"
    assert [r.service_status for r in cloud.log.requests if r.route == "create"] == [
        None,
        None,
        201,
    ]
    rows = operator.get("/recordings", params={"device_id": recorder.device_id}).json()["data"]
    assert len(rows) == 1


def test_a_status_on_storage_is_xml_and_stores_nothing(cloud, recorder):
    cloud.faults.add("put", "status", status=503)
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id)
    answer = recorder.put(url, DATA)
    assert answer.status_code == 503
    assert b"<Code>ServiceUnavailable</Code>" in answer.content
    assert recorder.complete(recording_id, DATA).status_code == 409
    assert recorder.put(url, DATA).status_code == 200


def test_skip_lets_requests_pass_and_any_means_all_device_routes(cloud, recorder, operator):
    row = cloud.faults.add("any", "status", status=500, skip=1, times=2)
    assert recorder.api.post("/recordings", json={}).status_code == 201
    assert recorder.api.post("/devices/me/heartbeat", json={}).status_code == 500
    assert operator.get("/recordings").status_code == 200
    assert recorder.api.post("/recordings", json={}).status_code == 500
    assert recorder.api.post("/recordings", json={}).status_code == 201
    assert row.hits == 2


def test_an_own_body_and_a_redirect(cloud, recorder):
    headers = {"Location": "https://elsewhere.test/"}
    cloud.faults.add("create", "status", status=307, headers=headers, body=b"over there")
    answer = recorder.api.post("/recordings", json={})
    assert (answer.status_code, answer.content) == (307, b"over there")


@pytest.mark.parametrize("route", ["create", "put", "complete", "refresh"])
def test_a_dropped_answer_has_been_committed(cloud, recorder, operator, route):
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id)
    if route == "complete":
        recorder.put(url, DATA)
    cloud.faults.add(route, "drop_answer")
    with pytest.raises(httpx.RemoteProtocolError):
        if route == "create":
            recorder.api.post("/recordings", json={"name": "dropped"})
        elif route == "put":
            recorder.put(url, DATA)
        elif route == "complete":
            recorder.complete(recording_id, DATA)
        else:
            recorder.api.post(f"/devices/{recorder.device_id}/token/refresh")
    assert last(cloud, route).answer_status is None
    assert last(cloud, route).service_status in (200, 201)
    shown = operator.get(f"/recordings/{recording_id}").json()
    if route == "create":
        rows = operator.get("/recordings", params={"device_id": recorder.device_id}).json()
        assert rows["data"][0]["name"] == "dropped"
    elif route == "put":
        assert cloud.object_bytes(recording_id) == DATA
    elif route == "complete":
        assert shown["status"] == "uploaded"
        assert recorder.complete(recording_id, DATA).status_code == 200
    else:
        assert recorder.api.post("/recordings", json={}).status_code == 401


def test_a_short_body_promises_more_than_it_sends(cloud, recorder):
    cloud.faults.add("create", "short_body")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        recorder.api.post("/recordings", json={})
    assert last(cloud, "create").answer_complete is False


def test_a_reset_in_mid_body_stores_nothing(cloud, recorder):
    cloud.faults.add("put", "reset", after_bytes=100_000)
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id)
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        recorder.put(url, DATA * 20)
    cut = last(cloud, "put")
    assert (cut.fault, cut.service_status, cut.body_complete) == ("reset", None, False)
    assert 100_000 <= cut.body_bytes < len(DATA) * 20
    assert recorder.complete(recording_id, DATA).status_code == 409


def test_a_reset_is_a_tcp_reset(cloud):
    cloud.faults.add("create", "reset")
    context = ssl.create_default_context(cadata=cloud.ca_pem.decode())
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 tickets lie before the reset
    url = httpx.URL(cloud.api_origin)
    raw = socket.create_connection(("127.0.0.1", url.port), timeout=10)
    with context.wrap_socket(raw, server_hostname=url.host) as client:
        client.sendall(b"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        # Asked below TLS, because Python's ssl tells a reset as an ordinary end.
        with socket.socket(fileno=os.dup(client.fileno())) as below:
            below.settimeout(10)
            with pytest.raises(ConnectionResetError):
                below.recv(100)
    assert last(cloud, "create").service_status is None


def test_a_captive_portal_says_200_with_a_page(cloud, recorder):
    cloud.faults.add("create", "html")
    answer = recorder.api.post("/recordings", json={})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert last(cloud, "create").service_status is None


def test_close_after_costs_one_connection(cloud, recorder):
    cloud.faults.add("create", "close_after")
    answer = recorder.api.post("/recordings", json={})
    assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
    recorder.create()
    api = [c for c in cloud.log.connections if c.origin == "api"]
    assert [c.requests for c in api] == [1, 1]
    assert api[0].closed_by == "server"


def test_a_delayed_answer_is_the_right_one(cloud, recorder):
    cloud.faults.add("create", "delay", delay_s=0.2)
    began_s = time.monotonic()
    assert recorder.api.post("/recordings", json={}).status_code == 201
    assert time.monotonic() - began_s >= 0.2


def test_an_early_status_does_not_wait_for_the_body(cloud, recorder):
    cloud.faults.add("put", "status", status=403, early=True)
    url = recorder.upload_url(recorder.create())
    assert recorder.put(url, DATA).status_code == 403


def test_the_date_of_all_answers_can_be_wrong(cloud, recorder):
    cloud.switches.date_skew_s = -86_400
    cloud.faults.add("create", "status", times=1)
    answers = [recorder.api.post("/recordings", json={}) for _ in range(2)]
    answers.append(recorder.put(recorder.upload_url(answers[1].json()["id"]), DATA))
    assert [a.status_code for a in answers] == [503, 201, 200]
    for answer in answers:
        told = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert told == pytest.approx(time.time() - 86_400, abs=60)


def test_clearing_and_listing(cloud, recorder):
    cloud.faults.add("create", "status", times=None)
    assert [(row.route, row.kind) for row in cloud.faults.list()] == [("create", "status")]
    assert recorder.api.post("/recordings", json={}).status_code == 503
    cloud.faults.clear()
    assert cloud.faults.list() == []
    assert recorder.api.post("/recordings", json={}).status_code == 201


@pytest.mark.parametrize("row", [("coffee", "status"), ("create", "coffee")])
def test_unknown_names_get_a_sentence(cloud, row):
    with pytest.raises(CloudError, match="'coffee'"):
        cloud.faults.add(*row)


def test_a_row_can_be_taken_back_alone(cloud, recorder):
    away = cloud.faults.add("create", "status", status=503, times=None)
    cloud.faults.add("create", "status", status=429, times=None)
    assert recorder.api.post("/recordings", json={}).status_code == 503
    cloud.faults.remove(away)
    assert recorder.api.post("/recordings", json={}).status_code == 429


def test_a_slow_link_lets_bytes_come_bit_by_bit(cloud, recorder):
    """250,000 bytes at a million a second; what has come is in the log meanwhile."""
    cloud.switches.bytes_per_s = 1_000_000
    url = recorder.upload_url(recorder.create())
    began_s = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(recorder.put, url, DATA)
        partly = cloud.log.wait_for(
            lambda log: any(0 < r.body_bytes < len(DATA) for r in log.requests if r.route == "put")
        )
        assert answer.result().status_code == 200
    assert partly
    assert time.monotonic() - began_s >= len(DATA) / 1_000_000
    assert last(cloud, "put").body_bytes == len(DATA)


def test_the_log_gives_what_is_new(cloud, recorder):
    recorder.create()
    known = cloud.log.requests
    recorder.create()
    newer = cloud.log.requests_from(known[-1].number + 1)
    assert [r.route for r in newer] == ["create"]
    assert [r.number for r in cloud.log.requests_from(0)] == [r.number for r in cloud.log.requests]


def test_a_renewed_token_replaces_the_old_one(cloud, recorder):
    token = cloud.renew_token(recorder.device_id)
    assert recorder.api.post("/devices/me/heartbeat", json={}).status_code == 401
    with cloud.client(token) as renewed:
        assert renewed.post("/devices/me/heartbeat", json={}).status_code == 200


def test_a_client_that_goes_in_mid_request_is_no_fault_of_the_api(cloud, recorder, caplog):
    """Its power was pulled: the API says nothing of it, and serves on."""
    address = cloud.plain_api_address
    with socket.create_connection(address) as line:
        line.sendall(
            b"POST /v1/recordings HTTP/1.1\r\nHost: api.bota.test\r\n"
            b"Authorization: Bearer " + recorder.token.encode() + b"\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
    assert recorder.api.post("/recordings", json={}).status_code == 201
    cloud.drop_connections("api")
    assert recorder.api.post("/devices/me/heartbeat", json={}).status_code == 200
    assert "ClientDisconnect" not in caplog.text
