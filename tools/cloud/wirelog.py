"""What went over the wire, as tests and proofs read it: connections and requests, never a secret.

Records are appended when a connection or request begins, and filled in while it lives. With a
file, each is also written as one JSON line when it ends. Times are seconds since the log was
opened, by a clock that never steps.
"""

import bisect
import dataclasses
import itertools
import json
import pathlib
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import h11

SAFE_HEADERS = frozenset(
    "accept bota-version connection content-length content-type date expect host idempotency-key "
    "location retry-after server transfer-encoding user-agent x-ratelimit-limit "
    "x-ratelimit-remaining x-ratelimit-reset".split()
)

_BEARERS = ((b"dtok_", "device_token"), (b"sk_", "api_key"), (b"rk_", "api_key"))

# Tokens of every kind the API knows, and the query of any URL (a signature is a secret).
_TOKEN = re.compile(r"\b(dtok|up|sk|rk)_[A-Za-z0-9_\-]{4,}")
_URL_QUERY = re.compile(r"(https?://[^\s?\"]*)\?[^\s\"]*")


@dataclasses.dataclass
class Connection:
    """One TCP connection to a front. `tls` is "", "ok" or why the handshake failed."""

    number: int
    origin: str  # "api", "storage" or "operator"
    opened_s: float
    certificate: str  # the case of ca.CASES that was presented
    tls: str = ""
    closed_by: str = ""  # "client", "server", or "" while it is open
    closed_s: float | None = None
    requests: int = 0
    wire_bytes: tuple[int, int] = (0, 0)  # TCP payload that came and went, once it is closed


@dataclasses.dataclass
class Request:
    """One request and its answer. Statuses are None as long as nothing was answered."""

    number: int
    connection: int
    origin: str
    route: str  # a name of routes.py
    method: str
    path: str  # without the query, which carries signatures
    header_names: list[str]
    headers: dict[str, str]  # values of SAFE_HEADERS only
    credential: str  # "", or the kind of bearer: "device_token", "api_key", "other"
    idempotency_key: str | None
    transfer_encoding: bool
    began_s: float
    body_bytes: int = 0
    body_complete: bool = False
    body_sha256: str | None = None
    body_json: Any = None  # API only, redacted
    fault: str | None = None  # the fault that struck
    service_status: int | None = None  # what the service behind the front answered
    answer_status: int | None = None  # what the front began to send to the client
    answer_headers: dict[str, str] = dataclasses.field(default_factory=dict)
    answer_json: Any = None  # API only, redacted
    answer_complete: bool = False
    ended_s: float | None = None


def redact(value: Any) -> Any:
    """The same JSON value or text without tokens and without the query of any URL."""
    if isinstance(value, str):
        return _URL_QUERY.sub(r"\1?(removed)", _TOKEN.sub(r"\1_(removed)", value))
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    return value


def redacted_json(body: bytes) -> Any:
    """The redacted JSON value of `body`, or None when it is not JSON."""
    try:
        return redact(json.loads(body))
    except ValueError:
        return None


def safe_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The values of SAFE_HEADERS among header lines, by lower-case name."""
    texts = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    return {name: redact(text) for name, text in texts.items() if name in SAFE_HEADERS}


def describe(request: h11.Request) -> dict[str, Any]:
    """What the log keeps of a request's head: fields of Request."""
    headers = dict(request.headers)  # h11 has made the names lower-case
    key = headers.get(b"idempotency-key")
    return {
        "method": request.method.decode("ascii"),
        "path": redact(request.target.decode("latin-1").partition("?")[0]),
        "header_names": [name.decode("latin-1") for name, _value in request.headers],
        "headers": safe_headers(request.headers),
        "credential": _credential_kind(headers.get(b"authorization")),
        "idempotency_key": redact(key.decode("latin-1")) if key is not None else None,
        "transfer_encoding": b"transfer-encoding" in headers,
    }


def _credential_kind(authorization: bytes | None) -> str:
    if authorization is None:
        return ""
    token = authorization.removeprefix(b"Bearer ")
    return next((kind for prefix, kind in _BEARERS if token.startswith(prefix)), "other")


class WireLog:
    """Thread-safe. `path` is the JSON lines file, or None to keep the log in memory only."""

    def __init__(self, path: pathlib.Path | None = None):
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._requests: list[Request] = []
        self._connection_numbers, self._request_numbers = itertools.count(1), itertools.count(1)
        self._file = path.open("a", encoding="utf-8") if path else None
        self._zero_s = time.monotonic()

    @property
    def connections(self) -> list[Connection]:
        """A copy of all connections so far, oldest first."""
        with self._changed:
            return [dataclasses.replace(record) for record in self._connections]

    @property
    def requests(self) -> list[Request]:
        """A copy of all requests so far, oldest first."""
        with self._changed:
            return [dataclasses.replace(record) for record in self._requests]

    def requests_from(self, number: int) -> list[Request]:
        """As `requests`, those of this number and later."""
        with self._changed:
            start = bisect.bisect_left(self._requests, number, key=lambda r: r.number)
            return [dataclasses.replace(record) for record in self._requests[start:]]

    def now_s(self) -> float:
        return time.monotonic() - self._zero_s

    def wait_for(self, wanted: Callable[["WireLog"], Any], timeout_s: float = 10.0) -> Any:
        """Wait until `wanted(log)` is true and return it; the last value if time runs out.

        It is asked again after each change of the log, so a test needs no sleep.
        """
        with self._changed:
            return self._changed.wait_for(lambda: wanted(self), timeout_s)

    def open_connection(self, origin: str, certificate: str) -> Connection:
        with self._changed:
            number = next(self._connection_numbers)
            record = Connection(number, origin, self.now_s(), certificate)
            self._connections.append(record)
            self._changed.notify_all()
            return record

    def open_request(self, connection: Connection, **fields: Any) -> Request:
        with self._changed:
            number = next(self._request_numbers)
            record = Request(
                number, connection.number, connection.origin, began_s=self.now_s(), **fields
            )
            self._requests.append(record)
            connection.requests += 1
            self._changed.notify_all()
            return record

    def update(self, record: Connection | Request, **fields: Any) -> None:
        with self._changed:
            for name, value in fields.items():
                setattr(record, name, value)
            self._changed.notify_all()

    def end(self, record: Connection | Request, **fields: Any) -> None:
        """The last update of a record: it also goes to the file."""
        self.update(record, **fields)
        if self._file:
            line = {"kind": type(record).__name__.lower(), **dataclasses.asdict(record)}
            with self._changed:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()

    def clear(self) -> None:
        """Forget what memory holds (numbers go on); the file stays as it is."""
        with self._changed:
            self._connections.clear()
            self._requests.clear()

    def close(self) -> None:
        if self._file:
            self._file.close()
