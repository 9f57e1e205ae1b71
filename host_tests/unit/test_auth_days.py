"""The token is refused for days, then there is a new one: the real calls over the wire, in virtual
time, and nobody touches the recorder.
"""

import asyncio
import json

import fakes
import pytest
from fakes import answer
from test_transfer_wire import Bench as Wire

from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import ASIDE
from device.supervisor.heartbeat import Heartbeat
from device.transfer.lane import Lane

DAY_S = 86_400
CLIPS = 4
REFUSALS = {
    "401": (401, b'{"error":{"code":"unauthorized"}}', {}),
    "403": (403, b'{"error":{"code":"device_not_bound"}}', {}),
    "401 from a proxy": (401, b"<html>who are you</html>", {"Content_Type": "text/html"}),
}


class Link:
    reason, kind = "link_down", "wifi"

    def is_up(self):
        return True

    def exchange_succeeded(self):
        pass

    def exchange_failed(self, code):
        raise AssertionError("a refused token is no fault of the way: " + code)

    def rssi_dbm(self):
        return None


class Part:
    """Recorder, battery and quota, as the heartbeat asks them."""

    class reason:
        code = "idle"

    def is_recording(self):
        return False

    def percent(self):
        return None

    def is_charging(self):
        return False

    def used_pct(self):
        return 1

    def as_dict(self):
        return {"total_kb": 1024, "free_kb": 512}


class Bench(Wire):
    """Lane and heartbeat over the wire's bench; the server knows one token."""

    def __init__(self, folder, time, refusal):
        super().__init__(folder, time, token="tok_old")
        self.good = "tok_new"
        status, body, headers = refusal
        server = self.server
        self.stored = {}

        def answers(name, real):
            def call(request):
                if request.header("Authorization") != "Bearer " + self.good:
                    return answer(status, body, **headers)
                return real(request)

            setattr(server, name, call)

        server._create = self._create
        server._complete = self._complete
        for name in ("_create", "_url", "_complete", "_heartbeat"):
            answers(name, getattr(server, name))
        for _ in range(CLIPS - 1):
            fakes.add_clip(self.store, 16_000)
        waits = Waits(30, 1800, self.clock, lambda bits: 0)
        backlog = Backlog(self.store, lambda: 0, lambda number: None)
        parts = (self.store, backlog, waits, self.strategy, self.cloud, Link(), self.clock)
        self.lane = Lane(*parts, 600, self.log)
        part = Part()
        parts = (part, part, backlog, part)
        self.heartbeat = Heartbeat(self.cloud, self.lane, Link(), self.clock, 600, parts, self.log)

    def _create(self, request):
        key = request.header("Idempotency-Key")
        self.stored.setdefault(key, bytes(request.body))
        assert self.stored[key] == request.body, "the same bytes at each attempt"
        return answer(201, b'{"id":"rec_1","status":"pending"}')

    def _complete(self, request):
        assert json.loads(request.body) == {"content_sha256": self.server.sha}
        return answer(200, b'{"id":"rec_1","status":"uploaded"}')

    def run(self, seconds):
        async def main():
            tasks = [
                asyncio.create_task(part.run(lambda within_ms: None))
                for part in (self.lane, self.heartbeat)
            ]
            await asyncio.sleep(seconds)
            for task in tasks:
                fakes.stop(task)

        fakes.run(main(), self.time)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_days_of_refusal_then_a_new_token(tmp_path, time, refusal):
    b = Bench(tmp_path, time, REFUSALS[refusal])
    b.run(3 * DAY_S)
    assert b.lane.reason.code == "auth_refused" and b.lane.reason.again_up_ms
    assert b.lane.set_aside == 0 and b.stored == {}
    # One an hour by the lane, a beat a quarter of an hour: nobody hammers at a shut door.
    assert 3 * 24 < len(b.server.requests) < 3 * 24 * 6
    kept, number = [], 0
    while (clip := b.store.after(number)) is not None:
        number = clip.number
        kept.append(clip)
    assert len(kept) == CLIPS and not [c for c in kept if c.state in ASIDE or "why" in c.record]
    b.secrets.set("token", "tok_new")  # as a technician or an app puts it there
    b.run(1_000)
    assert b.lane.delivered == CLIPS and b.lane.set_aside == 0
    assert len(b.stored) == CLIPS, "one recording a clip"
    assert b.store.after(0) is None and b.lane.reason.code == "nothing_to_send"
    assert "tok_" not in "\n".join(b.lines)


def test_without_heartbeats_the_lane_notices_within_an_hour(tmp_path, time):
    b = Bench(tmp_path, time, REFUSALS["401"])
    b.heartbeat.interval_ms = 0
    b.run(2 * DAY_S)
    b.secrets.set("token", "tok_new")
    b.run(3_700)
    assert b.lane.delivered == CLIPS and b.lane.set_aside == 0
