"""The bytes' way: pre-signed PUT, proof on completion, and the way back."""

import hashlib
import math
import resource
import socket
import ssl
import time
import urllib.parse

import pytest

from tools.cloud import CloudError

DATA = bytes(range(256)) * 40


def tls_socket(cloud, origin):
    """A raw verified connection to a front, for what a good HTTP client would never send."""
    parsed = urllib.parse.urlsplit(origin)
    context = ssl.create_default_context(cadata=cloud.ca_pem.decode())
    raw = socket.create_connection(("127.0.0.1", parsed.port), timeout=10)
    return context.wrap_socket(raw, server_hostname=parsed.hostname)


def head_of_put(url, *headers):
    parsed = urllib.parse.urlsplit(url)
    lines = [f"PUT {parsed.path}?{parsed.query} HTTP/1.1", f"Host: {parsed.netloc}"]
    lines += ["Content-Type: audio/flac", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_the_whole_way(cloud, recorder, operator):
    recording_id = recorder.uploaded(DATA)
    done = recorder.complete(recording_id, DATA).json()
    assert done["status"] == "uploaded"
    assert done["content_sha256"] == hashlib.sha256(DATA).hexdigest()
    assert done["content_sha256_verified_at"].endswith("Z")
    assert done["file_size_bytes"] == len(DATA)
    assert [medium["content_type"] for medium in done["media"]] == ["audio/flac"]
    assert cloud.object_bytes(recording_id) == DATA
    link = operator.get(f"/recordings/{recording_id}/download-url").json()
    assert (link["expires_in"], link["content_type"]) == (3600, "audio/flac")
    assert recorder.storage.get(link["download_url"]).content == DATA


def test_the_key_names_project_recording_and_medium(cloud, recorder):
    recording_id = recorder.create()
    path = urllib.parse.urlsplit(recorder.upload_url(recording_id)).path
    assert path.endswith(cloud.object_keys(recording_id)[0])
    assert path.split("/")[-3] == recording_id
    assert path.endswith("/audio.flac")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"content_type": "audio/midi"}, "content_type"),
        ({"content_type": "image/png", "type": "audio"}, "content_type"),
        ({"type": "smell"}, "type"),
        ({"file_size_bytes": 0}, "file_size_bytes"),
        ({"file_size_bytes": "12"}, "file_size_bytes"),
    ],
)
def test_a_bad_wish_is_refused(recorder, wish, field):
    answer = recorder.api.post(f"/recordings/{recorder.create()}/upload-url", json=wish)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == field


def test_a_file_beyond_the_limit_is_refused_beforehand(cloud, recorder):
    cloud.switches.largest_file_bytes = 1000
    wish = {"content_type": "audio/flac", "file_size_bytes": 1001}
    answer = recorder.api.post(f"/recordings/{recorder.create()}/upload-url", json=wish)
    assert answer.status_code == 413


def test_another_content_type_than_the_signed_one_is_refused(cloud, recorder):
    recording_id = recorder.create()
    answer = recorder.put(recorder.upload_url(recording_id), DATA, "audio/wav")
    assert answer.status_code == 403
    assert b"SignatureDoesNotMatch" in answer.content
    with pytest.raises(CloudError, match="holds nothing"):
        cloud.object_bytes(recording_id)


def test_an_expired_url_is_refused(cloud, recorder):
    cloud.switches.url_life_s = 1
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id)
    signed_at = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Date"][0]
    # The one wait on a real clock here: S3 counts whole seconds from the moment of signing.
    while time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 2)) <= signed_at:
        time.sleep(0.05)
    answer = recorder.put(url, DATA)
    assert answer.status_code == 403
    assert b"expired" in answer.content
    cloud.switches.url_life_s = 3600
    assert recorder.put(recorder.upload_url(recording_id), DATA).status_code == 200
    assert recorder.complete(recording_id, DATA).status_code == 200


