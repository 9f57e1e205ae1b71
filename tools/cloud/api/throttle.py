"""The rate limiter as a layer round the API: headers on every answer under /v1, 429 beyond."""

import time

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.cloud.api.call import Services
from tools.cloud.api.errors import ApiError, envelope
from tools.cloud.api.ratelimit import RateLimiter, Verdict


class Throttle:
    def __init__(self, app: ASGIApp, limiter: RateLimiter, services: Services):
        self._app = app
        self._limiter = limiter
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith("/v1")
        if not is_api or not self._services.switches.rate_limits:
            await self._app(scope, receive, send)
            return
        verdict = await run_in_threadpool(self._limiter.take, scope["method"], scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(verdict.headers())
            await send(message)

        app = self._app if verdict.remaining >= 0 else self._too_many(verdict)
        await app(scope, receive, send_with_headers)

    def _too_many(self, verdict: Verdict) -> Response:
        switches = self._services.switches
        error = ApiError(429, "rate_limit_exceeded", "Too many requests in this window.")
        body = envelope(error, self._services.generation, switches.error_form)
        headers = {}
        if switches.rate_retry_after:
            headers["Retry-After"] = str(verdict.retry_after_s(time.time()))
        return Response(body, error.status, headers, media_type="application/json")
