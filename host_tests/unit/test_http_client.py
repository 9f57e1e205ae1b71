"""http.client over an in-memory connection: what is on the wire, and when a connection is kept."""

import asyncio

import fakes
import pytest
from fakes import Answers, answer

from device.errors import NeedsOperator, Transient, UrlRefused
from device.http.client import HttpClient

API = "https://api.example/v1/recordings"
S3 = "https://bucket.example:8443/k?X-Amz-Signature=0f"


class Source:
    """A body: `length` bytes that differ from place to place; counts how often it began."""

    def __init__(self, length):
        self.data = fakes.pcm(length // 2 + 1)[:length]
        self.length = length
        self.begun = 0

    def rewind(self):
        self.begun += 1
        self._offset = 0

    def readinto(self, out):
        n = min(len(out), self.length - self._offset, 1000)  # smaller than a piece
        out[:n] = self.data[self._offset : self._offset + n]
        self._offset += n
        return n


def client(net, connections=2, witness=None, plain=False):
    reads = [bytearray(1024) for _ in range(connections)]
    return HttpClient(net, memoryview(bytearray(4096)), reads, witness, plain)


def test_the_request_is_exactly_what_was_given(time):
    server = Answers(answer())
    net = fakes.Net(server)
    headers = [("Content-Type", "audio/wav"), ("x-amz-meta-D", "7"), ("Cache-Control", "no-store")]
    fakes.run(client(net).request("PUT", S3, headers, b"sound"), time)
    assert bytes(net.connections[0].sent) == (
        b"PUT /k?X-Amz-Signature=0f HTTP/1.1\r\nHost: bucket.example:8443\r\n"
        b"Content-Type: audio/wav\r\nx-amz-meta-D: 7\r\nCache-Control: no-store\r\n"
        b"Content-Length: 5\r\n\r\nsound"
    )
    assert net.connections[0].origin == ("bucket.example", 8443, True)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 12_288, 50_001])
def test_a_streamed_body_has_its_exact_length_and_is_never_chunked(time, size):
    server = Answers(answer())
    http = client(fakes.Net(server))
    source = Source(size)
    response = fakes.run(http.request("PUT", S3, [], source), time)
    request = server.requests[0]
    assert (request.body, request.header("Content-Length")) == (source.data, str(size))
    assert request.header("Transfer-Encoding") is None and request.header("Expect") is None
    assert (source.begun, response.early) == (1, False)


def test_a_get_has_neither_body_nor_length(time):
    server = Answers(answer())
    fakes.run(client(fakes.Net(server)).request("GET", API, []), time)
    assert [name for name, _ in server.requests[0].headers] == ["Host"]


def test_a_long_head_goes_out_in_pieces_and_whole(time):
    server = Answers(answer())
    target = "/k?" + "a" * 8000
    url = "https://b.example" + target
    fakes.run(client(fakes.Net(server)).request("PUT", url, [("X-B", "b" * 5000)], b"x"), time)
    assert server.requests[0].target == target
    assert server.requests[0].header("X-B") == "b" * 5000


def many(http, urls):
    async def main():
        return [await http.request("POST", url, [], b"x") for url in urls]

    return main()


def test_a_connection_carries_many_requests(time):
    net = fakes.Net(Answers(*[answer() for _ in range(5)]), piece=1)
    http = client(net)
    fakes.run(many(http, [API] * 5), time)
    assert http.connections_opened == len(net.connections) == 1