def test_a_truncated_body_is_not_stored(cloud, recorder):
    recording_id = recorder.create()
    with tls_socket(cloud, cloud.storage_origin) as client:
        client.sendall(head_of_put(recorder.upload_url(recording_id), "Content-Length: 5000"))
        client.sendall(DATA[:3000])
        client.shutdown(socket.SHUT_WR)
        cut = cloud.log.wait_for(
            lambda log: [r for r in log.requests if r.route == "put" and r.ended_s]
        )
    assert [(r.body_bytes, r.body_complete, r.answer_status) for r in cut] == [(3000, False, None)]
    assert recorder.complete(recording_id, DATA).status_code == 409


def test_a_chunked_body_is_refused_as_s3_does(cloud, recorder):
    recording_id = recorder.create()
    headers = {"Content-Type": "audio/flac"}
    answer = recorder.storage.put(
        recorder.upload_url(recording_id), content=iter([DATA]), headers=headers
    )
    assert answer.status_code == 501
    assert b"<Code>NotImplemented</Code>" in answer.content
    (put,) = [r for r in cloud.log.requests if r.route == "put"]
    assert put.transfer_encoding and put.service_status is None
    assert recorder.complete(recording_id, DATA).status_code == 409


def test_an_early_refusal_arrives_before_the_body_is_through(cloud, recorder):
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id).replace("Signature=", "Signature=0")
    with tls_socket(cloud, cloud.storage_origin) as client:
        client.sendall(head_of_put(url, "Content-Length: 5000000"))
        client.sendall(DATA)
        assert client.recv(100).startswith(b"HTTP/1.1 403 ")
    (put,) = [r for r in cloud.log.requests if r.route == "put"]
    assert (put.answer_status, put.body_complete) == (403, False)


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"GET /health HTTP/1.0\r\n\r\n"])
def test_what_is_no_good_request_is_answered_400(cloud, head):
    with tls_socket(cloud, cloud.api_origin) as client:
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_expect_100_continue_is_answered(cloud, recorder):
    recording_id = recorder.create()
    headers = (f"Content-Length: {len(DATA)}", "Expect: 100-continue")
    with tls_socket(cloud, cloud.storage_origin) as client:
        client.sendall(head_of_put(recorder.upload_url(recording_id), *headers))
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(DATA)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert recorder.complete(recording_id, DATA).status_code == 200


def test_a_hundred_megabytes_pass_without_being_held(cloud, recorder):
    piece, pieces = b"x" * 1_000_000, 100
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recording_id = recorder.create()
    answer = recorder.storage.put(
        recorder.upload_url(recording_id),
        content=(piece for _ in range(pieces)),
        headers={"Content-Type": "audio/flac", "Content-Length": str(len(piece) * pieces)},
    )
    assert answer.status_code == 200
    (put,) = [r for r in cloud.log.requests if r.route == "put"]
    assert put.body_bytes == len(piece) * pieces
    # The fronts live in this very process: its peak may not grow by a good part of the body.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 30_000
    done = recorder.complete(recording_id, content_sha256=put.body_sha256)
    assert (done.status_code, done.json()["status"]) == (200, "uploaded")


def test_wrong_bytes_are_an_integrity_failure_until_repaired(recorder, operator):
    recording_id = recorder.uploaded(DATA[:-1])
    answer = recorder.complete(recording_id, DATA)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "integrity_failure")
    shown = operator.get(f"/recordings/{recording_id}").json()
    assert (shown["status"], shown["content_sha256"]) == ("integrity_failure", None)
    assert recorder.put(recorder.upload_url(recording_id), DATA).status_code == 200
    assert recorder.complete(recording_id, DATA).json()["status"] == "uploaded"


def test_an_integrity_failure_may_come_as_a_200(cloud, recorder):
    cloud.switches.mismatch_answer = "200"
    answer = recorder.complete(recorder.uploaded(b"other"), DATA)
    assert (answer.status_code, answer.json()["status"]) == (200, "integrity_failure")


def test_a_declared_size_is_held_against_the_object(recorder):
    recording_id = recorder.create()
    url = recorder.upload_url(recording_id, file_size_bytes=len(DATA) + 1)
    assert recorder.put(url, DATA).status_code == 200
    assert recorder.complete(recording_id).json()["error"]["code"] == "integrity_failure"


