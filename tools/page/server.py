"""The page's server: loopback only, for the laptop that it runs on.

    GET  /                 the page, with this run's key in it      /static/…  what it is made of
    GET  /events           the picture (scene.py), whenever it changes: server-sent events
    GET  /audio/<rid>      what storage holds for a recording       /waveform/<rid>  its shape
    GET  /knobs.json       the knobs turned so far, for a bug report
    POST /knobs/<name>     {"on": true}                             /say?rate=48000  a laptop's PCM

A page of another site must not reach it: the Host header has to be ours (DNS rebinding), and
whatever changes something carries the key, which no other origin can read.
"""

import asyncio
import functools
import json
import pathlib
import secrets
from collections.abc import AsyncIterator

import anyio
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tools.cloud.errors import CloudError
from tools.cloud.network import ApiServer, LoopThread, bind
from tools.page.knobs import KnobError
from tools.sim.audio import AudioError, decode
from tools.sim.board import BoardError

STATIC = pathlib.Path(__file__).parent / "static"
_KEY_HEADER = "x-bench-key"
_MOST_SAID_BYTES = 1 << 20
_MOST_KNOB_BYTES = 1000
_BARS = 240
_RATES_HZ = range(8_000, 192_001)
_ALIVE_S = 10.0
_LOOK_S = 0.05
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Page:
    """Serves from its own thread. Use it with `with`; `address` is what a browser opens."""

    def __init__(self, bench, watch, knobs, knobs_document, port: int = 0):
        self._bench = bench
        self._watch = watch
        self._knobs = knobs
        self._knobs_document = knobs_document
        self._key = secrets.token_urlsafe(18)
        self._listener = bind(port, "page")
        self._port = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}/"
        self._hosts = {f"{name}:{self._port}" for name in ("127.0.0.1", "localhost")}
        self._is_closing = False
        self.viewers = 0  # event streams that are open
        self.seen_version = 0  # the newest picture that a viewer was given

    def __enter__(self) -> "Page":
        self._thread = LoopThread()
        self._server = ApiServer(self._guarded(self._app()))
        self._thread.call(self._server.start(self._listener))
        return self

    def __exit__(self, *_details) -> None:
        self._is_closing = True
        self._watch.tell(closed=True)  # wakes the streams: they see the last picture, and end
        self._thread.call(self._server.stop())
        self._thread.stop()

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/events", self._events),
                Route("/audio/{rid}", self._audio),
                Route("/waveform/{rid}", self._waveform),
                Route("/knobs.json", lambda request: JSONResponse(self._knobs_document())),
                Route("/knobs/{name}", self._turn, methods=["POST"]),
                Route("/say", self._say, methods=["POST"]),
                Mount("/static", StaticFiles(directory=STATIC)),
            ]
        )

    def _guarded(self, app: Starlette):
        """Every request through the same door: our Host, our key for what changes something."""

        async def door(scope, receive, send):
            if scope["type"] != "http":
                return
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            refusal = self._refusal(scope["method"], headers)
            if refusal:
                await PlainTextResponse(refusal, 403)(scope, receive, send)
                return

            async def send_with_headers(message):
                if message["type"] == "http.response.start":
                    ours = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                    message = {**message, "headers": [*message["headers"], *ours]}
                await send(message)

            await app(scope, receive, send_with_headers)

        return door

    def _refusal(self, method: str, headers: dict[bytes, str]) -> str:
        if headers.get(b"host") not in self._hosts:
            return f"This page is for this laptop alone: open {self.address}\n"
        if method not in ("GET", "HEAD"):
            key = headers.get(_KEY_HEADER.encode(), "")
            if not secrets.compare_digest(key.encode(), self._key.encode()):
                return "The key of this run is missing: reload the page.\n"
        return ""

    async def _index(self, _request: Request) -> Response:
        text = await anyio.Path(STATIC / "index.html").read_text()
        return Response(text.replace("{{key}}", self._key), media_type="text/html")

    async def _events(self, _request: Request) -> Response:
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers=headers)

    async def _stream(self) -> AsyncIterator[str]:
        self.viewers += 1
        version = 0
        try:
            while True:
                if not await self._has_newer(version):
                    yield ": still here\n\n"
                    continue
                version = self._watch.version
                scene = self._watch.scene
                yield f"data: {json.dumps(scene, separators=(',', ':'))}\n\n"
                self.seen_version = version
                if self._is_closing:
                    yield "event: end\ndata: {}\n\n"
                    return
        finally:
            self.viewers -= 1

    async def _has_newer(self, version: int) -> bool:
        """Looked for often: a thread that waits for each viewer would use them up."""
        for _ in range(int(_ALIVE_S / _LOOK_S)):
            if self._watch.version > version:
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    async def _turn(self, request: Request) -> Response:
        body = await _body(request, _MOST_KNOB_BYTES)
        try:
            wanted = json.loads(body or b"{}").get("on", True)
        except (ValueError, AttributeError):
            return _refused("The body is no JSON object.")
        if not isinstance(wanted, bool):
            return _refused("`on` is true or false.")
        name = request.path_params["name"]
        try:
            await asyncio.to_thread(self._knobs.turn, name, wanted)
        except (KnobError, BoardError) as error:
            return _refused(str(error))
        return JSONResponse({"ok": True})

    async def _say(self, request: Request) -> Response:
        room = self._bench.room
        if room is None:
            return _refused("This recorder hears a file: KEEP=1 puts it into a room.")
        try:
            rate_hz = int(request.query_params.get("rate", ""))
        except ValueError:
            rate_hz = 0
        if rate_hz not in _RATES_HZ:
            return _refused("rate is samples a second, 8000 to 192000.")
        room.say(await _body(request, _MOST_SAID_BYTES), rate_hz)
        return JSONResponse({"ok": True})

    async def _audio(self, request: Request) -> Response:
        rid = request.path_params["rid"]
        data, kind = await asyncio.to_thread(self._object, rid)
        if data is None:
            return PlainTextResponse(f"Storage holds nothing for {rid}.\n", 404)
        # Browsers seek with ranges, and refuse to where they are not answered.
        return _ranged(data, kind, request.headers.get("range", ""))

    async def _waveform(self, request: Request) -> Response:
        bars = await asyncio.to_thread(self._bars, request.path_params["rid"])
        if bars is None:
            return PlainTextResponse("There is no audio to draw.\n", 404)
        return JSONResponse(bars)

    def _object(self, rid: str) -> tuple[bytes | None, str]:
        row = next((r for r in self._watch.recordings if r["id"] == rid), None)
        if row is None or row["status"] in ("pending", "streaming"):
            return None, ""
        try:
            return self._kept_object(rid), row["mime_type"] or "audio/flac"
        except CloudError:
            return None, ""

    @functools.lru_cache(maxsize=4)  # noqa: B019  the page lives as long as the run
    def _kept_object(self, rid: str) -> bytes:
        return self._bench.cloud.object_bytes(rid)

    def _bars(self, rid: str) -> list[float] | None:
        """The loudest of each of so many equal parts, 0 to 1."""
        data, _ = self._object(rid)
        if data is None:
            return None
        try:
            samples, _rate_hz = decode(data)
        except AudioError:
            return None
        parts = np.array_split(np.abs(samples.astype(np.int32)), min(_BARS, max(1, len(samples))))
        return [round(float(part.max(initial=0)) / 32768, 3) for part in parts]


async def _body(request: Request, most_bytes: int) -> bytes:
    """At most so much of the body."""
    data = bytearray()
    async for piece in request.stream():
        data += piece[: most_bytes - len(data)]
    return bytes(data)


def _ranged(data: bytes, kind: str, wanted: str) -> Response:
    headers = {"Accept-Ranges": "bytes"}
    first, dash, last = wanted.removeprefix("bytes=").partition("-")
    if not wanted.startswith("bytes=") or not dash or not first.isdecimal():
        return Response(data, media_type=kind, headers=headers)
    start = int(first)
    end = min(int(last) if last.isdecimal() else len(data) - 1, len(data) - 1)
    if start > end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Response(data[start : end + 1], 206, headers, kind)


def _refused(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, 409)
