"""A fleet behind one project's limits: the real lane of each device, in virtual time.

The limits are the documented ones, 100 requests and 30 upload URLs a minute for all devices
together. What is judged: few requests are refused, no device starves, and how much longer it
takes than a fleet would that knew of each other.
"""

import asyncio
import random
import re

import fakes
import pytest

from device.http.client import HttpClient
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.queue.manners import Manners
from device.queue.waits import Waits
from device.transfer.cloud import Cloud
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile
from tools.torture.cloud_model import CloudModel

WINDOW_S, ALL, URLS = 60, 100, 30
CALLS_A_CLIP = 3
PUT_S = 2.0  # what a clip takes on the way, so that one device alone is no flood


class Link:
    reason = "link_down"

    def is_up(self):
        return True

    def shut(self):
        return None, 0

    def exchange_succeeded(self):
        pass

    def exchange_failed(self, code):
        pass


class Project:
    """The cloud in memory behind one project's limits; a server for fakes.Net."""

    def __init__(self, time):
        self._time = time
        self.model = CloudModel(1)
        self._used = {}
        self.asked = self.refused = 0

    def now_s(self):
        return fakes.T0 + self._time.seconds

    def __call__(self, connection):
        request = connection.next_request()
        if request is None:
            return
        headers = {name.lower(): value for name, value in request.headers}
        if connection.origin[0] == "api.example":
            self._api(connection, request, headers)
            return
        answer = self.model.storage(
            "PUT", request.target, headers, request.body, int(self.now_s())
        )
        data = fakes.answer(answer.status, answer.content)
        asyncio.get_running_loop().call_later(PUT_S, connection.answer, data)

    def _api(self, connection, request, headers):
        self.asked += 1
        limit, remaining = min(
            (self._take(name, most) for name, most in self._budgets(request.target)),
            key=lambda found: found[1] / found[0],
        )
        told = {
            "X_RateLimit_Limit": limit,
            "X_RateLimit_Remaining": max(0, remaining),
            "X_RateLimit_Reset": int(self.now_s() // WINDOW_S + 1) * WINDOW_S,
        }
        if remaining < 0:
            self.refused += 1
            body = b'{"error":{"code":"rate_limit_exceeded"}}'
            connection.answer(fakes.answer(429, body, **told))
            return
        target, body = request.target, request.body
        answer = self.model.api("POST", target, headers, body, int(self.now_s()))
        connection.answer(fakes.answer(answer.status, answer.content, **told))

    @staticmethod
    def _budgets(target):
        return [("all", ALL)] + ([("urls", URLS)] if target.endswith("upload-url") else [])

    def _take(self, name, most):
        key = (name, int(self.now_s() // WINDOW_S))
        self._used[key] = self._used.get(key, 0) + 1
        return most, most - self._used[key]


class Device:
    def __init__(self, number, folder, project, clips, seed):
        log, self.lines = fakes.make_log()
        clock = Clock(fakes.ClockPort(), 1, log)
        clock.witness(fakes.T0 * 1000, 20, "ntp")
        bits = random.Random(f"{seed}/{number}").getrandbits
        secrets = fakes.Secrets(f"tok_{number}")
        project.model.tokens[f"tok_{number}"] = f"dev_{number}"
        http = HttpClient(
            fakes.Net(project), memoryview(bytearray(4096)), [bytearray(512), bytearray(512)]
        )
        store = fakes.make_store(folder)
        for _ in range(clips):
            fakes.add_clip(store, 16_000)
        manners = Manners(clock, bits)
        waits = Waits(30, 1800, clock, bits)
        waits.spread()
        cloud = Cloud(http, "https://api.example", secrets, clock, manners=manners)
        backlog = Backlog(store, lambda: 0, lambda number: None)
        strategy = WholeFile(store, cloud, clock, "d%d" % number, "s", log)
        parts = (store, backlog, waits, strategy, cloud, Link(), clock, 600, log)
        self.lane = Lane(*parts, gates=(manners,))
        self.clips = clips
        self.ended_s = None

    async def drain(self, time):
        task = asyncio.create_task(self.lane.run(lambda within_ms: None))
        while self.lane.delivered < self.clips:
            await asyncio.sleep(5)
            if task.done():
                task.result()
        self.ended_s = time.seconds
        task.cancel()


def drain(tmp_path, time, devices, clips, seed, limit_s):
    project = Project(time)
    fleet = []
    for number in range(devices):
        folder = tmp_path / str(number)
        folder.mkdir()
        fleet.append(Device(number, folder, project, clips, seed))

    async def main():
        await asyncio.wait_for(asyncio.gather(*[one.drain(time) for one in fleet]), limit_s)

    fakes.run(main(), time)
    return project, fleet


@pytest.mark.parametrize("devices, clips", [(50, 12), (5, 24)])
def test_a_fleet_drains_politely(tmp_path, time, capsys, devices, clips):
    seed = 20
    ideal_s = devices * clips * WINDOW_S / min(URLS, ALL // CALLS_A_CLIP)
    project, fleet = drain(tmp_path, time, devices, clips, seed, 10 * ideal_s)
    last_s = max(one.ended_s for one in fleet)
    refused_pct = 100 * project.refused / project.asked
    with capsys.disabled():
        print(
            f"\n{devices} devices, {clips} clips each (seed {seed}): {refused_pct:.1f} % refused, "
            f"drained in {last_s / 60:.1f} min, {last_s / ideal_s:.2f} times the ideal"
        )
    recordings = project.model.recordings.values()
    assert sum(1 for recording in recordings if recording.status == "uploaded") == devices * clips
    assert refused_pct < 5
    assert last_s < 2.5 * ideal_s, "nobody starves"


def test_one_device_in_a_project_without_limits_never_waits(tmp_path, time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    for _ in range(100):
        manners.ended(True)
        assert manners.refusal() == (None, 0) and manners.pace_ms == 0


def test_the_last_request_of_a_minute_ends_the_asking(time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    manners.told(30, 0, 40)
    manners.told(100, 70, 40)
    manners.ended(True)
    assert manners.refusal()[0] == "taking_turns" and 40_000 <= manners.refusal()[1] <= 100_000


def test_the_pace_is_bounded_and_falls_when_there_is_room(time):
    log, _ = fakes.make_log()
    manners = Manners(Clock(fakes.ClockPort(), 1, log), random.Random(1).getrandbits)
    for _ in range(50):
        manners.refused()
    assert manners.pace_ms == 600_000
    for _ in range(20):
        manners.told(30, 29, 5)
        manners.ended(True)
    assert manners.pace_ms == 0


def test_no_recording_is_made_twice(tmp_path, time):
    project, fleet = drain(tmp_path, time, 8, 4, 3, 36_000)
    names = [r.metadata["device_recording_uuid"] for r in project.model.recordings.values()]
    assert len(names) == len(set(names)) == 32
    assert all(re.match(r"d\d-s-\d$", name) for name in names)