def test_verification_is_pending_as_often_as_the_switch_says(cloud, recorder):
    cloud.switches.verification_polls = 2
    recording_id = recorder.uploaded(DATA)
    answers = [recorder.complete(recording_id, DATA) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [425, 425, 200]
    assert answers[0].json()["error"]["code"] == "upload_verification_pending"


def test_other_evidence_while_pending_is_a_conflict(cloud, recorder):
    cloud.switches.verification_polls = math.inf
    recording_id = recorder.uploaded(DATA)
    assert recorder.complete(recording_id, DATA).status_code == 425
    assert recorder.complete(recording_id, b"something else").status_code == 409
    assert recorder.complete(recording_id, DATA).status_code == 425


def test_a_repeated_complete_is_answered_again_but_not_with_other_evidence(cloud, recorder):
    recording_id = recorder.uploaded(DATA)
    first = recorder.complete(recording_id, DATA)
    assert recorder.complete(recording_id, DATA).json() == first.json()
    assert recorder.complete(recording_id, b"other").status_code == 409
    # The live service compares the size with a text and takes it for a conflict.
    assert recorder.complete(recording_id, DATA, file_size_bytes=len(DATA)).status_code == 409
    cloud.switches.repeated_complete_status = 400
    assert recorder.complete(recording_id, DATA).status_code == 400


def test_complete_without_an_object_is_refused_unless_switched(cloud, recorder):
    recording_id = recorder.create()
    assert recorder.complete(recording_id, DATA).status_code == 409
    cloud.switches.complete_without_object = "accept"
    assert recorder.complete(recording_id, DATA).json()["status"] == "uploaded"


def test_only_files_that_arrived_count(recorder):
    recording_id = recorder.create()
    first, _unused = recorder.upload_url(recording_id), recorder.upload_url(recording_id)
    assert recorder.put(first, DATA).status_code == 200
    done = recorder.complete(recording_id, DATA).json()
    assert (done["status"], len(done["media"])) == ("uploaded", 1)


@pytest.mark.parametrize(("switch", "objects"), [("new_media", 2), ("same_object", 1)])
def test_a_second_url_is_another_object_or_the_same(cloud, recorder, switch, objects):
    cloud.switches.second_url = switch
    recording_id = recorder.create()
    for data in (b"first", DATA):
        assert recorder.put(recorder.upload_url(recording_id), data).status_code == 200
    assert len(cloud.object_keys(recording_id)) == objects
    assert recorder.complete(recording_id, DATA).json()["status"] == "uploaded"


def test_a_delivered_recording_takes_no_more_files(cloud, recorder):
    recording_id = recorder.uploaded(DATA)
    recorder.complete(recording_id, DATA)
    wish = {"content_type": "audio/flac"}
    for status in (409, 400):
        cloud.switches.wrong_state_status = status
        answer = recorder.api.post(f"/recordings/{recording_id}/upload-url", json=wish)
        assert answer.status_code == status


def test_duration_comes_from_the_evidence_or_the_instants(recorder):
    span = {"started_at": "2026-03-02T08:15:00Z", "ended_at": "2026-03-02T08:20:11.5Z"}
    for body, evidence, expected_ms in (
        (span, {}, 311_500),
        ({"metadata": span}, {}, 311_500),
        (span, {"duration_seconds": 7}, 7000),
        ({"metadata": {"started_at": 5, "ended_at": "x"}}, {}, None),
    ):
        recording_id = recorder.uploaded(DATA, **body)
        done = recorder.complete(recording_id, DATA, **evidence).json()
        assert done["duration_ms"] == expected_ms


def test_a_size_may_be_shown_as_text_or_not_at_all(cloud, recorder, operator):
    recording_id = recorder.uploaded(DATA)
    recorder.complete(recording_id, DATA)
    shown = {}
    for form in ("number", "text", "null"):
        cloud.switches.size_form = form
        shown[form] = operator.get(f"/recordings/{recording_id}").json()["file_size_bytes"]
    assert shown == {"number": len(DATA), "text": str(len(DATA)), "null": None}
