"""api.dialect: what is sent to the cloud, and which answers count (field cases B08, B31)."""

import json

import fakes
import pytest

from device.api import dialect
from device.errors import Permanent, Transient, UrlRefused
from device.http.response import Response

SHA = "9b" * 32
RID = "rec_Zt41q"


def respond(value, status=200, content_type="application/json"):
    response = Response(status, {"content-type": content_type})
    response.content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return response


class Clip:
    number = 7

    def __init__(self, **changes):
        self.record = {"n": 7, "state": "closed", "codec": "wav", "hz": 16000, "samples": 160_400}
        self.record.update(bytes=320_844, crc=1, take=5, index=2, first=320_000, boot=3, up=777)
        self.record.update(epoch=1, last=1, **changes)


def create(start=None, **changes):
    return json.loads(dialect.create_body(Clip(**changes), "dev9", "0a0b0c0d", start))


def test_create_body_says_what_is_known_and_nothing_that_follows_from_the_token():
    body = create((fakes.T0 * 1000 + 250, 40))
    assert set(body) == {"name", "source", "metadata", "started_at", "ended_at"}
    assert "device_id" not in json.dumps(body) and "end_user_id" not in json.dumps(body)
    assert body["source"] == "device" and body["name"] == "take 5, part 3, end"
    assert body["started_at"] == "2026-03-01T12:00:00.250Z"
    assert body["ended_at"] == "2026-03-01T12:00:10.275Z"
    metadata = body["metadata"]
    assert metadata["started_at"] == body["started_at"]
    assert metadata["ended_at"] == body["ended_at"] and metadata["start_uncertainty_ms"] == 40
    assert metadata["device_recording_uuid"] == "dev9-0a0b0c0d-7"
    assert (metadata["take"], metadata["index"], metadata["last"]) == (5, 2, True)
    assert (metadata["first_sample"], metadata["samples"]) == (320_000, 160_400)
    assert (metadata["boot"], metadata["uptime_ms"], metadata["codec"]) == (3, 777, "wav")
    assert "lost_samples" not in metadata and "cut" not in metadata


def test_create_body_without_a_clock_has_no_time_at_all():
    body = create()
    assert "_at" not in json.dumps(body)
    assert "1970-" not in json.dumps(body) and "2000-" not in json.dumps(body)


def test_create_body_tells_of_losses_and_is_the_same_each_time():
    body = create(lost=512, cut=1)
    assert (body["metadata"]["lost_samples"], body["metadata"]["cut"]) == (512, 1)
    clip = Clip()
    assert dialect.create_body(clip, "d", "s", (5, 1)) == dialect.create_body(
        clip, "d", "s", (5, 1)
    )


def test_create_body_tells_what_capture_knows():
    gaps, skips = [[5, 7, 6]], [[100, 16_000]]
    more = {"lev": [-31, -250, -600, 2, 9], "mic": "microphone_dead", "ppm": -20, "snr": 30}
    body = create((fakes.T0 * 1000, 40), gaps=gaps, skips=skips, **more)
    metadata = body["metadata"]
    assert (metadata["gaps"], metadata["left_out"]) == (gaps, skips)
    assert body["ended_at"] == "2026-03-01T12:00:11.025Z", "with the second that was left out"
    assert (metadata["peak_dbfs_x10"], metadata["rms_dbfs_x10"]) == (-31, -250)
    assert (metadata["floor_dbfs_x10"], metadata["clipped_samples"]) == (-600, 2)
    assert (metadata["active_s"], metadata["microphone"]) == (9, "microphone_dead")
    assert (metadata["sample_clock_ppm"], metadata["snr_db"]) == (-20, 30)


def test_create_body_of_a_lost_boot_knows_after_what_it_is():
    body = create(nb=fakes.T0)
    assert "started_at" not in body and body["metadata"]["not_before"] == "2026-03-01T12:00:00Z"
    assert "not_before" not in create((fakes.T0 * 1000, 40), nb=fakes.T0)["metadata"]


