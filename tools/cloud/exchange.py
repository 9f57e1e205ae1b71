"""One request and its answer on their way through a front: forwarded, logged, at times spoilt.

Two tasks run side by side, because an answer may come before the body is through (S3 refuses a bad
signature at once): one carries the body to the service, one carries the answer to the client. Each
holds one read's worth of bytes, so the size of a body does not matter.
"""

import asyncio
import datetime
import email.utils
import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import h11

from tools.cloud.faults import Fault
from tools.cloud.routes import route_name
from tools.cloud.switches import Switches
from tools.cloud.upstream import ServiceGone, Sink, answer_body, discard, receive_from
from tools.cloud.wire import Wire
from tools.cloud.wirelog import Connection, WireLog, describe, redacted_json, safe_headers

_JSON_LIMIT_BYTES = 64 * 1024  # bodies up to this size are logged as JSON
_SLOW_STEP_BYTES = 2048
_LINGER_S = 2.0  # a client that got an early answer may go on sending this long
_HOLD_S = 120.0  # longer than any limit of a recorder
_MISSING_BYTES = 16  # what short_body promises and does not send

_SIGN_IN_PAGE = b"<!doctype html><title>Guest Wi-Fi</title><h1>Please sign in</h1>\n"
_S3_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'
)
_JSON_ERROR = '{{"error":{{"code":"{}","message":"{}"}}}}'


class ClientGone(Exception):
    """The client closed or broke the connection in the middle of its request."""


