"""The simulated cloud as one object: everything it starts, it stops.

    with Cloud.start(folder) as cloud:
        device_id, token = cloud.register_recorder("REC-0001")

The way of a request:  recorder --TLS--> front --> API (Starlette) --> SQLite, object store
                       recorder --TLS--> front --> object store (Swift)
Everything listens on loopback only. State stays in `folder`: a cloud started there again knows its
devices and recordings, and presents certificates of the same authority.
"""

import contextlib
import pathlib
import socket

import httpx

from tools.cloud.api import auth
from tools.cloud.api.app import build_app
from tools.cloud.api.call import GENERATIONS, Services
from tools.cloud.api.ratelimit import RateLimiter
from tools.cloud.ca import Authority
from tools.cloud.client import loopback_client
from tools.cloud.db import Database
from tools.cloud.errors import CloudError
from tools.cloud.faults import FaultTable
from tools.cloud.front import Front
from tools.cloud.network import ApiServer, LoopThread, bind
from tools.cloud.ntp import NtpServer
from tools.cloud.storage import Endpoint, ObjectStore
from tools.cloud.swift import SwiftServer
from tools.cloud.switches import Switches
from tools.cloud.transcriber import Transcriber
from tools.cloud.wirelog import WireLog

_PROJECT = "proj_sim"
_NTP_HOST = "ntp.bota.test"