def test_other_bodies():
    assert json.loads(dialect.upload_url_body("audio/wav", 44)) == {
        "type": "audio",
        "content_type": "audio/wav",
        "file_size_bytes": 44,
    }
    assert "type" not in json.loads(dialect.upload_url_body("audio/wav", 44, with_type=False))
    assert json.loads(dialect.complete_body(SHA)) == {"content_sha256": SHA}


@pytest.mark.parametrize("rid", ["rec_Zt41q", "r1", "a" * 64, "A-b_9"])
def test_read_created_takes_a_usable_id(rid):
    assert dialect.read_created(respond({"id": rid, "new": {}}, 201)) == rid


@pytest.mark.parametrize(
    "value",
    [{"id": None}, {"id": 7}, {"id": ""}, {"id": "../x"}, {"id": "a/b"}, {"id": "a?b"}, {}]
    + [{"id": "a" * 65}, {"id": "a b"}, {"id": "a\r\nb"}, {"id": "\u00e4"}, {"id": ["r1"]}]
    + [{"id": "%2e"}, {"id": True}, {"id": {"id": "r1"}}, {"data": {"id": "r1"}}]
    + [[], None, "r1", b'{"id":"r1"]', b'{"id" "r1"}', b'{"id":"r', b""],
)
def test_read_created_refuses_every_other_shape(value):
    with pytest.raises(Transient) as error:
        dialect.read_created(respond(value, 201))
    assert error.value.code == "bad_answer"


URL = "https://b.example/k?X-Amz-Signature=0f"


def upload_url(**answer):
    return dialect.read_upload_url(respond({"upload_url": URL, **answer}), "audio/wav")


@pytest.mark.parametrize(
    "answer, headers",
    [
        ({"headers": {"Content-Type": "audio/opus"}}, [("Content-Type", "audio/opus")]),
        ({"content_type": "audio/flac"}, [("Content-Type", "audio/flac")]),
        ({}, [("Content-Type", "audio/wav")]),
        ({"content_type": None, "headers": None}, [("Content-Type", "audio/wav")]),
        ({"headers": {}, "content_type": "audio/flac"}, []),
        (
            {
                "headers": {
                    "Content-Type": "audio/wav",
                    "Cache-Control": "no-store",
                    "x-amz-d": "7",
                }
            },
            [("Content-Type", "audio/wav"), ("Cache-Control", "no-store"), ("x-amz-d", "7")],
        ),
        (
            {
                "headers": {
                    "Authorization": "Bearer x",
                    "COOKIE": "a",
                    "Host": "h",
                    "Content-Length": "1",
                    "Transfer-Encoding": "chunked",
                    "X-A": "",
                }
            },
            [("X-A", "")],
        ),
    ],
    ids=["D", "S", "neither", "nulls", "empty", "all given", "never to storage"],
)
def test_headers_of_the_put(answer, headers):
    assert upload_url(**answer) == (URL, headers, None)


def test_expiry_is_read_where_it_is_text():
    assert upload_url(expires_at="2026-03-01T12:00:00Z")[2] == fakes.T0
    assert upload_url(expires_at=5)[2] is None and upload_url(expires_at="soon")[2] is None


@pytest.mark.parametrize("url", [None, "", 7, ["https://h/"], {}])
def test_no_upload_url_is_a_bad_answer(url):
    with pytest.raises(Transient) as error:
        dialect.read_upload_url(respond({"upload_url": url}), "audio/wav")
    assert error.value.code == "bad_answer"


@pytest.mark.parametrize(
    "headers",
    [{"X-A": 7}, {"X-A": None}, {"": "a"}, {"X-A": "a\r\nX-B: b"}, {"X-A\n": "a"}]
    + [{"X-A": "\u00e4"}, {"X-%d" % n: "a" for n in range(17)}],
)
def test_headers_that_cannot_be_sent_as_given_cost_the_url(headers):
    with pytest.raises(UrlRefused):
        upload_url(headers=headers)


@pytest.mark.parametrize("name", ["X A", "X-A: b", "X-A:"])
def test_header_names_are_tokens(name):
    with pytest.raises(UrlRefused):
        upload_url(headers={name: "a"})


