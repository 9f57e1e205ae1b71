"""The table of faults: what goes wrong with the next matching requests, on the wire.

    faults.add("complete", "drop_answer")                       # once
    faults.add("create", "status", status=503, times=3, headers={"Retry-After": "2"})
    faults.add("put", "reset", after_bytes=100_000, skip=1)     # the second PUT, in mid-body
    faults.add("any", "delay", delay_s=0.2, times=None)         # until it is cleared

Kinds, all acted out by the TLS front, for the API and for storage alike:

    status       answer with `status`, `headers`, `body`; the service never sees the request
    html         200 with a sign-in page, as a captive portal answers; the service never sees it
    reset        TCP reset after `after_bytes` of the body; the service never sees the request
    drop_answer  the service commits and answers; the client gets a closed connection instead
    short_body   the answer claims more Content-Length than it sends, then the connection closes
    close_after  the answer is right and says Connection: close
    delay        the right answer, `delay_s` late
    raw          `body` as it is, whatever it is; then `then`. The service never sees the request

What the service itself does differently (verification, idempotency, clock) is in switches.py.
"""

import dataclasses
import threading
from collections.abc import Mapping

from tools.cloud.errors import CloudError
from tools.cloud.routes import DEVICE_ROUTES

KINDS = ("status", "html", "reset", "drop_answer", "short_body", "close_after", "delay", "raw")
ENDINGS = ("close", "half_close", "reset", "hold", "repeat")


@dataclasses.dataclass
class Fault:
    """One row. `times` None is endless; `hits` counts the requests that it struck."""

    route: str
    kind: str
    times: int | None = 1
    skip: int = 0  # let this many matching requests pass first
    status: int = 503
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None  # None: what such a service would say
    delay_s: float = 0.0
    after_bytes: int = 0
    early: bool = False  # status, html, raw: answer before the request's body has been read
    pause_s: float = 0.0  # raw: after each byte
    # raw: end the connection in order, only our half of it, or with a reset; say nothing more; or
    # say `again` again and again. The last two until the client leaves.
    then: str = "close"
    again: bytes = b""
    hits: int = 0

    def is_spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class FaultTable:
    """Thread-safe. Of the rows that match a request, the oldest unspent one strikes, alone."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rows: list[Fault] = []

    def add(self, route: str, kind: str, **details) -> Fault:
        """Add a row for a name of DEVICE_ROUTES, or "any" of them; details as in Fault.

        The row is returned: its `hits` tells whether the fault has happened.
        """
        if route not in (*DEVICE_ROUTES, "any"):
            raise CloudError(f"No route is called {route!r}: use one of {DEVICE_ROUTES} or 'any'.")
        if kind not in KINDS:
            raise CloudError(f"No fault is called {kind!r}: use one of {KINDS}.")
        row = Fault(route, kind, **details)
        if row.then not in ENDINGS:
            raise CloudError(f"No fault ends with {row.then!r}: use one of {ENDINGS}.")
        with self._lock:
            self._rows.append(row)
        return row

    def remove(self, row: Fault) -> None:
        """Take a row that add() returned away again."""
        with self._lock:
            self._rows = [other for other in self._rows if other is not row]

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()

    def list(self) -> list[Fault]:
        """A copy of all rows, spent ones too."""
        with self._lock:
            return [dataclasses.replace(row) for row in self._rows]

    def take(self, route: str) -> Fault | None:
        """The row that strikes this request, already counted; None if all goes well."""
        if route not in DEVICE_ROUTES:
            return None
        with self._lock:
            for row in self._rows:
                if row.route not in (route, "any") or row.is_spent():
                    continue
                if row.skip > 0:
                    row.skip -= 1
                    continue
                row.hits += 1
                return row
        return None
