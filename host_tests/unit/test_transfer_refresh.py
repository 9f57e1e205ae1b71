"""transfer.refresh: a new token for the old one; whatever is lost, none that works is given up."""

import json

import fakes
import pytest
import test_transfer_wire
from fakes import answer

from device.transfer import refresh
from device.transfer.refresh import DAY_S

NEW = answer(200, json.dumps({"device_token": "dtok_new"}).encode())


class Server(test_transfer_wire.Server):
    """valid: the token that is accepted; a refresh changes it."""

    valid = "tok_abc"

    def _create(self, request):
        return answer(201, b'{"id":"rec_1","device_id":"dev_9","status":"pending"}')

    def __call__(self, connection):
        request = connection.next_request()
        if request is None:
            return
        route = self._route(connection.origin, request)
        if request.target.endswith("/token/refresh"):
            route = "refresh"
        self.requests.append((route, connection.origin, request))
        bearer = request.header("Authorization")
        if bearer is not None and bearer != "Bearer " + self.valid:
            connection.answer(answer(401, b'{"error":{"code":"unauthorized"}}'))
        elif self.replaced.get(route):
            connection.answer(self.replaced[route].pop(0))
        elif route == "refresh":
            self.valid = "dtok_new"
            connection.answer(NEW)
        else:
            connection.answer(getattr(self, "_" + route)(request))


class Bench(test_transfer_wire.Bench):
    def __init__(self, folder, time):
        super().__init__(folder, time)
        self.server = self.net.server = Server()

    def refresh(self):
        fakes.run(refresh.refresh(self.cloud, self.secrets, self.clock, self.log), self.time)

    def beat(self):
        fakes.run(self.cloud.heartbeat(b"{}"), self.time)


@pytest.fixture
def bench(tmp_path, time):
    return Bench(tmp_path, time)


def test_the_new_token_is_kept_beside_the_old_one_until_it_was_accepted(bench):
    assert bench.attempt() is None
    assert bench.secrets.get("cloud_id") == "dev_9"
    bench.refresh()
    assert bench.server.requests[-1][2].target == "/v1/devices/dev_9/token/refresh"
    assert bench.secrets.get("token") == "tok_abc", "still there"
    assert bench.secrets.get("token_next") == "dtok_new"
    bench.beat()
    assert (bench.secrets.get("token"), bench.secrets.get("token_next")) == ("dtok_new", "")


def test_without_the_devices_id_nothing_is_asked(bench):
    bench.refresh()
    assert bench.server.requests == [] and "no create" in "".join(bench.lines)


@pytest.mark.parametrize(
    "reply",
    [
        answer(500, b'{"error":{"code":"processing_error"}}'),
        answer(404, b'{"error":{"code":"not_found"}}'),
        answer(200, b"{}"),
        answer(200, b'{"device_token":5}'),
        answer(200, b'{"device_token":"a b"}'),
        answer(200, test_transfer_wire.PAGE, **test_transfer_wire.HTML),
    ],
)
def test_an_answer_without_a_token_leaves_the_old_one_in_force(bench, reply):
    bench.attempt()
    bench.server.replaced["refresh"] = [reply]
    bench.refresh()
    assert bench.secrets.get("token_next") is None
    bench.beat()
    assert bench.secrets.get("token") == "tok_abc"


def test_a_lost_answer_is_said_and_not_asked_for_again(bench, time):
    bench.attempt()
    bench.clock.witness(fakes.T0 * 1000, 20, "ntp")
    bench.server.replaced["refresh"] = [b""] * 3

    def lose(connection, serve=bench.server.__class__.__call__):
        serve(bench.server, connection)
        if bench.server.requests and bench.server.requests[-1][0] == "refresh":
            bench.server.valid = "dtok_unknown"  # it was committed, and nobody hears of it
            connection.end()

    bench.net.server = lose
    bench.refresh()
    assert "provision it anew" in "".join(bench.lines)
    assert bench.secrets.get("token") == "tok_abc" and not bench.secrets.get("token_next")
    assert not refresh.is_due(bench.secrets, bench.clock, 1)


def test_it_is_due_after_so_many_days_and_never_beside_an_unproved_one(bench, time):
    assert not refresh.is_due(bench.secrets, bench.clock, 30), "counting begins"
    for _ in range(29):
        time.advance(DAY_S * 1000)
        assert not refresh.is_due(bench.secrets, bench.clock, 30)
    time.advance(DAY_S * 1000)
    assert refresh.is_due(bench.secrets, bench.clock, 30)
    assert not refresh.is_due(bench.secrets, bench.clock, 0), "off"
    bench.secrets.set("token_next", "dtok_new")
    assert not refresh.is_due(bench.secrets, bench.clock, 30)


def test_no_token_is_ever_logged(bench):
    bench.attempt()
    bench.refresh()
    bench.beat()
    assert "dtok" not in "".join(bench.lines) and "tok_abc" not in "".join(bench.lines)