def completed(value, status=200):
    return dialect.read_completed(respond(value, status), RID, SHA)


@pytest.mark.parametrize("state", ["uploaded", "processing", "completed"])
@pytest.mark.parametrize("echo", [{}, {"content_sha256": SHA}, {"content_sha256": None}])
def test_proof(state, echo):
    assert completed({"id": RID, "status": state, **echo}) == dialect.PROOF


def test_proof_ignores_letter_case_of_the_hash():
    answer = {"id": RID, "status": "uploaded", "content_sha256": SHA.upper()}
    assert completed(answer) == dialect.PROOF


@pytest.mark.parametrize(
    "answer",
    [{}, {"id": RID}, {"status": "uploaded"}, {"id": "rec_other", "status": "uploaded"}]
    + [{"id": RID, "status": s} for s in ("pending", "failed", "", None, 7, ["uploaded"], "new")]
    + [b"", b"[]", b'{"id":"rec_Zt41q","status":"uploaded"', b"null"],
)
def test_a_2xx_of_another_form_is_never_proof(answer):
    with pytest.raises(Transient) as error:
        completed(answer)
    assert error.value.code == "bad_answer"


def test_a_page_is_never_proof():
    page = respond(b"<html><body>Please sign in</body></html>", 200, "text/html")
    with pytest.raises(Transient) as error:
        dialect.read_completed(page, RID, SHA)
    assert error.value.code == "portal"
    as_json = respond(b"<html><body>Please sign in</body></html>")
    with pytest.raises(Transient):
        dialect.read_completed(as_json, RID, SHA)


def test_another_hash_is_neither_proof_nor_an_explicit_integrity_failure():
    """Contract 16, design 7: only an explicit one costs a second upload; else somebody looks."""
    other = {"id": RID, "status": "uploaded", "content_sha256": "00" * 32}
    with pytest.raises(Permanent) as error:
        completed(other)
    assert error.value.code == "conflict"


@pytest.mark.parametrize(
    "status, answer",
    [
        (409, {"error": {"code": "integrity_failure"}}),
        (400, {"error": {"type": "integrity_failure"}}),
        (409, {"error": "integrity_failure"}),
        (409, {"id": RID, "status": "integrity_failure"}),
        (200, {"id": RID, "status": "integrity_failure"}),
    ],
)
def test_integrity_failure_in_every_shape(status, answer):
    assert completed(answer, status) == dialect.INTEGRITY


def test_425_asks_again():
    assert completed({"error": {"code": "upload_verification_pending"}}, 425) == dialect.PENDING


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("code", ["resource_already_exists", "invalid_request", "conflict"])
def test_refused_as_no_longer_pending(status, code):
    assert completed({"error": {"code": code, "message": "m"}}, status) == dialect.NOT_PENDING


def test_other_statuses_are_for_the_verdict():
    for status in (302, 401, 403, 404, 413, 422, 429, 500, 503):
        assert completed({"error": {"code": "integrity_failure"}}, status) is None
    page = respond(b"<html></html>", 409, "text/html")
    assert dialect.read_completed(page, RID, SHA) is None


@pytest.mark.parametrize(
    "answer, code",
    [
        ({"error": {"code": "not_found", "message": "m"}}, "not_found"),
        ({"error": {"type": "recording_not_found"}}, "recording_not_found"),
        ({"error": "no such thing"}, "no such thing"),
        ({"code": "backfill_lookback_exceeded"}, "backfill_lookback_exceeded"),
        ({"error": {"code": 7, "type": "t"}}, "t"),
        ({"error": {"code": "x" * 100}}, "x" * 40),
        ({"error": None}, ""),
        ({"error": []}, ""),
        ({}, ""),
        ({"detail": "not found"}, ""),
        (b"", None),
        (b"[]", None),
        (b"<html></html>", None),
    ],
)
def test_error_codes_of_every_envelope(answer, code):
    assert dialect.error_code(respond(answer, 400)) == code
