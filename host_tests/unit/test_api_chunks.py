"""api.chunks and transfer.chunk_calls: the dialect of the chunk flow, values and the wire."""

import json

import fakes
import pytest
from test_api_dialect import Clip, respond

from device.api import chunks, dialect
from device.errors import DeviceError, NeedsOperator, Permanent, Transient
from device.http.client import HttpClient
from device.link.clock import Clock
from device.transfer.chunk_calls import ChunkCalls, NotOffered
from device.transfer.cloud import Cloud

RID = "rec_Zt41q"
URL = b'{"upload_url":"https://b.example/k?s=1","content_type":"audio/flac"}'


def refusal(code, status=409):
    return respond({"error": {"code": code, "message": "no"}}, status)


def done(**changes):
    answer = {"id": RID, "status": "uploaded", "chunks_received": 7, "stitching_job_id": "job_1"}
    return respond({**answer, **changes})


def test_the_body_of_finalize():
    body = json.loads(chunks.finalize_body(7, 402_330, "0f" * 16))
    assert body == {
        "total_chunks": 7,
        "final_duration_ms": 402_330,
        "checksum_md5": "0f" * 16,
    }
    assert "checksum_md5" not in json.loads(chunks.finalize_body(7, 1, ""))


def test_the_body_of_create_for_a_clip_that_is_open():
    clip = Clip()
    clip.record.update(state="open", samples=0, bytes=0, last=0)
    body = json.loads(dialect.create_body(clip, "d", "s", (fakes.T0 * 1000, 20), True))
    assert body["streaming"] is True and "started_at" in body and "ended_at" not in body
    assert not {"samples", "last", "ended_at"} & set(body["metadata"])
    closed = json.loads(dialect.create_body(Clip(), "d", "s", (fakes.T0 * 1000, 20), True))
    assert closed["metadata"]["samples"] == 160_400 and closed["metadata"]["last"] is True
    whole = json.loads(dialect.create_body(Clip(), "d", "s", (fakes.T0 * 1000, 20)))
    assert "streaming" not in whole


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (done(), chunks.ACCEPTED),
        (done(status="processing"), chunks.ACCEPTED),
        (done(status="completed", chunks_received="7"), chunks.ACCEPTED),
        (done(status="stitching"), chunks.STITCHING),
        (done(status="stitching", chunks_received=None), chunks.STITCHING),
        (done(status="failed"), chunks.FAILED),
        (done(status="integrity_failure"), chunks.FAILED),
        (respond({}, 425), chunks.STITCHING),
        (refusal("checksum_mismatch"), chunks.FAILED),
        (refusal("not_streaming_recording", 400), chunks.FAILED),
        (refusal("already_finalized"), chunks.FINALIZED),
        (refusal("resource_already_exists"), chunks.FINALIZED),
        (refusal("invalid_request", 400), chunks.FINALIZED),
        (respond({"error": {"type": "already_finalized"}}, 400), chunks.FINALIZED),
        (respond(b"<html>", 400, "text/html"), None),
        (refusal("unauthorized", 401), None),
        (refusal("recording_not_found", 404), None),
        (refusal("x", 500), None),
    ],
)
def test_what_finalize_answers_mean(answer, outcome):
    assert chunks.read_finalized(answer, RID, 7) == outcome


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (done(id="rec_other"), Transient, "bad_answer"),
        (done(status="streaming"), Transient, "bad_answer"),
        (done(status=None), Transient, "bad_answer"),
        (done(chunks_received=6), Permanent, "conflict"),
        (done(chunks_received=None), Permanent, "conflict"),
        (refusal("chunk_count_mismatch"), Permanent, "conflict"),
        (refusal("missing_chunks", 400), Permanent, "conflict"),
        (respond(b"<html>sign in", 200, "text/html"), Transient, "portal"),
    ],
)
def test_what_is_no_proof(answer, kind, code):
    with pytest.raises(kind) as caught:
        chunks.read_finalized(answer, RID, 7)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        (refusal("not_found", 404), True),
        (respond(b"<html>Not Found", 404, "text/html"), True),
        (respond(b"", 405), True),
        (respond(b"", 501), True),
        (refusal("invalid_request", 400), True),
        (refusal("unauthorized", 403), True),
        (respond(b"<html>", 403, "text/html"), False),
        (respond(b"<html>", 400, "text/html"), False),
        (refusal("unauthorized", 401), False),
        (refusal("rate_limit_exceeded", 429), False),
        (refusal("processing_error", 500), False),
        (respond(URL, 200), False),
    ],
)
def test_a_refusal_is_told_from_not_now(answer, refuses):
    assert chunks.is_refusal(answer) == refuses


