"""Fakes of the ports, and time that moves only when it is told to.

A fake keeps what its port promises (device/hal/ports.py) and no more; faults are put in by the
test. `run(coroutine, time)` is asyncio.run in virtual time: whoever sleeps, the clock jumps, and
if every task waits for ever, or virtual time is over, the test fails instead of hanging.
"""

import asyncio
import math
import os
import selectors

from device import reasons
from device.codec.wav import WavCodec
from device.errors import Transient
from device.log import DEBUG, Log
from device.store.store import ClipStore

T0 = 1772366400  # 2026-03-01T12:00:00Z, as in the field cases


class Time:
    """Stands in for the module `time` inside device.compat."""

    def __init__(self):
        self.seconds = 0.0
        self.ends_s = math.inf  # nobody sleeps beyond it: what should have ended by then did not
        self.runner = None

    def advance(self, ms):
        self.seconds += ms / 1000

    def monotonic_ns(self):
        return round(self.seconds * 1_000_000_000)


class _Jump(selectors.DefaultSelector):
    time = None

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for ever")
            self.time.seconds += max(0, timeout)
            if timeout > 0 and self.time.seconds > self.time.ends_s:
                raise RuntimeError("virtual time is over, and a task still sleeps")
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, time):
        self._virtual = time
        selector = _Jump()
        selector.time = time
        super().__init__(selector)

    def time(self):
        return self._virtual.seconds


def run(coroutine, time):
    """One loop for each Time, so that objects live on from one run to the next."""
    if time.runner is None:
        time.runner = asyncio.Runner(loop_factory=lambda: _Loop(time))
    return time.runner.run(coroutine)


def stop(task):
    """End a task that should still run; if it failed, its error is the test's."""
    if task.done():
        raise AssertionError("it ended with %r" % task.result())
    task.cancel()


async def for_ever():
    await asyncio.Event().wait()