class Cloud:
    """A running cloud; made by start() only. Public attributes:

    api_origin, storage_origin   https://name:port, as recorders see them
    ntp_address                  (ip, UDP port)
    hosts                        name -> address, the name table for recorders
    ca_der, ca_pem               the root certificate
    operator_key                 a secret API key
    log, faults, switches, ntp   WireLog, FaultTable, Switches, NtpServer
    """

    def __init__(self, stack: contextlib.ExitStack):
        self._stack = stack

    @classmethod
    def start(
        cls,
        folder: pathlib.Path,
        *,
        generation: str = "s",
        api_host: str = "api.bota.test",
        storage_host: str = "s3.bota.test",
        storage_endpoint: Endpoint | str | None = None,
        api_port: int = 0,
        storage_port: int = 0,
        ntp_port: int = 0,
        url_life_s: int = 3600,
        rate_limits: bool = True,
    ) -> "Cloud":
        """Start everything and return when it answers, about a second later.

        `storage_endpoint`: an S3 server to use in place of Swift (as a URL: keys and bucket come
        from the environment, see storage.Endpoint). Ports 0 are chosen by the system. Raises
        CloudError with one sentence; then nothing is left running.
        """
        if generation not in GENERATIONS:
            raise CloudError(f"There is no generation {generation!r}: use one of {GENERATIONS}.")
        with contextlib.ExitStack() as stack:
            cloud = cls(stack)
            cloud.switches = Switches(url_life_s=url_life_s, rate_limits=rate_limits)
            # Ports first: one that is taken should be told at once, before anything is running.
            listeners = cloud._bind(api_port, storage_port, ntp_port)
            cloud._name(listeners, api_host, storage_host)
            cloud._open(folder, storage_endpoint, generation)
            cloud._serve(listeners, api_host, storage_host, generation)
            cloud._stack = stack.pop_all()
        return cloud

    def _bind(self, api_port: int, storage_port: int, ntp_port: int) -> dict[str, socket.socket]:
        wanted = {
            "api": (api_port, "API"),
            "storage": (storage_port, "storage"),
            "operator": (0, "operator"),
            "plain": (0, "API behind its front"),
            "ntp": (ntp_port, "clock server", socket.SOCK_DGRAM),
        }
        return {
            name: self._stack.enter_context(bind(*details)) for name, details in wanted.items()
        }

    def _name(self, listeners: dict[str, socket.socket], api_host: str, storage_host: str) -> None:
        self.api_origin = _origin(api_host, listeners["api"])
        self.storage_origin = _origin(storage_host, listeners["storage"])
        self._operator_origin = _origin(api_host, listeners["operator"])
        self.plain_api_address = listeners["plain"].getsockname()
        self.ntp_address = listeners["ntp"].getsockname()
        self.hosts = dict.fromkeys((api_host, storage_host, _NTP_HOST), "127.0.0.1")

    def _open(self, folder: pathlib.Path, storage: Endpoint | str | None, generation: str) -> None:
        """Everything that holds state: certificates, log, objects, database, worker."""
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = Authority(folder)
        self.ca_der, self.ca_pem = self._authority.der, self._authority.pem
        self.faults = FaultTable()
        self.log = WireLog(folder / "wire.jsonl")
        self._stack.callback(self.log.close)
        self._endpoint = self._storage_endpoint(folder, storage)
        if self._endpoint.url.startswith("https://"):
            # A server with TLS of its own: recorders go there themselves, past our front.
            self.storage_origin = self._endpoint.url.rstrip("/")
        self._store = ObjectStore(self._endpoint, self.storage_origin)
        self._store.ensure_bucket()
        self._db = Database(folder / "cloud.sqlite")
        self._stack.callback(self._db.close)
        self.operator_key = auth.issue_key(self._db)
        self._transcriber = Transcriber(self._db, self._store, follows_recording=generation != "s")
        self._transcriber.start()
        self._stack.callback(self._transcriber.stop)

    def _serve(
        self,
        listeners: dict[str, socket.socket],
        api_host: str,
        storage_host: str,
        generation: str,
    ) -> None:
        """Everything that listens, in the network thread."""
        self._thread = LoopThread()
        self._stack.callback(self._thread.stop)
        submit = self._transcriber.submit
        services = Services(self._db, self._store, self.switches, generation, _PROJECT, submit)
        self._limiter = RateLimiter(self._db, self.switches)
        self._run(ApiServer(build_app(services, self._limiter)), listeners["plain"])
        self.ntp = NtpServer()
        self._thread.call(self.ntp.start(listeners["ntp"]))
        common = (self._authority, self.log, self.switches)
        self._fronts = {
            "api": Front("api", api_host, *common, self.faults),
            "storage": Front("storage", storage_host, *common, self.faults),
            "operator": Front("operator", api_host, *common),
        }
        for name, front in self._fronts.items():
            behind = _address(self._endpoint.url) if name == "storage" else self.plain_api_address
            self._run(front, listeners[name], behind)

    def _run(self, server: ApiServer | Front, *arguments) -> None:
        self._thread.call(server.start(*arguments))
        self._stack.callback(lambda: self._thread.call(server.stop()))

    def _storage_endpoint(self, folder: pathlib.Path, wanted: Endpoint | str | None) -> Endpoint:
        if isinstance(wanted, str):
            return Endpoint.from_environment(wanted)
        if wanted is not None:
            return wanted
        swift = SwiftServer.start(folder / "swift")
        self._stack.callback(swift.stop)
        return swift.endpoint

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *_details) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all that was started, newest first. May be called again."""
        self._stack.close()

    def operator(self) -> httpx.Client:
        """The operator's client, base URL …/v1. It has a door of its own to the API, which knows
        neither faults nor bad certificates. The caller closes it."""
        return loopback_client(self._operator_origin + "/v1", self.ca_pem, self.operator_key)

    def client(self, bearer: str | None = None) -> httpx.Client:
        """A client that goes where recorders go; without bearer also fit for pre-signed URLs."""
        return loopback_client(self.api_origin + "/v1", self.ca_pem, bearer)

    def restricted_key(self, *scopes: str) -> str:
        """A new API key that may do only what `scopes` (auth.SCOPES) say."""
        return auth.issue_key(self._db, list(scopes))

    def revoke_token(self, device_id: str) -> None:
        """Kill a device's token and leave its binding. (Unbinding over the API kills it too.)"""
        self._db.update("devices", device_id, token_hash=None)

    def renew_token(self, device_id: str) -> str:
        """Bind a device anew to whom it belongs; its new token, the old one is void."""
        row = self._db.one("SELECT end_user_id FROM devices WHERE id = ?", device_id)
        with self.operator() as operator:
            operator.post(f"/devices/{device_id}/unbind").raise_for_status()
            body = {"end_user_id": row["end_user_id"]}
            answer = operator.post(f"/devices/{device_id}/bind", json=body)
            return answer.raise_for_status().json()["device_token"]

    def register_recorder(
        self, serial_number: str, end_user: str = "Test user"
    ) -> tuple[str, str]:
        """Register a device, make an end user, bind them: (device_id, device_token)."""
        with self.operator() as operator:
            device_id = _created(operator.post("/devices", json={"serial_number": serial_number}))
            end_user_id = _created(operator.post("/end-users", json={"name": end_user}))
            answer = operator.post(f"/devices/{device_id}/bind", json={"end_user_id": end_user_id})
            return device_id, answer.raise_for_status().json()["device_token"]

    def object_bytes(self, recording_id: str) -> bytes:
        """What storage really holds for a recording, newest file. Raises CloudError if nothing."""
        for key in self.object_keys(recording_id):
            if self._store.exists(key):
                return b"".join(self._store.pieces(key))
        raise CloudError(f"Storage holds nothing for {recording_id}.")

    def object_keys(self, recording_id: str) -> list[str]:
        """The keys of all files ever announced for a recording, newest first."""
        sql = "SELECT object_key FROM media WHERE recording_id = ? ORDER BY rowid DESC"
        return [row["object_key"] for row in self._db.all(sql, recording_id)]

    def chunk_keys(self, recording_id: str) -> list[str]:
        """The keys of a recording's chunks in order; none for what came as a whole file."""
        sql = "SELECT object_key FROM chunks WHERE stream_id = ? ORDER BY number"
        return [row["object_key"] for row in self._db.all(sql, recording_id)]

    def use_certificate(self, origin: str, case: str) -> None:
        """Present a certificate of ca.CASES at "api" or "storage" from now on; open connections
        are closed."""
        if origin not in ("api", "storage"):
            raise CloudError(f"There is no front called {origin!r}: use 'api' or 'storage'.")
        self._thread.call(self._fronts[origin].use_certificate(case))

    def drop_connections(self, origin: str) -> None:
        """Close every open connection of a front, as a server that restarts does."""
        self._thread.call(self._fronts[origin].drop_connections())

    def reset(self) -> None:
        """Back to good: no faults, switches as started, budgets full, right certificates."""
        self.faults.clear()
        self.switches.reset()
        self._limiter.reset()
        self.ntp.offset_s, self.ntp.silent, self.ntp.kiss_of_death = 0.0, False, False
        for origin in ("api", "storage"):
            if self._fronts[origin].case != "good":
                self.use_certificate(origin, "good")


def _created(answer: httpx.Response) -> str:
    return answer.raise_for_status().json()["id"]


def _origin(host: str, listener: socket.socket) -> str:
    return f"https://{host}:{listener.getsockname()[1]}"


def _address(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    return parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80)
