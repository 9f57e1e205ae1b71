"""transfer.cloud with the real client below it: what each call looks like on the wire (B14, B17).

A server in memory plays API and storage; each route's answer can be replaced.
"""

import asyncio
import hashlib
import json

import fakes
import pytest
from fakes import answer

from device.errors import DeviceError, NeedsOperator, Permanent, Transient, UrlRefused
from device.http.client import HttpClient
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import COMPLETING, CREATED, CREATING, DONE
from device.transfer.cloud import Cloud
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

STORAGE = "https://bucket.example/k/rec_1?X-Amz-Signature=0f"
PAGE = b"<html><body>Please sign in</body></html>"
HTML = {"Content_Type": "text/html"}


class Server:
    """Answers by route; replaced: route -> list of answers that come first."""

    def __init__(self):
        self.requests = []
        self.replaced = {}

    def __call__(self, connection):
        request = connection.next_request()
        if request is None:
            return
        route = self._route(connection.origin, request)
        self.requests.append((route, connection.origin, request))
        if self.replaced.get(route):
            connection.answer(self.replaced[route].pop(0))
        else:
            connection.answer(getattr(self, "_" + route)(request))

    @staticmethod
    def _route(origin, request):
        if origin[0] != "api.example":
            return "put"
        return {"recordings": "create", "upload-url": "url", "upload-complete": "complete"}.get(
            request.target.rsplit("/", 1)[1], "heartbeat"
        )

    def _create(self, request):
        return answer(201, b'{"id":"rec_1","status":"pending"}')

    def _url(self, request):
        return answer(200, json.dumps({"upload_url": STORAGE, "headers": {"X-A": "b"}}).encode())

    def _put(self, request):
        self.sha = hashlib.sha256(request.body).hexdigest()
        return answer(200, b"", ETag='"0f"')

    def _complete(self, request):
        assert json.loads(request.body) == {"content_sha256": self.sha}
        return answer(200, b'{"id":"rec_1","status":"uploaded"}')

    def _heartbeat(self, request):
        return answer(200, b'{"status":"ok","new":[1]}')

    def routes(self):
        return [route for route, _, _ in self.requests]


class Bench:
    def __init__(
        self, folder, time, samples=20_000, api_url="https://api.example", token="tok_abc"
    ):
        self.time = time
        self.server = Server()
        self.net = fakes.Net(self.server)
        self.log, self.lines = fakes.make_log()
        self.clock = Clock(fakes.ClockPort(), 1, self.log)
        self.clock.witness(fakes.T0 * 1000, 20, "ntp")
        self.secrets = fakes.Secrets(token)
        self.http = HttpClient(
            self.net, memoryview(bytearray(4096)), [bytearray(1024), bytearray(1024)]
        )
        self.cloud = Cloud(self.http, api_url, self.secrets, self.clock)
        self.store = fakes.make_store(folder)
        self.clip = fakes.add_clip(self.store, samples)
        self.strategy = WholeFile(self.store, self.cloud, self.clock, "d", "s", self.log)

    def attempt(self):
        try:
            fakes.run(self.strategy.advance(self.store.after(0)), self.time)
        except DeviceError as e:
            return e
        return None


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_the_four_requests(bench):
    b = bench()
    assert b.attempt() is None and b.store.after(0).state == DONE
    (_, _, create), (_, _, url), (_, origin, put), (_, _, complete) = b.server.requests
    assert [r.method for r in (create, url, put, complete)] == ["POST", "POST", "PUT", "POST"]
    assert create.target == "/v1/recordings"
    assert url.target == "/v1/recordings/rec_1/upload-url"
    assert complete.target == "/v1/recordings/rec_1/upload-complete"
    assert create.header("Idempotency-Key") == "rec-d-s-1"
    for request in (create, url, complete):
        assert request.header("Authorization") == "Bearer tok_abc"
        assert request.header("Content-Type") == "application/json"
    assert origin == ("bucket.example", 443, True) and put.target == "/k/rec_1?X-Amz-Signature=0f"
    assert put.headers == [("Host", "bucket.example"), ("X-A", "b"), ("Content-Length", "40044")]
    assert b.http.connections_opened == 2