class Request:
    """One request as the server read it."""

    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.method, self.target, _ = lines[0].split(" ")
        self.headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.body = bytes(body)

    def header(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None


class Connection:
    """Connection of the net port; the server's side of it is answer(), end() and reset()."""

    def __init__(self, net, origin):
        self._net = net
        self.origin = origin
        self.sent = bytearray()
        self.taken = 0  # how much of it the server has parsed
        self._input = bytearray()
        self._ended = self._reset = False
        self._arrived = asyncio.Event()
        self.is_open = True
        self.stalls_after = None  # bytes taken from the client before write() hangs

    async def write(self, mv):
        if self._reset or not self.is_open:
            raise Transient("connection_lost", "fake write")
        if self.stalls_after is not None and len(self.sent) + len(mv) > self.stalls_after:
            await for_ever()
        self.sent += mv
        await asyncio.sleep(0)
        self._net.server(self)

    async def readinto(self, mv):
        while not (self._input or self._ended or self._reset):
            self._arrived.clear()
            await self._arrived.wait()
        if self._reset:
            raise Transient("connection_lost", "fake read")
        n = min(len(mv), len(self._input), self._net.piece)
        mv[:n] = self._input[:n]
        del self._input[:n]
        return n

    def has_input(self):
        return bool(self._input or self._ended or self._reset)

    def close(self):
        self.is_open = False

    def answer(self, data):
        self._input += data
        self._arrived.set()

    def end(self):
        self._ended = True
        self._arrived.set()

    def reset(self):
        self._reset = True
        self._arrived.set()

    def next_request(self):
        """A whole request that was not taken yet, or None."""
        text = self.sent[self.taken :]
        head, mark, rest = text.partition(b"\r\n\r\n")
        if not mark:
            return None
        request = Request(head, b"")
        length = int(request.header("Content-Length") or 0)
        if len(rest) < length:
            return None
        self.taken += len(head) + 4 + length
        return Request(head, rest[:length])


class Answers:
    """A server: one entry for each whole request, bytes or a function of the connection."""

    def __init__(self, *answers):
        self.left = list(answers)
        self.requests = []

    def __call__(self, connection):
        request = connection.next_request()
        if request is not None:
            self.requests.append(request)
            answer = self.left.pop(0)
            if callable(answer):
                answer(connection)
            else:
                connection.answer(answer)


def silent(connection):
    """A server that takes everything and says nothing."""


class Net:
    """Net port. open_faults: one entry an open, an exception, "hang" or None."""

    def __init__(self, server, piece=65536):
        self.server = server
        self.piece = piece
        self.connections = []
        self.open_faults = []
        self.most_open = 0

    async def open(self, host, port, tls):
        fault = self.open_faults.pop(0) if self.open_faults else None
        await asyncio.sleep(0)
        if fault == "hang":
            await for_ever()
        if fault:
            raise fault
        connection = Connection(self, (host, port, tls))
        self.connections.append(connection)
        self.most_open = max(self.most_open, len(self.still_open()))
        return connection

    def still_open(self):
        return [connection for connection in self.connections if connection.is_open]


def answer(status=200, body=b"{}", **headers):
    """Bytes of an answer; header names with _ for -. Content-Length unless it is given."""
    lines = ["HTTP/1.1 %d Status" % status]
    headers.setdefault("Content_Length", len(body))
    lines += ["%s: %s" % (k.replace("_", "-"), v) for k, v in headers.items() if v is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Secrets:
    def __init__(self, token="tok_abc", **counters):
        self.values = {"token": token}
        self.counters = counters
        self.version = 1

    def get(self, key):
        return self.values.get(key)

    def set(self, key, text):
        self.values[key] = text
        self.version += 1

    def counter(self, key):
        return self.counters.get(key, 0)

    def raise_counter(self, key, value):
        self.counters[key] = max(value, self.counter(key))


class ClockPort:
    def __init__(self, build_unix_s=T0 - 86400):
        self.build_unix_s = build_unix_s
        self.set_to = []
        self.set_rtc = self.set_to.append


class Storage:
    """Storage port over a real folder; room and block size are what the test says."""

    def __init__(self, folder, block_bytes=4096):
        self.root = str(folder)
        self.block_bytes = block_bytes
        self.free = 64 * 1024 * 1024

    def block_fill_bytes(self, index):
        return self.block_bytes

    def free_bytes(self):
        return self.free

    def total_bytes(self):
        return 64 * 1024 * 1024


def make_log():
    """(Log, its lines)."""
    lines = []
    return Log(lines.append, DEBUG), lines


def make_store(folder, secrets=None):
    store = ClipStore(Storage(folder), secrets or Secrets())
    store.prepare()
    return store


def pcm(samples, start=0):
    """Samples that differ from place to place: a count, 16 bits."""
    return b"".join((n & 0xFFFF).to_bytes(2, "little") for n in range(start, start + samples))


def add_clip(store, samples=16000, rate_hz=16000, **record):
    """A closed clip made the way the recorder makes it."""
    codec = WavCodec(rate_hz)
    out = memoryview(bytearray(64))
    facts = {"codec": "wav", "hz": rate_hz, "take": 0, "index": 0, "first": 0, "boot": 1}
    facts.update({"up": 1000, "epoch": 0}, **record)
    clip, writer = store.open(facts)
    writer.write_header(out[: codec.write_header(out)])
    writer.write(memoryview(pcm(samples)), samples)
    store.close(clip, writer, samples=samples, facts=[], last=1)
    return clip


def codes(table):
    """The codes of a table of device.reasons, with what would end each."""
    return {code: reasons.ends_when(table, code) for code in table.split()}


def tree(folder):
    """Every file and folder below folder, relative, sorted."""
    found = []
    for path, folders, names in os.walk(folder):
        inner = os.path.relpath(path, folder)
        found += [os.path.normpath(os.path.join(inner, name)) for name in folders + names]
    return sorted(found)


def failing_open(number, times=1, match="", mode="w"):
    """An open() whose files fail to be opened for `mode` while times lasts (-1: for ever)."""
    state = {"left": times, "seen": []}

    def opener(path, how="r", *rest):
        if match in path and mode in how and state["left"]:
            state["left"] -= 1
            state["seen"].append(path)
            raise OSError(number, "fake")
        return open(path, how, *rest)

    opener.state = state
    return opener
