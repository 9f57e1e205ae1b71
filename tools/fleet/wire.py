"""The net port in memory for many devices: HTTP read off the wire, answered by the cloud model
behind the project's limits. Every exchange takes the time that scenario.py states.
"""

import asyncio

from device.errors import Transient
from tools.fleet.scenario import CONNECT_S, EXCHANGE_S, UPLOAD_S, Project, Scenario
from tools.torture.cloud_model import CloudModel

API_HOST, STORAGE_HOST = "api.bota.test", "s3.bota.test"
START_UNIX_S = 1_795_000_000 // 60 * 60  # minutes of the project begin with those of the run


class Cloud:
    """scenario, and now_s(): virtual seconds since the start."""

    def __init__(self, scenario: Scenario, now_s):
        self.scenario = scenario
        self.now_s = now_s
        self.project = Project(scenario)
        self.model = CloudModel(scenario.seed, STORAGE_HOST)
        self.delivered_s: dict[tuple[str, int], float] = {}  # (device, clip): when

    def is_away(self) -> bool:
        return self.scenario.is_away(self.now_s())

    def answer(self, host: str, method: str, target: str, headers: dict, body: bytes) -> bytes:
        """The answer to one request, as bytes of HTTP."""
        unix_s = START_UNIX_S + int(self.now_s())
        if host == STORAGE_HOST:
            answer = self.model.storage(method, target, headers, body, unix_s)
            return _bytes_of(answer.status, answer.content, [])
        is_url = target.endswith("/upload-url")
        is_served, limit, left, reset_s = self.project.take(self.now_s(), is_url)
        told = [
            ("X-RateLimit-Limit", limit),
            ("X-RateLimit-Remaining", left),
            ("X-RateLimit-Reset", unix_s + reset_s),
        ]
        if not is_served:
            return _bytes_of(429, b'{"error":{"code":"rate_limit_exceeded"}}', told)
        answer = self.model.api(method, target, headers, body, unix_s)
        if target.endswith("/upload-complete") and answer.status == 200:
            recording = self.model.recordings[target.split("/")[-2]]
            at = recording.device, recording.metadata["clip"]
            self.delivered_s.setdefault(at, self.now_s())
        return _bytes_of(answer.status, answer.content, told)


def _bytes_of(status, content, headers) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(content)}"]
    if content:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Net:
    def __init__(self, cloud: Cloud):
        self._cloud = cloud

    async def open(self, host, port, is_tls):
        await asyncio.sleep(CONNECT_S - EXCHANGE_S)
        if self._cloud.is_away():
            raise Transient("connect_failed", "refused")
        return _Connection(self._cloud, host)


class _Connection:
    def __init__(self, cloud, host):
        self._cloud = cloud
        self._host = host
        self._sent = bytearray()
        self._input = bytearray()
        self._arrived = asyncio.Event()
        self._is_lost = False

    async def write(self, data):
        self._check()
        self._sent += data
        head, mark, body = bytes(self._sent).partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        if len(body) < int(headers.get("content-length", 0)):
            return
        self._sent.clear()
        method, target, _ = first.split(" ")
        delay_s = UPLOAD_S if self._host == STORAGE_HOST else EXCHANGE_S
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, self._answer, method, target, headers, body)

    def _answer(self, method, target, headers, body):
        if self._cloud.is_away():
            self._is_lost = True
        else:
            self._input += self._cloud.answer(self._host, method, target, headers, body)
        self._arrived.set()

    def _check(self):
        if self._is_lost or self._cloud.is_away():
            self._is_lost = True
            raise Transient("connection_lost", "errno=104")

    async def readinto(self, out):
        while not self._input:
            self._arrived.clear()
            self._check()
            await self._arrived.wait()
        n = min(len(out), len(self._input))
        out[:n] = self._input[:n]
        del self._input[:n]
        return n

    def has_input(self):
        return bool(self._input or self._is_lost)

    def close(self):
        self._is_lost = True
        self._arrived.set()
