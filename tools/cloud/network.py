"""The network thread: one event loop that carries fronts, API server and clock server."""

import asyncio
import concurrent.futures
import socket
import threading
from collections.abc import Coroutine
from typing import Any

import uvicorn
from starlette.applications import Starlette

from tools.cloud.errors import CloudError

_LOOPBACK = "127.0.0.1"
_CALL_S = 15.0


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="cloud", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any], timeout_s: float = _CALL_S) -> Any:
        """Run a coroutine in the loop and wait for its result. Not for use in the loop itself."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise CloudError(f"The simulated cloud did not react for {timeout_s:.0f} s.") from None

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class _Server(uvicorn.Server):
    """uvicorn's server that also says when it is ready."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()


class ApiServer:
    """uvicorn on a loopback port, plain HTTP; only fronts speak to it."""

    def __init__(self, app: Starlette):
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task | None = None

    async def start(self, listener: socket.socket) -> None:
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.is_listening.wait()

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving


def bind(port: int, what: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket bound on loopback, listening if it is TCP; port 0 lets the system choose.

    Raises CloudError, one sentence, when the port cannot be had.
    """
    # asyncio turns Nagle's delay off only where the protocol is named: else 40 ms an answer.
    protocol = socket.IPPROTO_TCP if kind is socket.SOCK_STREAM else socket.IPPROTO_UDP
    sock = socket.socket(socket.AF_INET, kind, protocol)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((_LOOPBACK, port))
        if kind is socket.SOCK_STREAM:
            sock.listen(128)
    except OSError as error:
        sock.close()
        raise CloudError(
            f"Port {port} for the {what} cannot be used ({error.strerror}): "
            "stop what holds it, or choose another."
        ) from None
    return sock
