"""The net port in memory: bytes of HTTP to the cloud model and back, with the weather in between.

What a real network costs is paid in virtual time (costs.py). Every request is written into the
history as it was read off the wire, before the model answers it.
"""

import hashlib
import json
import struct

from device.errors import NeedsOperator, Transient
from tools.torture import costs

API_HOST, STORAGE_HOST, NTP_HOST = "api.bota.test", "s3.bota.test", "ntp.bota.test"
_NTP_TO_UNIX_S = 2208988800
_PAGE = b"<html><body>Welcome to our network</body></html>"
_NAMES = {200: "OK", 201: "Created"}


class Net:
    """world: world.World (time, weather, history, model)."""

    def __init__(self, world):
        self._world = world
        self._open = []

    def _open_requests(self):
        for connection in self._open:
            if connection.is_busy():
                return True
        return False

    async def open(self, host, port, is_tls):
        world = self._world
        await self._way(host)
        await world.pause(costs.ROUND_TRIP)
        if not self.is_up():  # it went off meanwhile
            raise Transient("link_down")
        if world.sky.state["outage"] == "refuse":
            raise Transient("connect_failed", "refused")
        connection = self.connection(host, is_tls)
        self._open.append(connection)
        world.add_most("sockets", len(self._open))
        return connection

    def connection(self, host, is_tls):
        return Connection(self, self._world, host, is_tls)

    def is_up(self):
        return self._world.wifi.is_up()

    async def _way(self, host):
        if not self.is_up():
            raise Transient("link_down")
        await self.look_up(host)

    async def look_up(self, host):
        world = self._world
        if world.sky.state["dns"]:
            await world.pause(costs.DNS_FAILURE)
            raise Transient("dns_failed", host)
        await world.pause(costs.DNS)

    async def exchange_datagram(self, host, port, data, size):
        world = self._world
        await self._way(host)
        if world.sky.state["ntp"] == "silent" or world.sky.state["portal"]:
            await world.pause(2_000)
            raise Transient("timeout", "datagram")
        await world.pause(costs.ROUND_TRIP)
        told_s = world.unix_ms() / 1000 + world.sky.state["ntp_step_s"]
        seconds = int(told_s) + _NTP_TO_UNIX_S
        fraction = int((told_s % 1) * (1 << 32))
        stamp = struct.pack(">II", seconds & 0xFFFFFFFF, fraction)
        return b"\x24\x02\0\0" + bytes(20) + data[40:48] + stamp + stamp

    def drop_all(self):
        """The radio went off: what was open gives nothing any more, and takes nothing."""
        for connection in list(self._open):
            connection.die()

    def forget(self, connection):
        if connection in self._open:
            self._open.remove(connection)


