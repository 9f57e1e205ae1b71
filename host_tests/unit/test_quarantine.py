"""What is set aside costs no memory and little time, is seen, comes back, and stops nobody."""

import asyncio
import os

import fakes
import pytest
from test_transfer_lane import Bench

from device import reasons
from device.api import dialect
from device.errors import DeviceError, Permanent
from device.field import requeue
from device.store import store as store_module
from device.store.clip import ASIDE, CLOSED, PARKED, QUARANTINED
from device.supervisor.status import queue_part

MANY = 100
HOUR_S = 3600


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def set_aside(bench, numbers, why="refused"):
    for clip in bench.clips:
        if clip.number in numbers:
            bench.store.save(clip, state=QUARANTINED, why=why)


@pytest.fixture
def looks(monkeypatch):
    """How many clips are looked at: a list with one entry a turn of the loop."""
    turns = [0]
    real = store_module.ClipStore.after

    def after(self, number):
        turns[-1] += 1
        return real(self, number)

    monkeypatch.setattr(store_module.ClipStore, "after", after)
    return turns


def test_however_many_lie_in_front_no_turn_is_long_and_the_next_one_goes(bench, looks):
    b = bench(clips=MANY + 1)
    set_aside(b, range(1, MANY + 1))
    looks[:] = [0]

    async def main():
        task = asyncio.create_task(b.lane.run(lambda within_ms: None))
        for _ in range(4000):
            looks.append(0)
            await asyncio.sleep(0)
            if b.lane.delivered:
                break
        fakes.stop(task)

    fakes.run(main(), b.time)
    assert b.lane.delivered == 1 and list(b.cloud.objects) == ["rec_%d" % (MANY + 1)]
    assert max(looks) <= 17, "recording has its turn in between"


def test_an_idle_recorder_does_not_read_them_all_the_time(bench, looks):
    b = bench(clips=MANY)
    set_aside(b, range(1, MANY + 1))
    b.run(60)
    looks[:] = [0]
    b.run(HOUR_S)
    passes = sum(looks) / (MANY + 1)
    assert 10 < passes < 55, passes
    assert b.lane.reason.code == "nothing_to_send" and b.lane.rests_ms() > HOUR_S * 1000


def test_it_is_seen_with_its_reason_and_what_the_cloud_said(bench):
    b = bench(create=[Permanent("refused", "status=422 backfill_lookback_exceeded")])
    b.run(10)

    class Part:
        unreadable = repaired = 0
        connections_opened = bytes_sent = 0

    part = queue_part(b.lane, b.lane._backlog, Part, Part)()
    assert (part["aside"], part["set_aside"], part["delivered"]) == (1, 1, 2)
    assert part["code"] == "nothing_to_send" and part["waiting"] == 0
    record = b.records()[1]
    assert record["why"] == "refused" and "backfill" in record["said"]
    assert any("clip set aside clip=1 reason=refused" in line for line in b.lines)
    b.boot()
    b.run(10)
    assert b.lane._backlog.aside == 1, "after a reboot too"


FLAGS = {"again": True, "rebuild": True, "new_recording": True, "other_epoch": True}
NEVER = {"too_short": "less than a second", "file_missing": "no audio"}
NOT_OF_A_RECORD = ("record_unreadable", "other_epoch")


@pytest.mark.parametrize("why", sorted(set(reasons.CLIP.split()) - set(NOT_OF_A_RECORD)))
def test_each_comes_back_by_command_or_says_why_it_cannot(bench, why):
    b = bench(clips=2, complete=[dialect.PROOF] * 2)
    state = PARKED if why in ("collected", "refused") else QUARANTINED
    b.store.save(b.clips[0], state=state, why=why, was=CLOSED, deaths=3, reads=5)
    b.run(10)
    assert list(b.records()) == [1] and b.lane.delivered == 1

    class Board:
        secrets = b.secrets
        storage = fakes.Storage(b.folder)

        class system:
            device_id = "d"

    args = {"device": "d", "numbers": None, "why": why, **FLAGS}
    if why in NEVER:
        with pytest.raises(DeviceError) as error:
            requeue._plan(b.store, b.store.after(0), 0, args)
        assert error.value.code == why
        assert requeue.run(Board, args) == {"moved": 0}
        assert b.records()[1]["state"] in ASIDE and os.path.exists(b.clips[0].audio_path)
        return
    assert requeue.run(Board, args) == {"moved": 1}
    assert not {"why", "deaths", "reads", "was"} & set(b.records()[1])
    b.boot()
    b.run(10)
    assert b.records() == {} and b.lane.delivered == 1
