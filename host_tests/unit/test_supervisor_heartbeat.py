"""supervisor.heartbeat: what a beat says, when one comes, and what a refusal changes."""

import asyncio

import fakes
import pytest
from heartbeat_bench import Beats

from device.errors import NeedsOperator, Transient


def test_heartbeats_come_at_their_interval_and_never_beside_a_clip(tmp_path, time):
    b = Beats(tmp_path, time)
    b.run(3605)
    assert len(b.cloud.bodies) == 6
    b.lane.in_hand = 7
    b.run(3600)
    assert len(b.cloud.bodies) == 6
    off = Beats(tmp_path, time, interval_s=0)
    off.run(3600)
    assert off.cloud.bodies == []


def test_a_heartbeat_says_what_the_contract_knows(tmp_path, time):
    b = Beats(tmp_path, time)
    fakes.add_clip(b.store, 10)
    body = b.heartbeat.body()
    assert body["pending_recordings"] == 1 and body["device_state"] == "idle"
    assert (body["battery_percent"], body["flags"]) == (80, 8)
    assert (body["storage_total_mb"], body["storage_used_mb"]) == (64, 0)
    assert body["connection_type"] == ["wifi"] and body["signal_strength_dbm"] == -61
    b.link.kind = "4g"
    body = b.heartbeat.body()
    assert body["connection_type"] == ["4g"] and body["flags"] == 16
    b.link.kind = "wifi"
    b.battery.level, b.battery.charging, b.lane.is_sending = 14, True, True
    assert b.heartbeat.body()["flags"] == 8 | 1 | 2 | 32
    for code, state in (
        ("recording", "recording"),
        ("storage_full", "storageFull"),
        ("storage_failed", "error"),
        ("microphone_failed", "error"),
    ):
        b.recorder.reason.set(code)
        assert b.heartbeat.body()["device_state"] == state
    b.recorder.reason.set("idle")
    assert b.heartbeat.body()["device_state"] == "uploading"
    b.lane.is_sending = False
    assert b.heartbeat.body()["device_state"] == "charging"
    b.battery.charging = False
    assert b.heartbeat.body()["device_state"] == "lowBattery"
    b.battery.level = None
    assert "battery_percent" not in b.heartbeat.body()
    assert b.heartbeat.body()["device_state"] == "idle"
    assert "firmware_version" not in b.heartbeat.body()
    b.heartbeat.firmware = "0.9.2"
    assert b.heartbeat.body()["firmware_version"] == "0.9.2"


def said_sync(b):
    return [bool(body["flags"] & 32) for body in b.cloud.bodies]


def announce(b, times=1):
    """The lane takes so many clips, one after the other; what the last announcement returned."""
    for _ in range(times):
        b.lane.is_sending = True
        told = fakes.run(b.heartbeat.announce(), b.time)
    return told


def test_sync_is_said_before_the_first_clip_and_once(tmp_path, time):
    b = Beats(tmp_path, time)
    announce(b, 50)
    assert said_sync(b) == [True], "a backlog is one announcement"
    b.lane.is_sending = False
    b.run(595)
    assert said_sync(b) == [True]
    b.run(10)
    assert said_sync(b) == [True, False], "and taken back by the one that is due"
    announce(b, 3)
    assert said_sync(b) == [True, False, True]


def test_a_long_backlog_does_not_silence_the_beats(tmp_path, time):
    b = Beats(tmp_path, time)
    b.lane.in_hand = 1  # for hours: the task itself finds no moment
    for _ in range(60):
        announce(b)
        b.run(60)
    assert said_sync(b) == [True] * 6, "an hour, every ten minutes"


def test_the_cadence_is_bounded_however_often_sending_begins(tmp_path, time):
    b = Beats(tmp_path, time)
    for _ in range(6 * 60):
        announce(b)  # a clip a minute
        assert said_sync(b)[-1], "never denied while it goes up"
        b.lane.is_sending = False
        b.run(60)
    assert len(b.cloud.bodies) <= 2 * 6 * 6, "two an interval, for six hours"


def test_an_announcement_that_fails_stops_nothing_and_is_rare(tmp_path, time):
    b = Beats(tmp_path, time)
    b.cloud.faults = [Transient("server_error")] * 100
    for _ in range(100):
        assert announce(b) is None
        time.advance(6_000)
    assert len(b.cloud.bodies) == 10, "ten minutes, once a minute"
    b = Beats(tmp_path, time)
    b.cloud.faults = [NeedsOperator("auth_refused")] * 100
    for _ in range(100):
        announce(b)
        time.advance(6_000)
    assert len(b.cloud.bodies) == 1, "a refused token is asked about quarter-hourly"
    b = Beats(tmp_path, time)
    b.cloud.faults = [Transient("throttled", retry_after_s=60)]
    assert announce(b).retry_after_s == 60, "a 429 is for everybody"
    off = Beats(tmp_path, time, interval_s=0)
    announce(off, 3)
    assert off.cloud.bodies == []


