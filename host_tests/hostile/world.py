"""The table of a hostile world: what API and storage do wrong, and the reason that must be shown.

Each act strikes one request. `api` and `storage` are the codes (device/reasons.py) of which one
must be the lane's reason then; for a heartbeat `api` is what its log line says. "" means that the
act costs nothing: no wait. None: it makes no sense there.
"""

import dataclasses

JSON = b"Content-Type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b"<!doctype html><title>Guest Wi-Fi</title><h1>Please sign in</h1>\n"
BIG = b"<html>" + b"x" * 300_000
TRAP = "https://trap.bota.test:{port}/v1/recordings"  # nobody may ever connect there


@dataclasses.dataclass(frozen=True)
class Act:
    name: str
    api: str | None
    storage: str | None
    fault: dict

    def reasons(self, route: str) -> str | None:
        return self.storage if route == "put" else self.api


def _act(name, api, storage, kind, **details) -> Act:
    return Act(name, api, storage, {"kind": kind, **details})


def _raw(name, api, storage, body, then="close", **details) -> Act:
    return _act(name, api, storage, "raw", body=body, then=then, **details)


def _with(head: bytes, body: bytes = b"{}") -> bytes:
    return OK + JSON + head + b"\r\n" + body


CHUNKED = _with(b"Transfer-Encoding: chunked\r\n", b"")
CHUNK = b"3e7\r\n" + b"y" * 999 + b"\r\n"
BOTH = _with(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n")
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def _json(body: bytes) -> bytes:
    return _with(b"Content-Length: %d\r\n" % len(body), body)


UNASKED = _json(b'{"id":"rec_1","status":"uploaded"}')


def _status(status: int, body: bytes = b"", **headers) -> dict:
    return {"status": status, "body": body, "headers": headers}


BAD, LOST, LATE = "bad_answer", "connection_lost", "timeout"

ACTS = (
    # -- it speaks HTTP, and means no. The first act may meet a kept connection, where what is lost
    # costs nothing; each other one comes after a wait, on a new one.
    _act("429", "throttled", "throttled", "status", **_status(429, **{"Retry-After": "1"})),
    _act("503", "server_error", "throttled", "status", status=503),
    _act("500 without a word", "server_error", "server_error", "status", **_status(500)),
    _act("504, a page of 300 kB", "server_error", "server_error", "status", **_status(504, BIG)),
    _act("401 of a proxy", "auth_refused", "portal", "status", **_status(401, PAGE)),
    _act("403 of a proxy", "auth_refused", None, "status", **_status(403, PAGE)),
    _act("404 of a proxy", "server_error", "server_error", "status", **_status(404, PAGE)),
    _act("511", "portal", "portal", "status", **_status(511, PAGE)),
    _act("503 before the body is through", "server_error", "throttled", "status", early=True),
    # -- somebody else answers
    _act("sign-in page", "portal", "portal", "html"),
    _act("sign-in page, early", "portal", f"portal {BAD}", "html", early=True),
    _act("301 elsewhere", "portal", "portal", "status", **_status(301, Location=TRAP)),
    _act("302 elsewhere", "portal", "portal", "status", **_status(302, PAGE, Location=TRAP)),
    _act("307 elsewhere", "portal", "portal", "status", **_status(307, Location=TRAP)),
    _act("308 elsewhere", "portal", "portal", "status", **_status(308, Location=TRAP)),
    # -- too much
    _act("200, a body of 300 kB", BAD, BAD, "status", **_status(200, BIG)),
    _act("a head of 9,000 bytes", BAD, BAD, "status", **_status(200, **{"X-A": "y" * 9000})),
    _raw("a hundred headers", BAD, BAD, _with(b"X-A: b\r\n" * 100)),
    _raw("headers without end", BAD, BAD, OK, "repeat", again=b"X-A: b\r\n"),
    _raw("a line without end", BAD, BAD, OK + b"X-A: ", "repeat", again=b"a" * 999),
    _raw("length of a thousand million", BAD, BAD, _with(b"Content-Length: 1000000000\r\n")),
    _raw("a body without end", BAD, BAD, _with(b"", b""), "repeat", again=b"x" * 999),
    _raw("chunks without end", BAD, BAD, CHUNKED, "repeat", again=CHUNK),
    _raw("100 Continue without end", BAD, BAD, b"", "repeat", again=INTERIM),
    # -- not HTTP
    _raw("noise", BAD, BAD, bytes(range(256)) * 8),
    _raw("another protocol", BAD, BAD, b"SSH-2.0-OpenSSH_9.6\r\n"),
    _raw("status of two digits", BAD, BAD, b"HTTP/1.1 20 OK\r\n\r\n"),
    _raw("two lengths", BAD, BAD, _with(b"Content-Length: 2\r\nContent-Length: 3\r\n")),
    _raw("length -1", BAD, BAD, _with(b"Content-Length: -1\r\n")),
    _raw("length of thirty digits", BAD, BAD, _with(b"Content-Length: %s\r\n" % (b"9" * 30))),
    _raw("length and chunks", BAD, BAD, BOTH),
    _raw("a chunk of -1", BAD, BAD, CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n"),
    _raw("an unknown coding", BAD, BAD, _with(b"Transfer-Encoding: gzip\r\n")),
    # -- HTTP, but no JSON object (storage says nothing to a PUT: any body is somebody else's)
    _raw("JSON cut off", BAD, "portal", _json(b'{"id":"rec_1","stat')),
    _raw("JSON with NULs", BAD, "portal", _json(b'{"id":"rec_1"}\0\0')),
    _raw("JSON behind a BOM", BAD, "portal", _json(b'\xef\xbb\xbf{"id":"rec_1"}')),
    _raw("not UTF-8", BAD, "portal", _json(b'{"id":"\xff\xfe"}')),
    _raw("a list", BAD, "portal", _json(b"[]")),
    _raw("null", BAD, "portal", _json(b"null")),
    _raw("the wrong bracket", BAD, "portal", _json(b'{"id":"rec_1"]')),
    _raw("a thousand levels", BAD, "portal", _json(b'{"id":' + b"[" * 1000 + b"]" * 1000 + b"}")),
    _raw("an empty object", BAD, "portal", _json(b"{}")),
    _raw("nothing at all in a 204", BAD, None, b"HTTP/1.1 204 No Content\r\n\r\n"),
    # -- it ends too early
    _act("reset", LOST, LOST, "reset"),
    _act("reset in the body", LOST, LOST, "reset", after_bytes=64),
    _raw("half-close without an answer", LOST, LOST, b"", "half_close"),
    _raw("half a status line", LOST, LOST, b"HTTP/1.1 2"),
    _raw("half a head", LOST, LOST, OK + b"Content-Le"),
    _raw("half a head, reset", LOST, LOST, OK + b"Content-Le", "reset"),
    _raw("half a head, half-close", LOST, LOST, OK + b"Content-Le", "half_close"),
    _raw("half a chunk", LOST, LOST, CHUNKED + b'10\r\n{"id'),
    _act("half a body", LOST, LOST, "short_body"),
    _act("done, and the answer lost", LOST, LOST, "drop_answer"),
    # -- it is slow, or silent
    _raw("black hole", LATE, LATE, b"", "hold"),
    _raw("black hole before the body", LATE, LATE, b"", "hold", early=True),
    _raw("stall in the head", LATE, LATE, OK + b"Content-Le", "hold"),
    _raw("stall in the body", LATE, LATE, _with(b"Content-Length: 20\r\n", b'{"id'), "hold"),
    _raw("one byte now and then", LATE, LATE, _json(b'{"id":"rec_1"}'), "hold", pause_s=0.3),
    # -- right, and the next request finds something else than it expects. The last act lets the
    # clip go: it must be one that costs nothing.
    _raw("two answers to one question", "server_error", "throttled", BUSY + UNASKED),
    _act("close, as announced", "", "", "close_after"),
)  # fmt: skip

ROUTES = ("create", "upload_url", "put", "complete", "heartbeat")
# A refused token makes the heartbeat rest for a quarter of an hour: that is host_tests/unit's.
_NOT_FOR_HEARTBEATS = ("401 of a proxy", "403 of a proxy")
# Their answers need nothing but status 2xx and an object.
_GOOD_FOR_HEARTBEATS = ("an empty object",)
# What `make test` takes: each kind of ending once, the cheap ones.
SAMPLE = (
    "429",
    "504, a page of 300 kB",
    "sign-in page, early",
    "307 elsewhere",
    "headers without end",
    "chunks without end",
    "noise",
    "length and chunks",
    "a thousand levels",
    "reset in the body",
    "half-close without an answer",
    "done, and the answer lost",
    "stall in the body",
    "two answers to one question",
    "close, as announced",
)


def acts(route: str, names=None) -> list[Act]:
    """The acts that make sense on a route, in order."""
    found = [act for act in ACTS if act.reasons(route) is not None]
    if route == "heartbeat":
        found = [a for a in found if a.name not in _NOT_FOR_HEARTBEATS + _GOOD_FOR_HEARTBEATS]
    return [act for act in found if names is None or act.name in names]