class Connection:
    def __init__(self, net, world, host, is_tls):
        self._net = net
        self._world = world
        self._host = host
        self._is_tls = is_tls
        self._is_fresh = is_tls
        self._sent = bytearray()
        self._head = None
        self._input = bytearray()
        self._waiting = None
        self._dead = self._ended = self._silent = False
        self._asked = 0  # the request that was sent and not answered
        self.is_open = True

    async def write(self, data):
        if self._is_fresh:
            await self._shake_hands()
        self._check()
        size = len(data)
        while size > 0:  # a window, a round trip
            await self._world.pause(costs.ROUND_TRIP)
            self._check()
            size -= costs.WINDOW_BYTES
        if self._silent:
            return
        self._sent += data
        self._look_for_request()

    async def _shake_hands(self):
        world = self._world
        self._is_fresh = False
        for _ in range(costs.HANDSHAKE // costs.HANDSHAKE_STEP):
            await world.pause(costs.ROUND_TRIP)
            self._check()
            world.stall(costs.HANDSHAKE_STEP)
        if world.sky.state["portal"]:
            raise NeedsOperator("tls_untrusted", "write")
        if world.sky.state["outage"] == "black_hole":
            self._silent = True

    def _check(self):
        if self._dead or not self.is_open:
            raise Transient("connection_lost", "write errno=104")

    async def readinto(self, out):
        if self._is_fresh:
            await self._shake_hands()
        while not self._input:
            if self._dead or not self.is_open:
                raise Transient("connection_lost", "read errno=104")
            if self._ended:
                return 0
            self._waiting = self._world.loop.create_future()
            await self._waiting
        n = min(len(out), len(self._input))
        out[:n] = self._input[:n]
        del self._input[:n]
        return n

    def has_input(self):
        return bool(self._input or self._dead or self._ended or not self.is_open)

    def is_busy(self):
        return bool(self._asked or self._sent or self._is_fresh)

    def close(self):
        if self._asked and self.is_open:
            self._world.add("answer", id=self._asked, status=0, code="")
        self.is_open = False
        self._wake()
        self._net.forget(self)

    def die(self):
        self._dead = True
        self._wake()

    def _wake(self):
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _give(self, data, ends):
        self._input += data
        self._ended = self._ended or ends
        self._wake()

    def _look_for_request(self):
        if self._head is None:
            end = self._sent.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = self._sent[:end].decode().split("\r\n")
            method, target, _ = first.split(" ")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            self._head = (method, target, headers, end + 4, int(headers.get("content-length", 0)))
        method, target, headers, start, length = self._head
        if len(self._sent) - start < length:
            self._world.sky.of_body(self)
            return
        body = bytes(self._sent[start : start + length])
        self._sent = bytearray()
        self._head = None
        self._exchange(method, target, headers, body)

    def _exchange(self, method, target, headers, body):
        world, model = self._world, self._world.model
        number = self._asked = world.next_request()
        is_api = self._host == API_HOST
        route, rid = route_of(is_api, method, target)
        if not is_api:
            rid = model.rid_of(target)
        clip = world.clip_of(rid)
        if route == "create":
            clip = _clip_named(body)
        world.add(
            "request",
            id=number,
            route=route,
            host=self._host,
            tls=self._is_tls,
            bearer="authorization" in headers,
            rid=rid,
            clip=clip,
            key=headers.get("idempotency-key"),
            body=hashlib.sha256(body).hexdigest()[:16],
        )
        world.texts_of_request(route, target if is_api else target.partition("?")[0], body)
        world.step("request sent")
        fault = world.sky.of_request(route)
        if fault.get("before"):
            self._refuse(number, fault)
            return
        now_s = world.unix_ms() // 1000
        if is_api:
            answer = model.api(method, target, headers, body, now_s)
        elif fault.get("refuse"):
            answer = model.refuse(*fault["refuse"])
        else:
            stored = _damaged(body) if fault.get("corrupt") else body
            answer = model.storage(method, target, headers, stored, now_s)
        if route == "create" and answer.status == 201:
            rid = answer.value["id"]
        recording = model.recordings.get(rid)
        stored = model.object_of(recording) if recording else None
        world.add(
            "commit",
            id=number,
            route=route,
            rid=rid,
            clip=clip,
            status=answer.status,
            code=answer.code,
            sha=world.audio.digest(stored) if stored is not None else None,
            size=len(stored or b""),
        )
        world.step("request committed")
        if fault.get("after"):
            self._refuse(number, fault)
            return
        self._answer(number, route, answer, fault)

    def _refuse(self, number, fault):
        """In place of the cloud's answer: nothing at all, the end, or what a proxy says."""
        world = self._world
        kind = fault["kind"]
        if kind == "silence":
            return
        if kind == "reset":
            world.loop.call_at_ms(world.now_ms + costs.ROUND_TRIP, self.die)
            return
        data = _head_of(fault["status"], fault.get("headers", ()), len(_PAGE), "text/html") + _PAGE
        if fault.get("is_json"):
            body = json.dumps({"error": {"code": fault["code"]}}).encode()
            headers = fault.get("headers", ())
            data = _head_of(fault["status"], headers, len(body), "application/json") + body
        asked_s = dict(fault.get("headers", ())).get("Retry-After")
        self._later(number, data, fault["status"], fault.get("code", ""), False, asked_s)

    def _answer(self, number, route, answer, fault):
        status, content = answer.status, answer.content
        date = self._world.http_date()
        kind = "application/json" if answer.is_json else None
        ends = fault.get("kind") == "close"
        headers = [("Date", date)] + ([("Connection", "close")] if ends else [])
        if fault.get("kind") == "other_id" and answer.value and "id" in answer.value:
            content = json.dumps({**answer.value, "id": "rec_ffffffffffffffff"}).encode()
        data = _head_of(status, headers, len(content), kind) + content
        if fault.get("kind") == "truncated":
            data, ends = data[: -1 - len(data) // 3], True
            status = 0
        self._later(number, data, status, answer.code, ends)

    def _later(self, number, data, status, code, ends, retry_after_s=None):
        world = self._world

        def arrive():
            if self._dead or not self.is_open:
                return
            world.add("answer", id=number, status=status, code=code, retry_after_s=retry_after_s)
            self._asked = 0
            self._give(data, ends)
            world.step("answer arrived")

        delay_ms = costs.ROUND_TRIP + costs.SERVER + world.sky.state["slow_ms"]
        world.loop.call_at_ms(world.now_ms + delay_ms, arrive)


def _head_of(status, headers, length, content_type):
    lines = ["HTTP/1.1 %d %s" % (status, _NAMES.get(status, "Other"))]
    lines += [f"{name}: {value}" for name, value in headers]
    if content_type:
        lines.append("Content-Type: " + content_type)
    lines.append("Content-Length: %d" % length)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def route_of(is_api, method, target):
    """(route, recording id or None) of a request."""
    if not is_api:
        return "put", None
    parts = target.split("/")
    if parts[-1] == "recordings":
        return "create", None
    if parts[-1] == "heartbeat":
        return "heartbeat", None
    if parts[-3:-2] == ["chunks"]:
        return "chunk_url", parts[-4]
    if parts[-1] == "finalize":
        return "finalize", parts[-2]
    names = {"upload-url": "url", "upload-complete": "complete"}
    return names.get(parts[-1], "other"), parts[-2]


def _clip_named(body):
    try:
        return int(json.loads(body)["metadata"]["clip"])
    except (ValueError, KeyError, TypeError):
        return 0


def _damaged(body):
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 0x20]) + body[at + 1 :] if body else body
