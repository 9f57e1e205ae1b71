"""Every wait of the client ends, and nothing stays open behind it (field cases B19, B35)."""

import asyncio

import fakes
import pytest
from fakes import Answers, answer

from device.errors import DeviceError, Transient
from device.http.client import HttpClient
from device.http.guard import Guard

API = "https://api.example/v1/recordings"


class Body:
    length = 200_000

    def __init__(self, fault=None, fault_at=50_000):
        self._fault = fault
        self._fault_at = fault_at

    def rewind(self):
        self._offset = 0

    def readinto(self, out):
        if self._fault is not None and self._offset >= self._fault_at:
            if isinstance(self._fault, Exception):
                raise self._fault
            return 0
        n = min(len(out), self.length - self._offset)
        self._offset += n
        return n


def client(net):
    return HttpClient(net, memoryview(bytearray(4096)), [bytearray(1024), bytearray(1024)])


def stall_after(count):
    def server(connection):
        connection.stalls_after = count

    return server


def say(data, then=None):
    def handler(connection):
        connection.answer(data)
        if then:
            getattr(connection, then)()

    return handler


def drip(connection):
    async def one_byte_each_20_s():
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
            await asyncio.sleep(20)
            connection.answer(bytes([byte]))

    connection.task = asyncio.get_running_loop().create_task(one_byte_each_20_s())