@pytest.mark.parametrize(
    "api_url", ["https://api.example", "https://api.example/", "https://api.example/v1"]
)
def test_the_origin_may_be_given_with_or_without_v1(bench, api_url):
    b = bench(api_url=api_url)
    b.attempt()
    assert b.server.requests[0][2].target == "/v1/recordings"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("route", ["create", "url", "complete", "put"])
def test_no_redirect_takes_the_token_or_the_body_anywhere(bench, route, status):
    b = bench()
    body = b"<Error><Code>TemporaryRedirect</Code></Error>" if route == "put" else b""
    elsewhere = answer(status, body, Location="https://other.example/v1/recordings")
    b.server.replaced[route] = [elsewhere] * 9
    error = b.attempt()
    assert isinstance(error, (Transient, Permanent))
    assert {origin[0] for _, origin, _ in b.server.requests} <= {"api.example", "bucket.example"}
    assert b.server.routes().count(route) == (2 if route == "put" else 1)
    for _, origin, request in b.server.requests:
        assert (request.header("Authorization") is None) == (origin[0] == "bucket.example")


PORTAL = {
    "200 page": answer(200, PAGE, **HTML),
    "200 page as JSON": answer(200, PAGE, Content_Type="application/json"),
    "302": answer(302, b"", Location="http://192.168.4.1/login"),
    "511": answer(511, PAGE, **HTML),
    "504 with a long page": answer(504, b"x" * 300_000, **HTML),
    "404 page": answer(404, PAGE, **HTML),
}
STATES = {"create": CREATING, "url": CREATED, "put": CREATED, "complete": COMPLETING}


@pytest.mark.parametrize("name", PORTAL)
@pytest.mark.parametrize("route", STATES)
def test_a_page_in_place_of_the_cloud_is_never_success(bench, route, name):
    b = bench()
    b.server.replaced[route] = [PORTAL[name]] * 2
    error = b.attempt()
    assert type(error) in (Transient, UrlRefused), error
    record = b.store.after(0).record
    assert record["state"] == STATES[route] and "why" not in record
    b.server.replaced.clear()
    assert b.attempt() is None, "the same clip goes once the way is open"


def test_the_oldest_cloud_gets_its_form_and_it_is_remembered(bench):
    b = bench()
    b.server.replaced["url"] = [answer(400, b'{"error":{"code":"invalid_request"}}')]
    assert b.attempt() is None
    asked = [json.loads(r.body) for route, _, r in b.server.requests if route == "url"]
    assert ["type" in body for body in asked] == [True, False]
    fakes.run(b.cloud.upload_url("rec_2", "audio/wav", 9), b.time)
    assert b.server.routes().count("url") == 3


def test_a_400_for_another_cause_is_asked_twice_and_then_the_clips(bench):
    b = bench()
    b.server.replaced["url"] = [answer(400, b'{"error":{"code":"invalid_request"}}')] * 9
    error = b.attempt()
    assert (type(error), error.code) == (Permanent, "refused")
    assert b.server.routes().count("url") == 2


@pytest.mark.parametrize("body", [b'{"upload_url":"https://bucket.example/k?X-Am', b"{}", b"[]"])
def test_half_an_upload_url_is_never_put(bench, body):
    b = bench()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    b.server.replaced["url"] = [head + body]
    error = b.attempt()
    assert type(error) is Transient and "put" not in b.server.routes()


@pytest.mark.parametrize(
    "url", ["http://bucket.example/k", "https://b.example/a b", "ftp://b.example/", "https://u@b/"]
)
def test_an_upload_url_that_cannot_be_used_opens_no_connection(bench, url):
    b = bench()
    said = answer(200, json.dumps({"upload_url": url}).encode())
    b.server.replaced["url"] = [said, said]
    assert isinstance(b.attempt(), UrlRefused)
    assert [c.origin[0] for c in b.net.connections] == ["api.example"]