@pytest.mark.parametrize(
    "first",
    [
        answer(Connection="close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        answer() + b"HTTP/1.1 200 OK\r\n",
        answer(500, body=b"x" * 100, Content_Length=9000),
    ],
    ids=["announced close", "HTTP/1.0", "bytes nobody asked for", "body left unread"],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(time, first):
    net = fakes.Net(Answers(first, answer()))
    fakes.run(many(client(net), [API, API]), time)
    assert [connection.is_open for connection in net.connections] == [False, True]


def test_a_connection_is_left_before_the_server_leaves_it(time):
    net = fakes.Net(Answers(answer(Keep_Alive="timeout=5, max=9"), answer(), answer()))
    http = client(net)

    async def main():
        await http.request("POST", API, [], b"x")
        await asyncio.sleep(4.4)
        await http.request("POST", API, [], b"x")
        assert len(net.connections) == 1
        await asyncio.sleep(55.1)  # no announcement: our own limit
        await http.request("POST", API, [], b"x")

    fakes.run(main(), time)
    assert len(net.connections) == 2 and len(net.still_open()) == 1


def then_close(kind):
    """A server that answers the first request, and breaks the kept connection at the second."""
    answers = Answers(answer(), lambda connection: None, answer())

    def server(connection):
        if connection.taken and kind == "head" and len(connection.sent) > connection.taken:
            connection.reset()
            return
        seen = len(answers.requests)
        answers(connection)
        if kind == "whole" and seen == 1 and len(answers.requests) == 2:
            connection.end()
        if kind == "reset" and seen == 1 and len(answers.requests) == 2:
            connection.reset()

    if kind == "head":
        answers.left = [answer(), answer()]
    return server, answers


@pytest.mark.parametrize("kind", ["head", "whole", "reset"])
def test_a_stale_connection_costs_one_retry_with_the_whole_body(time, kind):
    server, answers = then_close(kind)
    net = fakes.Net(server)
    http = client(net)
    source = Source(20_000)

    async def main():
        await http.request("POST", API, [], b"x")
        return await http.request("POST", API, [("Idempotency-Key", "k")], source)

    assert fakes.run(main(), time).status_code == 200
    assert time.seconds < 1, "at once, no back-off"
    assert source.begun == 2 and answers.requests[-1].body == source.data
    assert answers.requests[-1].header("Idempotency-Key") == "k"
    assert [connection.is_open for connection in net.connections] == [False, True]


def test_the_end_seen_before_the_request_costs_nothing(time):
    net = fakes.Net(Answers(answer(), answer()))
    http = client(net)
    source = Source(100)

    async def main():
        await http.request("POST", API, [], b"x")
        net.connections[0].end()
        await http.request("POST", API, [], source)

    fakes.run(main(), time)
    assert source.begun == 1 and len(net.connections) == 2


def test_a_fresh_connection_is_not_tried_twice(time):
    server = Answers(lambda connection: connection.end(), answer())
    net = fakes.Net(server)
    with pytest.raises(Transient) as error:
        fakes.run(client(net).request("POST", API, [], b"x"), time)
    assert error.value.code == "connection_lost"
    assert len(server.requests) == 1 and not net.still_open()


def test_half_an_answer_on_a_kept_connection_is_not_asked_again(time):
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"
    server = Answers(answer(), lambda c: (c.answer(half), c.end()))
    with pytest.raises(Transient) as error:
        fakes.run(many(client(fakes.Net(server)), [API, API]), time)
    assert error.value.code == "connection_lost" and len(server.requests) == 2


@pytest.mark.parametrize("status", [403, 200])
def test_an_early_answer_stops_the_body(time, status):
    def server(connection):
        if len(connection.sent) > 10_000 and not connection.has_input():
            connection.answer(answer(status, b"<Code>AccessDenied</Code>"))

    net = fakes.Net(server)
    response = fakes.run(client(net).request("PUT", S3, [], Source(1_000_000)), time)
    assert (response.status_code, response.early) == (status, True)
    assert len(net.connections[0].sent) < 30_000
    assert not net.still_open(), "half a request is on it"


def test_a_socket_that_takes_all_at_once_leaves_the_others_their_turn(monkeypatch, time):
    class Eager(fakes.Connection):
        async def write(self, mv):
            self.sent += mv
            self._net.server(self)

    async def upload():
        seen = [0]

        async def look():
            while True:
                seen.append(len(net.connections[0].sent) if net.connections else 0)
                await asyncio.sleep(0)

        other = asyncio.create_task(look())
        await client(net).request("PUT", S3, [], Source(100_000))
        other.cancel()
        seen.append(len(net.connections[0].sent))
        return max(b - a for a, b in zip(seen, seen[1:], strict=False))

    monkeypatch.setattr(fakes, "Connection", Eager)
    net = fakes.Net(Answers(answer()))
    assert fakes.run(upload(), time) <= 2 * 4096, "a piece, and the last one with what was left"


def test_an_interim_answer_does_not_stop_the_body(time):
    answers = Answers(answer())

    def server(connection):
        if 10_000 < len(connection.sent) < 20_000 and not connection.has_input():
            connection.answer(b"HTTP/1.1 102 Processing\r\n\r\n")
        answers(connection)

    response = fakes.run(client(fakes.Net(server)).request("PUT", S3, [], Source(50_000)), time)
    assert (response.status_code, response.early) == (200, False)


def test_an_early_answer_is_read_though_the_write_failed(time):
    class Closing(fakes.Connection):
        async def write(self, mv):
            await super().write(mv)
            if len(self.sent) > 10_000:
                self.answer(answer(413, b'{"code":"too_large"}'))
                raise Transient("connection_lost", "the server closed its side")

    net = fakes.Net(fakes.silent)

    async def open(host, port, tls):
        return Closing(net, (host, port, tls))

    net.open = open
    response = fakes.run(client(net).request("PUT", S3, [], Source(50_000)), time)
    assert response.status_code == 413


def test_one_connection_only_where_there_is_no_memory_for_two(time):
    net = fakes.Net(Answers(*[answer() for _ in range(4)]))
    http = client(net, connections=1)
    fakes.run(many(http, [API, S3, API, S3]), time)
    assert (net.most_open, http.connections_opened) == (1, 4)


def test_two_origins_keep_two_connections(time):
    net = fakes.Net(Answers(*[answer() for _ in range(6)]))
    http = client(net, connections=2)
    fakes.run(many(http, [API, S3] * 3), time)
    assert (net.most_open, http.connections_opened) == (2, 2)
    http.close()
    assert not net.still_open()
    http.close()


def test_requests_of_two_callers_do_not_mix(time):
    server = Answers(*[answer(200, b'{"n":%d}' % n) for n in range(6)])
    net = fakes.Net(server, piece=1)
    http = client(net)

    async def main():
        calls = [http.request("POST", API, [], Source(9_000 + n)) for n in range(6)]
        return await asyncio.gather(*calls)

    found = fakes.run(main(), time)
    assert [len(request.body) for request in server.requests] == [9_000 + n for n in range(6)]
    assert [bytes(r.content) for r in found] == [b'{"n":%d}' % n for n in range(6)]


DATE = "Sun, 01 Mar 2026 12:00:00 GMT"


def test_the_date_of_a_verified_answer_is_a_witness_and_of_a_plain_one_not(time):
    said = []
    net = fakes.Net(Answers(answer(401, Date=DATE), answer(), answer(Date=DATE)))
    http = client(net, witness=said.append, plain=True)
    plain = API.replace("https", "http")
    fakes.run(many(http, [API, API, plain]), time)
    assert said == [DATE]


def test_plain_http_and_broken_urls_open_nothing(time):
    net = fakes.Net(fakes.silent)
    for url in (API.replace("https", "http"), "https://h/a b", "ftp://h/"):
        with pytest.raises(UrlRefused):
            fakes.run(client(net).request("PUT", url, [], b"x"), time)
    assert net.connections == []


def test_redirects_are_answers(time):
    server = Answers(answer(307, Location="https://other.example/"), answer())
    net = fakes.Net(server)
    assert fakes.run(client(net).request("PUT", S3, [], b"x"), time).status_code == 307
    assert len(net.connections) == len(server.requests) == 1


def test_certificate_faults_pass_unchanged_and_nothing_stays_open(time):
    net = fakes.Net(fakes.silent)
    net.open_faults = [NeedsOperator("tls_untrusted")]
    with pytest.raises(NeedsOperator):
        fakes.run(client(net).request("POST", API, [], b"x"), time)
    assert not net.still_open()