def test_beats_yield_where_the_projects_requests_are_used_up(tmp_path, time):
    b = Beats(tmp_path, time)
    b.cloud.faults = [Transient("throttled", "status=429")] * 3
    b.run(8_300)
    assert len(b.cloud.bodies) == 3, "at once, then after 20 minutes and 40"
    b.run(2_400)
    b.lane.delivered += 1
    b.run(60)
    assert len(b.cloud.bodies) == 4, "after 80; and no early beat beside a delivery"
    b.run(1_300)
    assert len(b.cloud.bodies) == 6, "it was heard: closer again, one by one, after 40 and 20"
    b.cloud.faults = [Transient("throttled")] * 20
    b.run(6 * 86_400)
    assert 6 + 8 < len(b.cloud.bodies) < 6 + 11, "once in two days at last, not never"


def test_beats_of_a_fleet_spread_when_power_returns(tmp_path, time):
    starts = set()
    for bits in range(32):
        b = Beats(tmp_path / str(bits), time) if (tmp_path / str(bits)).mkdir() is None else None
        b.heartbeat.spread(lambda n, bits=bits: bits)
        starts.add(b.heartbeat.rests_ms())
    assert len(starts) == 32 and max(starts) < 600_000 / 20


def test_a_beat_says_that_it_is_under_way_until_it_ends_however(tmp_path, time):
    b = Beats(tmp_path, time)
    during = []
    answer = b.cloud.heartbeat

    async def slowly(body):
        await asyncio.sleep(30)
        during.append(b.heartbeat.is_asking)
        return await answer(body)

    b.cloud.heartbeat = slowly
    b.cloud.faults = [Transient("timeout"), NeedsOperator("auth_refused")]
    for told in ({"sent": 0, "failed": 1}, {"sent": 0, "failed": 2}, {"sent": 1, "failed": 2}):
        announce(b)
        assert b.heartbeat.as_dict() == told and not b.heartbeat.is_asking
        time.advance(1_000_000)
    assert during == [True] * 3


def test_what_an_answer_says_beyond_the_contract_is_counted(tmp_path, time):
    b = Beats(tmp_path, time)
    assert "not_understood" not in b.heartbeat.as_dict()
    b.cloud.extras = 2
    b.run(700)
    assert b.heartbeat.as_dict()["not_understood"] == 4


def test_a_token_is_tended_after_an_accepted_beat_alone(tmp_path, time):
    b = Beats(tmp_path, time)
    tended = []

    async def tend():
        tended.append(len(b.cloud.bodies))

    b.heartbeat.tend = tend
    b.cloud.faults = [Transient("timeout")]
    b.run(700)
    assert tended == [2]


def test_a_heartbeat_that_fails_is_counted_and_ends_nothing(tmp_path, time):
    b = Beats(tmp_path, time)
    b.cloud.faults = [Transient("timeout"), NeedsOperator("auth_refused")]
    b.run(600 + 900 + 600 + 100)
    assert b.heartbeat.as_dict() == {"sent": 2, "failed": 2}
    assert b.link.told == ("none", "answer", "answer"), "a real exchange, or none"


def test_an_accepted_heartbeat_wakes_a_lane_whose_token_was_refused(tmp_path, time):
    b = Beats(tmp_path, time)
    b.run(10)
    assert b.lane.looks == 0
    b.lane.reason.set("auth_refused")
    b.run(1300)
    assert b.lane.looks > 0


@pytest.mark.parametrize("interval_s", [1, 600])
def test_a_refused_token_is_probed_rarely(tmp_path, time, interval_s):
    b = Beats(tmp_path, time, interval_s)
    b.cloud.faults = [NeedsOperator("auth_refused")] * 99_999
    b.run(86_400)
    assert 20 <= len(b.cloud.bodies) <= 97


def test_of_two_beats_the_one_that_ends_first_does_not_let_the_board_sleep(tmp_path, time):
    """The lane announces its first clip while an idle beat still waits for its answer."""
    b = Beats(tmp_path, time)
    answer, waits_s, still = b.cloud.heartbeat, [10, 40], []

    async def slowly(body):
        await asyncio.sleep(waits_s.pop(0))
        return await answer(body)

    b.cloud.heartbeat = slowly

    async def main():
        beats = [asyncio.create_task(b.heartbeat.announce()) for _ in range(2)]
        await asyncio.sleep(20)
        still.append([beat.done() for beat in beats] + [bool(b.heartbeat.is_asking)])
        await asyncio.gather(*beats)

    fakes.run(main(), time)
    assert still == [[True, False, True]] and not b.heartbeat.is_asking