def test_without_a_token_nothing_is_sent(bench):
    b = bench(token=None)
    error = b.attempt()
    assert (type(error), error.code) == (NeedsOperator, "no_token")
    assert not b.cloud.has_token() and b.net.connections == []


def test_a_new_token_is_used_at_the_next_call(bench):
    b = bench()
    b.server.replaced["url"] = [answer(401, b'{"detail":"invalid token"}')]
    assert b.attempt().code == "auth_refused"
    b.secrets.set("token", "tok_new")
    assert b.attempt() is None
    used = [r.header("Authorization") for route, _, r in b.server.requests if route == "url"]
    assert used == ["Bearer tok_abc", "Bearer tok_new"]


LEFT_BY_CABLES = ["tok_abc\n", "tok_abc\r\n", "\ufefftok_abc", " tok_abc ", "Bearer tok_abc"]


@pytest.mark.parametrize("token", LEFT_BY_CABLES + ["tok\nX-Evil: 1", "tok_abc\x00"])
def test_a_token_with_leftovers_is_cleaned_or_refused(bench, token):
    b = bench(token=token)
    error = b.attempt()
    if error is not None:
        assert isinstance(error, NeedsOperator) and token.strip() not in str(error)
        return
    assert b.server.requests[0][2].header("Authorization") == "Bearer tok_abc"


def test_no_error_and_no_log_line_holds_a_secret(bench):
    b = bench()
    for route in STATES:
        for status in (400, 401, 403, 404, 409, 500):
            body = b'{"error":{"code":"c","message":"tok_abc X-Amz-Signature"}}'
            b.server.replaced[route] = [answer(status, body)] * 4
            error = b.attempt()
            text = "%s %r %s" % (error, error, b.lines)
            assert "tok_abc" not in text and "X-Amz" not in text and "https" not in text


@pytest.mark.parametrize(
    "said, kind",
    [
        (answer(401, b"{}"), NeedsOperator),
        (answer(404, b'{"error":{"code":"not_found"}}'), NeedsOperator),
        (answer(500, b""), Transient),
        (answer(200, PAGE, **HTML), Transient),
    ],
)
def test_heartbeat(bench, said, kind):
    b = bench()
    fakes.run(b.cloud.heartbeat(b'{"flags":8}'), b.time)
    assert b.server.requests[0][2].target == "/v1/devices/me/heartbeat"
    b.server.replaced["heartbeat"] = [said]
    with pytest.raises(kind):
        fakes.run(b.cloud.heartbeat(b"{}"), b.time)


def test_a_long_upload_that_makes_progress_is_not_ended_by_the_watchdog(bench):
    b = bench(samples=60_000)

    class Slow(fakes.Connection):
        async def write(self, mv):
            await asyncio.sleep(28)  # within the limit on progress
            await super().write(mv)

    async def slow_open(host, port, tls):
        return Slow(b.net, (host, port, tls))

    b.net.open = slow_open

    class Up:
        reason = "link_down"
        is_up = staticmethod(lambda: True)
        exchange_succeeded = exchange_failed = staticmethod(lambda *code: None)

    waits = Waits(30, 1800, b.clock, lambda bits: 0)
    backlog = Backlog(b.store, lambda: 0, lambda number: None)
    lane = Lane(b.store, backlog, waits, b.strategy, b.cloud, Up, b.clock, 600, b.log)
    due = [0.0]

    async def main():
        def check_in(within_ms):
            due[0] = b.time.seconds + within_ms / 1000

        task = asyncio.create_task(lane.run(check_in))
        while not lane.delivered:
            await asyncio.sleep(1)
            assert b.time.seconds <= due[0], "overdue in the middle of an upload"
        fakes.stop(task)

    fakes.run(main(), b.time)
    assert b.time.seconds > 800
