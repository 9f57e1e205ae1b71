"""A TLS front: ends TLS before one plain HTTP service, logs all of it, and acts out the faults.

One front stands before the API and one before storage (and a third before the API for the
operator, whose view must stay when recorders see faults). Each request is carried over a fresh
loopback connection to the service: only the front decides how long a client's connection lives.
"""

import asyncio
import socket
import ssl

import h11

from tools.cloud.ca import Authority
from tools.cloud.exchange import ClientGone, Exchange
from tools.cloud.faults import FaultTable
from tools.cloud.switches import Switches
from tools.cloud.wire import Wire
from tools.cloud.wirelog import Connection, WireLog

_HANDSHAKE_S = 10.0
_GOODBYE_S = 0.3  # a client that sleeps does not answer the end of TLS
_STREAM_LIMIT_BYTES = 64 * 1024


class Front:
    """Lives in one event loop: call everything but the constructor there."""

    def __init__(
        self,
        origin: str,
        host: str,
        authority: Authority,
        log: WireLog,
        switches: Switches,
        faults: FaultTable | None = None,
    ):
        self._origin = origin
        self._host = host
        self._authority = authority
        self._log = log
        self._switches = switches
        self._faults = faults
        self._service: tuple[str, int] | None = None
        self.case = "good"  # of ca.CASES: what new connections are shown
        self._context = authority.server_context(host)
        self._accepting: asyncio.Task | None = None
        self._serving: set[asyncio.Task] = set()

    async def start(self, listener: socket.socket, service: tuple[str, int]) -> None:
        """Accept connections from `listener` (which this front now owns) for `service`."""
        listener.setblocking(False)
        self._service = service
        self._accepting = asyncio.create_task(self._accept(listener))

    async def stop(self) -> None:
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        await self.drop_connections()

    async def use_certificate(self, case: str) -> None:
        """Present another of ca.CASES to new connections, and close those that are open."""
        self._context = self._authority.server_context(self._host, case)
        self.case = case
        await self.drop_connections()

    async def drop_connections(self) -> None:
        tasks = list(self._serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                sock, _address = await loop.sock_accept(listener)
                connection = self._log.open_connection(self._origin, self.case)
                task = asyncio.create_task(self._serve(sock, connection))
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)

    async def _serve(self, sock: socket.socket, connection: Connection) -> None:
        closed_by = "server"  # also when we are cancelled
        try:
            client = await self._shake_hands(sock, connection)
            if client is None:
                closed_by = "client"
                return
            try:
                closed_by = await self._converse(client, connection)
            finally:
                self._log.update(connection, wire_bytes=client.wire_bytes())
                await client.close()
        finally:
            self._log.end(connection, closed_by=closed_by, closed_s=self._log.now_s())

    async def _shake_hands(self, sock: socket.socket, connection: Connection) -> Wire | None:
        """The client's side with TLS established, or None; the log says which."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_STREAM_LIMIT_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _protocol = await loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError as error:
            self._log.update(connection, tls=_reason(error))
            return None
        except asyncio.CancelledError:
            self._log.update(connection, tls="interrupted")
            raise
        self._log.update(connection, tls="ok")
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return Wire(h11.SERVER, reader, writer)

    async def _converse(self, client: Wire, connection: Connection) -> str:
        """Serve requests until somebody closes; says who: "client" or "server"."""
        try:
            while True:
                async with asyncio.timeout(self._switches.keep_alive_s):
                    request = await client.receive()
                if not isinstance(request, h11.Request):
                    return "client"
                exchange = Exchange(client, request, connection, self._log, self._switches)
                fault = self._faults.take(exchange.route) if self._faults else None
                if not await exchange.run(self._connect, fault):
                    return "client" if exchange.client_asked_to_close else "server"
                client.http.start_next_cycle()
        except TimeoutError:
            return "server"
        except ssl.SSLError as error:
            # In TLS 1.3 a client refuses our certificate after our side of the handshake is done.
            if connection.requests == 0:
                self._log.update(connection, tls=_reason(error))
            return "client"
        except (ClientGone, OSError):
            return "client"
        except (h11.RemoteProtocolError, h11.LocalProtocolError):  # local: no Host, in HTTP/1.0
            return await _answer_bad_request(client)

    async def _connect(self) -> Wire:
        reader, writer = await asyncio.open_connection(*self._service, limit=_STREAM_LIMIT_BYTES)
        return Wire(h11.CLIENT, reader, writer)


async def _answer_bad_request(client: Wire) -> str:
    """Answer what cannot be parsed; an end in the middle of a head is the client's own."""
    if client.http.trailing_data[1]:
        return "client"
    if client.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        headers = [("Content-Length", "0"), ("Connection", "close")]
        try:
            await client.send(h11.Response(status_code=400, headers=headers))
            await client.send(h11.EndOfMessage())
        except OSError:
            return "client"
    return "server"


def _reason(error: OSError) -> str:
    """Why a handshake failed, in the words of TLS where it has some."""
    return getattr(error, "reason", None) or type(error).__name__
