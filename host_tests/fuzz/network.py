"""Targets: what the network brings. Answers of API and storage, names, times, certificates."""

import functools
import json
import pathlib

from device import dates, strict_json
from device.api import chunks, dialect, verdict
from device.errors import NeedsOperator, Permanent, Transient, UrlRefused
from device.http import url as urls
from device.http.reader import Reader
from device.http.response import Response, read_response
from device.link import ntp
from device.update import certificate
from host_tests.fuzz.engine import Target, drive, replaced
from rescue import answer as answer_half
from rescue import ntp as rescue_ntp
from rescue import wire as rescue_wire
from rescue.ends import End

RID, SHA = "rec_1", "ab" * 32
NONCE = b"12345678"
_MOST_BODY_BYTES = 2048
_ACCEPTED = ("uploaded", "processing", "completed")


class Feed:
    """Connection of the net port that gives data in pieces, then ends."""

    def __init__(self, data: bytes, piece: int):
        self._data = data
        self._at = 0
        self._piece = piece

    async def readinto(self, out):
        part = self._data[self._at : self._at + min(len(out), self._piece)]
        out[: len(part)] = part
        self._at += len(part)
        return len(part)

    def has_input(self):
        return self._at < len(self._data)


def _http(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CREATED = json.dumps({"id": RID, "status": "pending", "device_id": "dev_1"}).encode()
PLACE = json.dumps(
    {
        "upload_url": "https://s3.example/k/rec_1?X-Amz-Signature=0f",
        "headers": {"Content-Type": "audio/flac", "x-amz-meta-a": "b"},
        "expires_at": "2026-03-01T13:00:00Z",
    }
).encode()
DONE = json.dumps({"id": RID, "status": "uploaded", "content_sha256": SHA}).encode()
FINAL = json.dumps({"id": RID, "status": "uploaded", "chunks_received": 7}).encode()
REFUSED = json.dumps({"error": {"code": "integrity_failure", "message": "m"}}).encode()
S3_ERROR = b"<Error><Code>RequestTimeout</Code><Message>m</Message></Error>"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;a=b\r\n{"id"\r\n9\r\n:"rec_1"}\r\n0\r\nA: b\r\n\r\n'
)
RATE = ("X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 3", "X-RateLimit-Reset: 1772366460")
DATE = "Date: Sun, 01 Mar 2026 12:00:00 GMT"
ANSWERS = (
    _http(201, CREATED, DATE, *RATE),
    _http(200, PLACE),
    _http(200, DONE, "Connection: close"),
    _http(409, REFUSED),
    _http(429, b"", "Retry-After: 30", DATE),
    _http(403, S3_ERROR, "Content-Type: application/xml"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + _http(200, b""),
    b"HTTP/1.0 200 OK\r\n\r\n" + DONE,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    CHUNKED,
)


def answer(data: bytes) -> str:
    """The framing of any answer, then all that the product reads out of it."""
    piece = 1 + data[0] % 7 if data else 1
    outcome = set()
    response = None
    for size in (piece, 4096):
        reader = Reader(Feed(data, size), bytearray(64))
        try:
            response = drive(read_response(reader, _MOST_BODY_BYTES))
        except Transient as e:
            outcome.add(("refused", e.code))
            continue
        if response is None:
            outcome.add(("nothing", ""))
            continue
        assert len(response.content) <= _MOST_BODY_BYTES
        assert 200 <= response.status_code <= 999 and len(response.headers) <= 12
        outcome.add(("read", bytes(response.content), response.status_code))
    assert len(outcome) == 1, "how it is cut into pieces must not matter"
    said = outcome.pop()[0]
    if said == "read":
        judge(response)
    return said


def body(data: bytes, status: int = 200) -> str:
    """The body of an answer whose framing is right."""
    response = Response(status, {})
    response.content = data
    return judge(response)


def judge(response) -> str:
    """Every way the product reads an answer; nothing but what is proof may be taken for it."""
    proved = _taken(lambda: dialect.read_completed(response, RID, SHA)) == dialect.PROOF
    assert proved <= _is_proof(response), "done, and it is not"
    final = _taken(lambda: chunks.read_finalized(response, RID, 7)) == chunks.ACCEPTED
    assert final <= _is_final(response), "finalized, and it is not"
    rid = _taken(lambda: dialect.read_created(response))
    if rid is not None:
        assert isinstance(rid, str) and "/" not in rid and 1 <= len(rid) <= 64
    _taken(lambda: dialect.read_device(response))
    place = _taken(lambda: dialect.read_upload_url(response, "audio/wav"))
    if place is not None:
        for name, value in place[1]:
            assert not set("\r\n\0") & set(name + value), "a header within a header"
            assert name.lower() not in ("authorization", "host", "content-length")
        _taken(lambda: urls.split(place[0]))
    code = dialect.error_code(response)
    assert code is None or (
        len(code) <= 40 and code.isascii() and (code.isprintable() or not code)
    )
    _taken(lambda: verdict.raise_for_api(response, 1772366400))
    _taken(lambda: verdict.raise_for_storage(response, None))
    wait_s = verdict.retry_after_s(response, 1772366400)
    assert wait_s is None or 1 <= wait_s <= verdict.MAX_RETRY_AFTER_S
    told = verdict.limits_told(response, 1772366400)
    assert told is None or told[0] > 0
    return "proof" if proved or final else "no proof"


def _taken(call):
    try:
        return call()
    except (Transient, Permanent, NeedsOperator) as e:
        assert len(str(e.detail)) <= 200, "a detail goes into the log"
        return None


def _is_proof(response) -> bool:
    tree = _tree(response)
    said = tree.get("content_sha256")
    agrees = not isinstance(said, str) or said.lower() == SHA
    return (
        response.status_code < 300
        and tree.get("id") == RID
        and tree.get("status") in _ACCEPTED
        and agrees
    )


def _is_final(response) -> bool:
    tree = _tree(response)
    good = tree.get("id") == RID and tree.get("status") in _ACCEPTED
    return response.status_code < 300 and good and str(tree.get("chunks_received")) == "7"


def _tree(response) -> dict:
    try:
        tree = json.loads(bytes(response.content))
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def json_text(data: bytes) -> str:
    """What strict_json passes is JSON for CPython too, and not deeper than it says."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "no text"
    if strict_json.fault(data) is not None:
        return "refused"
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError:
        # It looks at the structure; what a number or an escape is worth is the parser's affair.
        return "left to the parser"
    return "taken"


def _no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def storage(data: bytes) -> str:
    """Stored only where storage says nothing but 2xx."""
    if not data:
        return "nothing"
    response = Response(100 + 4 * (data[0] & 127), {})
    response.content = data[1:]
    response.early = data[0] > 127
    verdict.raise_for_storage(response, 1772366400)
    assert response.status_code < 300 and not response.content and not response.early
    return "stored"


def address(data: bytes) -> str:
    """A URL is refused, or arrives as it was given."""
    text = data.decode("latin-1")
    is_tls, host, port, authority, target = urls.split(text)
    assert is_tls and host and 0 < port < 65536 and target[0] == "/"
    assert not set("\r\n \0#") & set(target + authority)
    assert text.endswith(target) or text.endswith(target[1:])
    return "taken"


def time_answer(data: bytes) -> str:
    unix_ms, doubt_ms = ntp.answer(data, NONCE, 40)
    assert unix_ms > 0 and doubt_ms >= 20
    return "taken"


def rescue_time(data: bytes) -> str:
    assert rescue_ntp.read(data, NONCE) > 0
    return "taken"


def instants(data: bytes) -> str:
    text = data.decode("latin-1")
    found = [dates.parse_iso8601(text), dates.parse_http_date(text)]
    if found == [None, None]:
        return "refused"
    assert all(value is None or 0 <= value < 253402300800 + 86400 * 3 for value in found)
    return "taken"


def root(data: bytes) -> str:
    name, ends_unix_s = certificate.read(data)
    assert isinstance(name, str) and isinstance(ends_unix_s, int)
    return "taken"


class _Sock:
    """A socket that never waits, for the rescue program's blocking reader."""

    def __init__(self, data):
        self._data, self._at = data, 0

    def readinto(self, out):
        part = self._data[self._at : self._at + len(out)]
        out[: len(part)] = part
        self._at += len(part)
        return len(part)


def _nothing():
    """In the place of the watchdog and the console."""


class _Clock:
    """MicroPython's time, standing still."""

    ticks_ms = staticmethod(lambda: 0)
    ticks_diff = staticmethod(lambda a, b: a - b)


def rescue_answer(data: bytes) -> str:
    wire = rescue_wire.Wire.__new__(rescue_wire.Wire)
    wire.piece = memoryview(bytearray(1024))
    wire.breathe = _nothing
    wire.sock = _Sock(data)
    with replaced(answer_half, time=_Clock):
        status, _, content = answer_half.run(wire)
    assert len(content) <= answer_half._MOST_BYTES and 200 <= status <= 999
    return "read"


_JSON_SEEDS = (CREATED, PLACE, DONE, FINAL, REFUSED, b'{"a":[1,-0.5e3,"\\u00e4",true,null]}')
_ROOTS = pathlib.Path(__file__).parents[2] / "trust" / "roots"
_ROOT = min(_ROOTS.glob("*.der")).read_bytes()
TARGETS = (
    Target("http answer", ANSWERS, answer),
    Target("api body 200", _JSON_SEEDS, functools.partial(body, status=200)),
    Target("api body 409", _JSON_SEEDS, functools.partial(body, status=409)),
    Target("api body 425", _JSON_SEEDS, functools.partial(body, status=425)),
    Target("json", _JSON_SEEDS, json_text),
    Target(
        "storage answer", (b"\x19", b"\x4b" + S3_ERROR, b"\x99"), storage, (Transient, UrlRefused)
    ),
    Target(
        "url",
        (b"https://s3.example:9000/k/a%2Fb?X-Amz-Signature=0f", b"https://h?q"),
        address,
        (UrlRefused,),
    ),
    Target(
        "ntp",
        (b"\x24\x01" + bytes(22) + NONCE + bytes(8) + b"\xed\x4e\x3a\x40" + bytes(4),),
        time_answer,
        (Transient,),
    ),
    Target(
        "rescue ntp",
        (b"\x24\x01" + bytes(22) + NONCE + bytes(8) + b"\xed\x4e\x3a\x40" + bytes(4),),
        rescue_time,
        (End,),
    ),
    Target(
        "dates",
        (b"2026-03-01T12:00:00.250Z", b"Sun, 01 Mar 2026 12:05:00 GMT"),
        instants,
    ),
    Target("certificate", (_ROOT,), root, (ValueError,)),
    Target("rescue answer", ANSWERS, rescue_answer, (End,)),
)
