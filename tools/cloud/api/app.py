"""The API put together: the table of operations, and the way of every request through it."""

import functools
import logging

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tools.cloud.api import (
    completion,
    devices,
    end_users,
    recordings,
    streaming,
    transcriptions,
    uploads,
)
from tools.cloud.api.auth import authenticate
from tools.cloud.api.call import Answer, Call, Operation, Services
from tools.cloud.api.errors import ApiError, envelope
from tools.cloud.api.idempotency import run_once
from tools.cloud.api.ratelimit import RateLimiter
from tools.cloud.api.throttle import Throttle

_BODY_LIMIT_BYTES = 256 * 1024
_DOCS, _NEWER = ("d1", "d2"), ("d2", "s")

OPERATIONS = (
    Operation(
        "POST", "/v1/recordings", recordings.create, "recordings:write", device=True, keyed=True
    ),
    Operation("GET", "/v1/recordings", recordings.list_all, "recordings:read"),
    Operation("GET", "/v1/recordings/{id}", recordings.get, "recordings:read"),
    Operation("DELETE", "/v1/recordings/{id}", recordings.delete, "recordings:write"),
    Operation(
        "POST",
        "/v1/recordings/{id}/upload-url",
        uploads.upload_url,
        "recordings:write",
        device=True,
    ),
    Operation(
        "POST",
        "/v1/recordings/{id}/upload-complete",
        completion.complete,
        "recordings:write",
        device=True,
    ),
    Operation(
        "POST",
        "/v1/recordings/{id}/chunks/{number}/upload-url",
        streaming.chunk_url,
        "recordings:write",
        device=True,
    ),
    Operation(
        "POST",
        "/v1/recordings/{id}/finalize",
        streaming.finalize,
        "recordings:write",
        device=True,
    ),
    Operation(
        "POST",
        "/v1/recordings/{id}/download-url",
        uploads.download_url_d2,
        "recordings:read",
        generations=("d2",),
    ),
    Operation(
        "GET",
        "/v1/recordings/{id}/download-url",
        uploads.download_url_s,
        "recordings:read",
        generations=("s",),
    ),
    Operation(
        "POST",
        "/v1/recordings/{id}/transcribe",
        transcriptions.transcribe,
        "transcriptions:write",
        generations=_DOCS,
    ),
    Operation(
        "POST",
        "/v1/transcriptions",
        transcriptions.create,
        "transcriptions:write",
        keyed=True,
        generations=("s",),
    ),
    Operation("GET", "/v1/transcriptions/{id}", transcriptions.get, "transcriptions:read"),
    Operation("POST", "/v1/devices", devices.register, "devices:write", keyed=True),
    Operation("GET", "/v1/devices/{id}", devices.get, "devices:read"),
    Operation("GET", "/v1/devices/{id}/state", devices.state, "devices:read", generations=_NEWER),
    Operation("POST", "/v1/devices/{id}/bind", devices.bind, "devices:write", keyed=True),
    Operation("POST", "/v1/devices/{id}/unbind", devices.unbind, "devices:write"),
    Operation(
        "POST", "/v1/devices/{id}/heartbeat", devices.heartbeat, "devices:write", device=True
    ),
    Operation("POST", "/v1/devices/{id}/token/refresh", devices.refresh_token, None, device=True),
    Operation("POST", "/v1/end-users", end_users.create, "end_users:write", keyed=True),
    Operation("GET", "/v1/end-users", end_users.list_all, "end_users:read"),
)


def build_app(services: Services, limiter: RateLimiter) -> Starlette:
    """The ASGI application of one generation of the API."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        if services.generation in operation.generations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
    routes = [Route("/health", functools.partial(_health, services), methods=["GET"])]
    for path, operations in by_path.items():
        serve = functools.partial(_serve, services, operations)
        routes.append(Route(path, serve, methods=list(operations)))
    refuse = functools.partial(_refuse_route, services)
    handlers = {HTTPException: refuse, ClientDisconnect: _hang_up, Exception: refuse}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # /v1/recordings/ is another path: not found
    app.add_middleware(Throttle, limiter=limiter, services=services)
    return app


async def _serve(services: Services, operations: dict[str, Operation], request: Request):
    operation = operations["GET" if request.method == "HEAD" else request.method]
    try:
        body = await _bounded_body(request)
        answer = await run_in_threadpool(_handle, services, operation, request, body)
    except ApiError as error:
        return error_response(services, error)
    return _response(answer)


def _handle(services: Services, operation: Operation, request: Request, body: bytes) -> Answer:
    caller = authenticate(services.db, request.headers.get("authorization"))
    caller.check(operation.scope, operation.device)
    call = Call(services, caller, request.path_params, request.query_params, body)
    return run_once(request.headers.get("idempotency-key"), operation, request.url.path, call)


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_LIMIT_BYTES:
            raise ApiError(413, "invalid_request", "The body is too large.")
    return bytes(body)


async def _health(services: Services, _request: Request) -> Response:
    await run_in_threadpool(services.db.one, "SELECT 1")
    return _response(
        Answer(200, {"status": "healthy", "database": "connected", "billing": "none"})
    )


async def _hang_up(_request: Request, _error: Exception) -> Response:
    """The client's power went in the middle of a request: not our fault; nobody reads it."""
    return Response(status_code=400)


async def _refuse_route(services: Services, _request: Request, error: Exception) -> Response:
    """No such path, no such method, or a fault of our own (which Starlette raises again)."""
    if not isinstance(error, HTTPException):
        logging.getLogger(__name__).error("the API failed: %s", type(error).__name__)
        return error_response(services, ApiError(500, "processing_error", "Something broke here."))
    code = "not_found" if error.status_code == 404 else "invalid_request"
    refusal = ApiError(error.status_code, code, error.detail + ".")
    return error_response(services, refusal, error.headers)


def _response(answer: Answer) -> Response:
    if answer.value is None:
        return Response(status_code=answer.status)
    body = msgspec.json.encode(answer.value)
    return Response(body, answer.status, media_type="application/json")


def error_response(services: Services, error: ApiError, headers=None) -> Response:
    body = envelope(error, services.generation, services.switches.error_form)
    return Response(body, error.status, headers, media_type="application/json")