class Exchange:
    """Made for one request whose head has been read; run() does the rest."""

    def __init__(
        self,
        client: Wire,
        request: h11.Request,
        connection: Connection,
        log: WireLog,
        switches: Switches,
    ):
        self._client = client
        self._request = request
        self._log = log
        self._switches = switches
        self._is_storage = connection.origin == "storage"
        head = describe(request)
        self.route = route_name(connection.origin, head["method"], head["path"])
        self.client_asked_to_close = head["headers"].get("connection", "").lower() == "close"
        self._is_chunked = head["transfer_encoding"]
        self._record = log.open_request(connection, route=self.route, **head)

    async def run(self, connect: Callable[[], Awaitable[Wire]], fault: Fault | None) -> bool:
        """Serve the request. True if the client's connection can carry another one; else close it.

        Raises ClientGone or OSError when the client is lost; the log then has what was known.
        """
        try:
            if fault:
                self._log.update(self._record, fault=fault.kind)
            if self._is_storage and self._is_chunked:
                # S3 wants to know the length beforehand; Swift alone would take such a body.
                await self._refuse_chunked()
            elif fault and fault.kind == "raw":
                await self._answer_raw(fault)
            elif fault and fault.kind == "reset":
                await self._reset(fault)
            elif fault and fault.kind in ("status", "html"):
                if not fault.early:
                    await self._invite_body()
                await self._side_by_side(
                    self._read_body(discard), self._answer_fault(fault), wait=not fault.early
                )
            else:
                await self._forward(connect, fault)
        finally:
            self._log.end(self._record, ended_s=self._record.ended_s or self._log.now_s())
        http = self._client.http
        return http.our_state is h11.DONE and http.their_state is h11.DONE

    async def _forward(self, connect: Callable[[], Awaitable[Wire]], fault: Fault | None) -> None:
        try:
            service = await connect()
        except OSError:
            await self._answer_error(502, "bad_gateway", "The service is not running.")
            return
        try:
            await service.send(
                h11.Request(
                    method=self._request.method,
                    target=self._request.target,
                    headers=self._request.headers.raw_items(),  # as they came: Host is signed
                )
            )
            await self._side_by_side(
                self._read_body(Sink(service)), self._relay_answer(service, fault)
            )
        except ServiceGone:
            if self._client.http.our_state is h11.SEND_RESPONSE:
                await self._answer_error(502, "bad_gateway", "The service broke off.")
        finally:
            await service.close()

    async def _side_by_side(self, body, answer, wait: bool = False) -> None:
        """Run both ways; with `wait` the answer starts only when the body is through."""
        up = asyncio.create_task(body)
        if wait:
            try:
                await up
            except BaseException:
                answer.close()
                raise
        down = asyncio.create_task(answer)
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                up.result()
                await down
            else:
                down.result()
                await asyncio.wait({up}, timeout=_LINGER_S)
                if up.done():
                    up.result()
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _read_body(self, sink: Callable[[h11.Event], Awaitable[None]]) -> None:
        """Take the request's body from the client, note it, and hand it on piece by piece."""
        digest, size, text = hashlib.sha256(), 0, bytearray()
        while True:
            try:
                event = await self._client.receive()
            except (h11.RemoteProtocolError, OSError):
                raise ClientGone from None
            if isinstance(event, h11.ConnectionClosed):
                raise ClientGone
            if isinstance(event, h11.Data):
                digest.update(event.data)
                size += len(event.data)
                if not self._is_storage and size <= _JSON_LIMIT_BYTES:
                    text += event.data
                await self._arrive(size, len(event.data))
                self._log.update(self._record, body_bytes=size)
            if isinstance(event, h11.EndOfMessage):
                self._log.update(
                    self._record,
                    body_complete=True,
                    body_sha256=digest.hexdigest(),
                    body_json=redacted_json(text) if text else None,
                )
            await sink(event)
            if isinstance(event, h11.EndOfMessage):
                return

    async def _arrive(self, size: int, count: int) -> None:
        """Where the link is slow: let the last count of size bytes come bit by bit."""
        for left in range(count, 0, -_SLOW_STEP_BYTES):
            if not self._switches.bytes_per_s:
                return
            self._log.update(self._record, body_bytes=size - left)
            await asyncio.sleep(min(left, _SLOW_STEP_BYTES) / self._switches.bytes_per_s)

    async def _relay_answer(self, service: Wire, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        response = await self._receive_response(service)
        self._log.update(self._record, service_status=response.status_code)
        if kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if kind == "drop_answer":
            async for _piece in answer_body(service):
                pass
            return
        headers = self._with_skewed_date(response.headers.raw_items())
        if kind == "close_after":
            headers = [item for item in headers if item[0].lower() != b"connection"]
            headers.append((b"Connection", b"close"))
        if kind == "short_body":
            await self._send_short(response, headers, service)
            return
        await self._begin_answer(response.status_code, headers, response.reason)
        text = bytearray()
        async for piece in answer_body(service):
            if not self._is_storage and len(text) <= _JSON_LIMIT_BYTES:
                text += piece
            await self._client.send(h11.Data(data=piece))
        answer_json = redacted_json(text) if text else None
        self._log.update(self._record, answer_json=answer_json)
        self._note_completed()
        await self._client.send(h11.EndOfMessage())

    async def _receive_response(self, service: Wire) -> h11.Response:
        while True:
            event = await receive_from(service)
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.ConnectionClosed):
                raise ServiceGone
            if self._client.http.they_are_waiting_for_100_continue:
                await self._client.send(event)

    async def _send_short(self, response: h11.Response, headers: list, service: Wire) -> None:
        body = b"".join([piece async for piece in answer_body(service)])
        framing = (b"content-length", b"transfer-encoding")
        headers = [item for item in headers if item[0].lower() not in framing]
        headers.append((b"Content-Length", str(len(body) + _MISSING_BYTES).encode("ascii")))
        await self._begin_answer(response.status_code, headers, response.reason)
        await self._client.send(h11.Data(data=body))

    async def _reset(self, fault: Fault) -> None:
        async def sink(event):
            if self._record.body_bytes >= fault.after_bytes or isinstance(event, h11.EndOfMessage):
                raise ConnectionResetError

        try:
            if fault.after_bytes:
                await self._invite_body()
                await self._read_body(sink)
        except ConnectionResetError:
            pass
        self._client.reset()

    async def _answer_raw(self, fault: Fault) -> None:
        """Bytes that need not be HTTP, and an ending; the connection is of no use afterwards."""
        if not fault.early:
            await self._invite_body()
            await self._read_body(discard)
        wire = self._client
        await wire.send_raw(fault.body or b"", fault.pause_s)
        if fault.then == "reset":
            wire.reset()
        elif fault.then == "half_close":
            wire.close_our_half()
            await wire.wait_for_end(_HOLD_S)
        elif fault.then == "hold":
            await wire.wait_for_end(_HOLD_S)
        elif fault.then == "repeat":
            while True:
                await wire.send_raw(fault.again, fault.pause_s)

    async def _invite_body(self) -> None:
        """Tell a client that asked (Expect: 100-continue) to send its body."""
        if self._client.http.they_are_waiting_for_100_continue:
            await self._client.send(h11.InformationalResponse(status_code=100, headers=[]))

    async def _refuse_chunked(self) -> None:
        message = "A header you provided implies functionality that is not implemented."
        answer = self._answer_error(501, "NotImplemented", message, close=True)
        await self._side_by_side(self._read_body(discard), answer)

    async def _answer_fault(self, fault: Fault) -> None:
        if fault.kind == "html":
            body = _SIGN_IN_PAGE if fault.body is None else fault.body
            headers = {"Content-Type": "text/html; charset=utf-8", **fault.headers}
            await self._answer(200, headers, body)
        elif fault.body is None:
            phrase = _phrase(fault.status)
            code = (
                phrase.replace(" ", "") if self._is_storage else phrase.lower().replace(" ", "_")
            )
            await self._answer_error(fault.status, code, phrase, fault.headers)
        else:
            await self._answer(fault.status, fault.headers, fault.body)

    async def _answer_error(
        self, status: int, code: str, message: str, headers=None, close: bool = False
    ) -> None:
        """Our own answer in the form of the service that it stands in for."""
        form, kind = _S3_ERROR if self._is_storage else _JSON_ERROR, "application/json"
        if self._is_storage:
            kind = "application/xml"
        extra = {"Connection": "close"} if close else {}
        body = form.format(code, message).encode("ascii")
        await self._answer(status, {"Content-Type": kind, **extra, **(headers or {})}, body)

    async def _answer(self, status: int, headers, body: bytes) -> None:
        now = email.utils.formatdate(usegmt=True)
        items = [("Date", now), ("Content-Length", str(len(body))), *headers.items()]
        raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in items]
        await self._begin_answer(status, self._with_skewed_date(raw), _phrase(status).encode())
        if self._request.method != b"HEAD":
            await self._client.send(h11.Data(data=body))
        self._note_completed()
        await self._client.send(h11.EndOfMessage())

    def _note_completed(self) -> None:
        """Called before the last byte leaves: whoever has the answer finds it ended in the log."""
        self._log.update(self._record, answer_complete=True, ended_s=self._log.now_s())

    async def _begin_answer(self, status: int, headers: list, reason: bytes) -> None:
        safe = safe_headers(headers)
        self._log.update(self._record, answer_status=status, answer_headers=safe)
        await self._client.send(
            h11.Response(status_code=status, headers=headers, reason=bytes(reason))
        )

    def _with_skewed_date(self, headers: list) -> list:
        skew = datetime.timedelta(seconds=self._switches.date_skew_s)
        if not skew:
            return list(headers)
        date = datetime.datetime.now(datetime.UTC) + skew
        value = email.utils.format_datetime(date, usegmt=True).encode("ascii")
        return [(n, value if n.lower() == b"date" else v) for n, v in headers]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