QUIET = {
    "connect never ends": (None, ["hang"], 15, "connect"),
    "silent after the request": (Answers(fakes.silent), [], 90, "answer"),
    "stops in the head": (Answers(say(b"HTTP/1.1 200 OK\r\nContent-Le")), [], 90, "answer"),
    "stops in the body": (
        Answers(say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")),
        [],
        90,
        "answer",
    ),
    "stops in a chunk": (
        Answers(say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{")),
        [],
        90,
        "answer",
    ),
    "stops reading": (stall_after(65536), [], 30, "send"),
    "handshake never ends": (fakes.silent, [], 30, "handshake"),
    "drips one byte each 20 s": (Answers(drip), [], 90, "answer"),
}


@pytest.mark.parametrize("name", QUIET)
def test_every_silence_ends_by_a_limit(time, name):
    server, open_faults, within_s, what = QUIET[name]
    net = fakes.Net(server)
    net.open_faults = list(open_faults)
    if what == "handshake":

        class Shaking(fakes.Connection):
            async def write(self, mv):
                await fakes.for_ever()

        async def open(host, port, tls):
            net.connections.append(Shaking(net, (host, port, tls)))
            return net.connections[-1]

        net.open = open
    http = client(net)
    with pytest.raises(Transient) as error:
        fakes.run(http.request("PUT", API, [], Body()), time)
    assert (error.value.code, error.value.detail) == ("timeout", what)
    assert within_s - 31 < time.seconds <= within_s
    assert not net.still_open()


def test_a_whole_answer_is_used_at_once_though_the_connection_stays_open(time):
    net = fakes.Net(Answers(answer()))
    assert fakes.run(client(net).request("POST", API, [], b"x"), time).status_code == 200
    assert time.seconds < 1


def test_a_slow_body_that_makes_progress_is_not_cut(time):
    class Slow(fakes.Connection):
        async def write(self, mv):
            await asyncio.sleep(25)
            await super().write(mv)

    server = Answers(answer())
    net = fakes.Net(server)

    async def open(host, port, tls):
        return Slow(net, (host, port, tls))

    net.open = open
    fakes.run(client(net).request("PUT", API, [], Body()), time)
    assert len(server.requests[0].body) == 200_000 and time.seconds > 1000


FAILURES = {
    "dns": ([Transient("dns_failed")], fakes.silent, Body()),
    "connect refused": ([Transient("connect_failed")], fakes.silent, Body()),
    "connect hangs": (["hang"], fakes.silent, Body()),
    "no memory": ([Transient("low_memory")], fakes.silent, Body()),
    "send stalls": ([], stall_after(65536), Body()),
    "send is reset": ([], lambda c: len(c.sent) > 30_000 and c.reset(), Body()),
    "source ends early": ([], fakes.silent, Body(0)),
    "source fails": ([], fakes.silent, Body(OSError(5))),
    "no answer": ([], fakes.silent, Body()),
    "closed without an answer": ([], lambda c: c.next_request() and c.end(), Body()),
    "half an answer": ([], lambda c: c.next_request() and say(b"HTTP/1.1 2", "end")(c), Body()),
    "no HTTP": ([], lambda c: c.next_request() and say(b"220 smtp\r\n\r\n")(c), Body()),
}


def test_fifty_failures_of_every_kind_leave_nothing_open(time):
    net = fakes.Net(None)
    http = client(net)

    async def main():
        endings = set()
        for round in range(5):
            for name, (faults, server, body) in FAILURES.items():
                net.open_faults, net.server = list(faults), server
                try:
                    await http.request("PUT", API, [], body)
                    raise AssertionError("it succeeded: " + name)
                except (DeviceError, OSError) as e:
                    endings.add(getattr(e, "code", "OSError"))
                assert not net.still_open(), (round, name)
        net.server = Answers(answer())
        assert (await http.request("PUT", API, [], Body())).status_code == 200
        await asyncio.sleep(0.001)
        assert len(asyncio.all_tasks()) == 1, "no watcher is left"
        return endings

    endings = fakes.run(main(), time)
    assert net.most_open == 1
    wanted = {"dns_failed", "connect_failed", "low_memory", "timeout", "connection_lost"}
    assert endings == wanted | {"damaged", "OSError", "bad_answer"}


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_cancelled_from_outside_at_any_step_leaves_nothing_open(time, steps):
    net = fakes.Net(Answers(answer(), answer()))
    http = client(net)

    async def main():
        task = asyncio.create_task(http.request("PUT", API, [], Body()))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not net.still_open()
        net.server = Answers(answer())
        assert (await http.request("POST", API, [], b"x")).status_code == 200, "not locked"
        await asyncio.sleep(0.001)
        assert len(asyncio.all_tasks()) == 1

    fakes.run(main(), time)


def test_the_link_goes_down_in_the_middle(time):
    net = fakes.Net(fakes.silent)
    http = client(net)

    async def main():
        task = asyncio.create_task(http.request("PUT", API, [], Body()))
        await asyncio.sleep(1)
        http.close()
        assert not net.still_open()
        with pytest.raises(Transient):
            await task
        net.server = Answers(answer(), answer())
        for url in (API, "https://other.example/"):
            await http.request("POST", url, [], b"x")  # both buffers are back
        assert net.most_open == 2

    fakes.run(main(), time)


def guarded(time, awaitable, limit_ms=100):
    async def main():
        guard = Guard()
        return await guard.run(awaitable(guard), limit_ms, "first")

    return fakes.run(main(), time)


def test_guard_done_and_failed_by_itself(time):
    async def done(guard):
        await asyncio.sleep(0.05)
        return 7

    async def failed(guard):
        raise Transient("bad_answer")

    assert guarded(time, done) == 7
    with pytest.raises(Transient) as error:
        guarded(time, failed)
    assert error.value.code == "bad_answer"


def test_guard_names_the_step_that_was_late(time):
    async def two_steps(guard):
        await asyncio.sleep(0.09)
        guard.arm(1_000, "second")
        await asyncio.sleep(5)

    with pytest.raises(Transient) as error:
        guarded(time, two_steps)
    assert error.value.detail == "second" and 1.08 < time.seconds < 1.2


def test_guard_across_the_wrap_of_the_ticks(time):
    time.seconds = ((1 << 30) - 50) / 1000

    async def slow(guard):
        await asyncio.sleep(0.09)
        guard.arm(100, "second")
        await asyncio.sleep(0.09)
        return "done"

    assert guarded(time, slow) == "done"
    with pytest.raises(Transient):
        guarded(time, lambda guard: fakes.for_ever())