class Wire:
    """ChunkCalls over the real HTTP client and a fake server that answers once."""

    def __init__(self, time, status=200, body=URL):
        self.server = fakes.Answers(fakes.answer(status, body, Content_Type="application/json"))
        log, _ = fakes.make_log()
        clock = Clock(fakes.ClockPort(), 1, log)
        http = HttpClient(fakes.Net(self.server), memoryview(bytearray(4096)), [bytearray(1024)])
        self.calls = ChunkCalls(Cloud(http, "https://api.example", fakes.Secrets(), clock))
        self.time = time

    def ask(self, coroutine):
        try:
            return fakes.run(coroutine, self.time)
        except DeviceError as e:
            return e

    def request(self):
        (request,) = self.server.requests
        return request


def test_a_url_for_each_chunk(time):
    wire = Wire(time)
    found = wire.ask(wire.calls.chunk_url(RID, 3, "audio/flac", 65_536))
    assert found == ("https://b.example/k?s=1", [("Content-Type", "audio/flac")], None)
    request = wire.request()
    assert (request.method, request.target) == (
        "POST",
        "/v1/recordings/rec_Zt41q/chunks/3/upload-url",
    )
    assert json.loads(request.body) == {
        "type": "audio",
        "content_type": "audio/flac",
        "file_size_bytes": 65_536,
    }
    assert request.header("Authorization") == "Bearer tok_abc"


NOT_FOUND = b'{"error":{"code":"not_found"}}'


@pytest.mark.parametrize(
    ("number", "status", "body", "kind", "code"),
    [
        (1, 404, NOT_FOUND, NotOffered, "refused"),
        (2, 404, NOT_FOUND, Permanent, "gone_in_cloud"),
        (2, 404, b"<html>", Transient, "server_error"),
        (1, 403, NOT_FOUND, NotOffered, "refused"),
        (1, 401, NOT_FOUND, NeedsOperator, "auth_refused"),
        (1, 200, b'{"chunk_urls":[]}', NotOffered, "refused"),
        (1, 200, b"<html>", Transient, "bad_answer"),
        (5, 409, NOT_FOUND, NotOffered, "refused"),
        (1, 503, NOT_FOUND, Transient, "server_error"),
        (1, 429, NOT_FOUND, Transient, "throttled"),
    ],
)
def test_what_a_chunk_url_may_come_to(time, number, status, body, kind, code):
    wire = Wire(time, status, body)
    error = wire.ask(wire.calls.chunk_url(RID, number, "audio/flac", 5))
    assert type(error) is kind and error.code == code


def test_a_create_that_is_refused_is_no_clips_fault(time):
    wire = Wire(time, 400, b'{"error":{"code":"invalid_request"}}')
    error = wire.ask(wire.calls.create(b"{}", "rec-d-s-1-s"))
    assert type(error) is NotOffered
    assert wire.request().header("Idempotency-Key") == "rec-d-s-1-s"


def test_finalize_on_the_wire(time):
    wire = Wire(time, 200, json.dumps({"id": RID, "status": "stitching"}).encode())
    assert wire.ask(wire.calls.finalize(RID, 7, 1000, "0f" * 16)) == chunks.STITCHING
    assert wire.request().target == "/v1/recordings/rec_Zt41q/finalize"
    wire = Wire(time, 404, NOT_FOUND)
    assert wire.ask(wire.calls.finalize(RID, 7, 1000, "")).code == "gone_in_cloud"
