"""One answer: status, headers, body. Names as in the `requests` library where both have them."""

import json

from device import strict_json
from device.compat import const, is_digits
from device.errors import Transient

_MAX_HEADERS = const(64)
_MAX_HEADS = const(8)  # interim ones and the final: a flood of them lets nothing else run
# What the product reads; everything else is checked for form and dropped, so a head costs no
# memory.
_KEPT = (
    "connection",
    "content-length",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "location",
    "retry-after",
    "transfer-encoding",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
)


class Response:
    """status_code, headers (lower-case names), content (bytes); reusable: the connection may
    be.
    """

    def __init__(self, status_code, headers):
        self.status_code = status_code
        self.headers = headers
        self.content = b""
        self.reusable = False
        self.early = False  # it came before the request was through

    def is_page(self):
        """True if it is a page for people: a sign-in page, some proxy's error."""
        return "html" in self.headers.get("content-type", "").lower()

    def json(self):
        """The body as an object; raises Transient(bad_answer) if it is anything else."""
        if self.is_page():
            raise Transient("portal", "status=%d html" % self.status_code)
        try:
            text = bytes(self.content).decode()
            value = None if strict_json.fault(text) else json.loads(text)
        except (ValueError, UnicodeError):
            value = None
        if not isinstance(value, dict):
            raise Transient("bad_answer", "status=%d no JSON object" % self.status_code)
        return value


async def read_head(reader):
    """Read one head, final or interim (1xx); None if the stream ended before its first byte.

    Raises Transient(bad_answer, connection_lost).
    """
    reader.head_bytes = 0
    line = await reader.line(first=True)
    if line is None:
        return None
    response = Response(_status(line), await _headers(reader))
    response.reusable = _keeps_alive(line, response.headers)
    return response


async def read_response(reader, max_body_bytes, response=None):
    """Read one final answer (1xx are passed over), or the rest of one whose head was read.

    None if the stream ended before its first byte. Raises Transient(bad_answer, connection_lost).
    A body beyond max_body_bytes is bad_answer, but for an error status (>= 300): there the body is
    left unread and the connection not reusable.
    """
    for _ in range(_MAX_HEADS):
        if response is not None and response.status_code >= 200:
            break
        response = await read_head(reader)
        if response is None:
            return None
    else:
        raise Transient("bad_answer", "interim answers without end")
    try:
        whole = await _read_body(reader, response, max_body_bytes)
    except Transient:
        if response.status_code < 300:
            raise
        whole = False
    response.reusable = response.reusable and whole
    return response


async def _read_body(reader, response, max_bytes):
    """Fill response.content; True if its end is known without the end of the connection."""
    headers = response.headers
    coding = headers.get("transfer-encoding", "").lower()
    length = headers.get("content-length")
    if response.status_code in (204, 304):
        return True
    if coding:
        if coding != "chunked" or length is not None:
            raise Transient("bad_answer", "transfer-encoding")
        response.content = await reader.body_by_chunks(max_bytes)
        return True
    if length is not None:
        response.content = await reader.body_by_length(_length(length), max_bytes)
        return True
    response.content = await reader.body_to_end(max_bytes)
    return False


def _status(line):
    # "HTTP/1.1 201 Created"; the phrase may be missing.
    if not line.startswith(b"HTTP/1.") or len(line) < 12 or line[8:9] != b" ":
        raise Transient("bad_answer", "not HTTP")
    digits = line[9:12]
    if not is_digits(digits) or line[12:13] not in (b"", b" ") or digits < b"100":
        raise Transient("bad_answer", "status line")
    return int(digits)


async def _headers(reader):
    headers = {}
    for _ in range(_MAX_HEADERS):
        line = await reader.line()
        if not line:
            return headers
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:] in (b" ", b"\t") or name[:1] in (b" ", b"\t"):
            raise Transient("bad_answer", "header line")
        try:
            name = name.decode().lower()
            if name not in _KEPT:
                continue
            value = value.decode().strip()
        except UnicodeError:
            raise Transient("bad_answer", "header text")
        if name == "content-length" and headers.get(name, value) != value:
            raise Transient("bad_answer", "two lengths")
        headers[name] = value
    raise Transient("bad_answer", "too many headers")


def _length(text):
    if not is_digits(text) or len(text) > 10:
        raise Transient("bad_answer", "content-length")
    return int(text)


def _keeps_alive(status_line, headers):
    connection = headers.get("connection", "").lower()
    if status_line.startswith(b"HTTP/1.0"):
        return "keep-alive" in connection
    return "close" not in connection
