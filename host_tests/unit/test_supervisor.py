"""supervisor: the watchdog is fed while all tasks live; the status document holds no secret."""

import asyncio
import json

import fakes
import pytest

from device.errors import DeviceError, NeedsOperator, Transient
from device.hal.lights import CODES
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.reasons import LANE, RECORDER, Reason
from device.store.medium import Quota
from device.supervisor.heartbeat import Heartbeat
from device.supervisor.indicator import IndicatorTask
from device.supervisor.people import People
from device.supervisor.status import Status, queue_part
from device.supervisor.supervisor import Supervisor


class Watchdog:
    def __init__(self, time):
        self._time = time
        self.limit_ms = None
        self.fed = []

    def start(self, limit_ms):
        self.limit_ms = limit_ms

    def feed(self):
        self.fed.append(self._time.seconds)


class Bench:
    def __init__(self, time):
        self.time = time
        self.watchdog = Watchdog(time)
        self.log, self.lines = fakes.make_log()
        self.supervisor = Supervisor(self.watchdog, 60_000, self.log)

    def run(self, seconds):
        """The name of the failed task, or None while it runs on."""

        async def main():
            task = asyncio.create_task(self.supervisor.run())
            done, _ = await asyncio.wait([task], timeout=seconds)
            task.cancel()
            return task.result() if done else None

        return fakes.run(main(), self.time)


async def steady(check_in):
    while True:
        check_in(10_000)
        await asyncio.sleep(5)


def test_fed_while_all_check_in(time):
    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("b", steady)
    assert b.run(600) is None
    assert b.watchdog.limit_ms == 60_000 and len(b.watchdog.fed) >= 299
    gaps = [later - at for at, later in zip(b.watchdog.fed, b.watchdog.fed[1:], strict=False)]
    assert max(gaps) < 10, "well within the smallest limit that the settings allow"


def test_one_silent_task_and_it_is_fed_no_more(time):
    async def silent(check_in):
        check_in(30_000)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("quiet one", silent)
    b.run(600)
    assert 28 <= b.watchdog.fed[-1] <= 30.01
    assert "E task is overdue task=quiet one" in b.lines


def test_a_task_that_never_checks_in_at_all_is_noticed(time):
    async def never(check_in):
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("never", never)
    b.run(600)
    assert b.watchdog.fed[-1] <= 120.1


def test_a_task_that_blocks_the_loop_is_not_fed(time):
    """B20: a call of 600 s; nothing else runs meanwhile, and nobody feeds from a timer."""

    async def blocking(check_in):
        check_in(10_000)
        await asyncio.sleep(5)
        b.time.advance(600_000)
        check_in(10_000)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("blocking", blocking)
    b.run(700)
    assert not [at for at in b.watchdog.fed if 7 < at < 605]


def test_a_board_that_slept_is_not_taken_for_one_that_hangs(time):
    """Six minutes at a time, longer than any limit here; a task that hangs is still noticed."""
    limits_ms = []

    async def sleeper(check_in):
        for _ in range(10):
            check_in(30_000)
            b.supervisor.stands_still(360_000)
            limits_ms.append(b.watchdog.limit_ms)
            b.time.advance(360_000)
            b.supervisor.goes_on(360_000)
            limits_ms.append(b.watchdog.limit_ms)
            await asyncio.sleep(0.05)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("sleeper", sleeper)
    b.run(3700)
    assert limits_ms == 10 * [780_000, 60_000]
    assert 3600 <= b.watchdog.fed[-1] <= 3632, "it hangs in the end"
    assert b.lines[0] == "E task is overdue task=sleeper"


def test_ticks_that_wrap_are_no_silence(time):
    time.seconds = ((1 << 30) - 60_000) / 1000
    b = Bench(time)
    b.supervisor.add("a", steady)
    b.run(600)
    assert len(b.watchdog.fed) >= 299 and not b.lines


@pytest.mark.parametrize(
    "error", [DeviceError("storage_failed", "x"), ValueError("boom"), KeyError(7)]
)
def test_a_failing_task_ends_the_run_with_its_name_and_traceback(time, error):
    stopped = []

    async def failing(check_in):
        await asyncio.sleep(3)
        raise error

    async def other(check_in):
        try:
            await steady(check_in)
        finally:
            stopped.append(True)

    b = Bench(time)
    b.supervisor.add("other", other)
    b.supervisor.add("bad one", failing)
    assert b.run(600) == "bad one"
    assert time.seconds < 6 and stopped == [True]
    text = "\n".join(b.lines)
    assert "task failed task=bad one" in text and type(error).__name__ in text
    assert "test_supervisor.py" in text and "in failing" in text
    assert max(len(line) for line in b.lines) < 700


def test_a_failure_is_noticed_though_it_cannot_be_told(time, monkeypatch):
    """Seen at a heap of 200 KiB: the line about the failing task needed memory too."""
    bench = Bench(time)

    async def fails(check_in):
        raise ValueError("x")

    def no_memory(*values):
        raise MemoryError

    monkeypatch.setattr(bench.supervisor._log, "error", no_memory)
    bench.supervisor.add("deaf", fails)
    assert fakes.run(asyncio.wait_for(bench.supervisor.run(), 60), time) == "deaf"


def test_a_task_that_ends_is_a_surprise(time):
    async def ends(check_in):
        await asyncio.sleep(1)

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("deaf", ends)
    assert b.run(600) == "deaf" and any("task ended task=deaf" in line for line in b.lines)


class Resting:
    """A button nobody presses, a console nobody speaks to."""

    async def pressed(self):
        await fakes.for_ever()

    async def next_command(self):
        await fakes.for_ever()


@pytest.mark.parametrize("name", ["run_button", "run_console"])
def test_a_board_at_rest_for_a_week_is_not_reset(time, name):
    b = Bench(time)
    people = People(Resting(), Resting(), None, None, None)
    b.supervisor.add("rest", getattr(people, name))
    assert b.run(7 * 86_400) is None
    assert b.watchdog.fed[-1] > 6.9 * 86_400


class Lane:
    def __init__(self, clock, code="nothing_to_send"):
        self.reason = Reason(LANE, code, clock.uptime_ms)
        self.in_hand = self.delivered = self.set_aside = 0
        self.is_sending = False
        self.looks = 0

    def look_again(self):
        self.looks += 1


class Recorder:
    def __init__(self, clock, code="idle"):
        self.reason = Reason(RECORDER, code, clock.uptime_ms)

    def is_recording(self):
        return self.reason.code == "recording"


class Battery:
    level, charging = 80, False

    def percent(self):
        return self.level

    def is_charging(self):
        return self.charging


class Cloud:
    def __init__(self):
        self.bodies = []
        self.faults = []
        self.extras = 0

    def has_token(self):
        return True

    async def heartbeat(self, body):
        self.bodies.append(json.loads(body))
        if self.faults:
            raise self.faults.pop(0)
        return self.extras


class Up:
    kind = "wifi"
    told = ()

    def is_up(self):
        return True

    def rssi_dbm(self):
        return -61

    def exchange_succeeded(self):
        self.told += ("answer",)

    def exchange_failed(self, code):
        self.told += ("none",)


class Beats:
    def __init__(self, folder, time, interval_s=600):
        self.time = time
        log, self.lines = fakes.make_log()
        self.clock = Clock(fakes.ClockPort(), 1, log)
        self.store = fakes.make_store(folder)
        self.quota = Quota(self.store._storage, 1000, log)
        self.quota.refresh()
        self.cloud, self.lane = Cloud(), Lane(self.clock)
        self.recorder, self.battery = Recorder(self.clock), Battery()
        self.backlog = Backlog(self.store, lambda: 1, lambda number: None)
        parts = (self.battery, self.recorder, self.backlog, self.quota)
        self.link = Up()
        parts = (self.cloud, self.lane, self.link, self.clock, interval_s, parts, log)
        self.heartbeat = Heartbeat(*parts)

    def run(self, seconds):
        async def main():
            task = asyncio.create_task(self.heartbeat.run(lambda within_ms: None))
            await asyncio.sleep(seconds)
            fakes.stop(task)

        fakes.run(main(), self.time)


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


def test_the_indicator_shows_one_code_of_its_table(tmp_path, time):
    b = Beats(tmp_path, time)
    shown = []
    light = type("Light", (), {"show": staticmethod(shown.append)})
    task = IndicatorTask(light, b.recorder, b.lane)
    for recorder_code in fakes.codes(RECORDER):
        for lane_code in fakes.codes(LANE):
            b.recorder.reason.set(recorder_code)
            b.lane.reason.set(lane_code)
            assert task._choose() in CODES
    cases = [("idle", "sending", "uploading"), ("recording", "auth_refused", "recording")]
    cases += [("storage_full", "sending", "error"), ("idle", "throttled", "waiting_cloud")]
    cases += [("idle", "link_down", "waiting_link"), ("idle", "clock_wait", "waiting")]
    cases += [("armed", "sending", "armed"), ("microphone_dead", "sending", "error")]
    cases += [("idle", "tls_untrusted", "error"), ("idle", "nothing_to_send", "idle")]
    for recorder_code, lane_code, wanted in cases:
        b.recorder.reason.set(recorder_code)
        b.lane.reason.set(lane_code)
        assert task._choose() == wanted


def test_the_status_document_is_plain_and_holds_no_secret(tmp_path, time):
    b = Beats(tmp_path, time)
    secrets = fakes.Secrets("tok_abc")
    secrets.set("wifi:home", "secret-1")
    system = type("System", (), {"device_id": "d", "firmware_version": "1"})()
    system.reset_cause = lambda: "power_on"
    b.backlog.aside, b.backlog.other_epoch, b.backlog.unreadable = 1, 2, 3
    recovery = type("Recovery", (), {"unreadable": 4, "repaired": 5})
    http = type("Http", (), {"connections_opened": 6, "bytes_sent": 7})
    parts = {
        "queue": queue_part(b.lane, b.backlog, recovery, http),
        "clock": b.clock.as_dict,
        "storage": b.quota.as_dict,
        "heartbeat": b.heartbeat.as_dict,
    }
    document = Status(system, secrets, b.battery, parts).document()
    text = json.dumps(document)
    assert "tok_abc" not in text and "secret" not in text and "://" not in text
    assert document["queue"]["unreadable"] == 7 and document["queue"]["repaired"] == 5
    assert document["token"] is True and document["battery_pct"] == 80
    assert document["queue"]["code"] == "nothing_to_send" and document["queue"]["ends_when"]


def test_the_light_of_an_empty_battery_and_of_a_board_asleep(tmp_path, time):
    b = Beats(tmp_path, time)
    shown = []
    port = type("Port", (), {"show": lambda self, code: shown.append(code)})()
    task = IndicatorTask(port, b.recorder, b.lane)
    b.recorder.reason.set("battery_low")
    assert task._choose() == "battery_low"
    b.recorder.reason.set("recording")
    b.lane.reason.set("battery_low")
    assert task._choose() == "recording", "whoever is recorded must know"
    b.recorder.reason.set("idle")
    assert task._choose() == "battery_low"
    b.lane.reason.set("brown_out")
    assert task._choose() == "waiting"

    async def main():
        running = asyncio.create_task(task.run(lambda within_ms: None))
        await asyncio.sleep(1)
        task.is_asleep = True
        await asyncio.sleep(20)
        assert task.shown() == "asleep" and shown[-1] == "asleep"
        task.is_asleep = False
        await asyncio.sleep(1)
        assert shown[-1] == "waiting"
        running.cancel()

    fakes.run(main(), time)


def test_who_presses_or_asks_is_noticed(time):
    touched = []

    class Pressed:
        left = 1

        async def pressed(self):
            if not self.left:
                await fakes.for_ever()
            self.left = 0

    toggled = type("R", (), {"toggle": lambda self: touched.append("toggle")})()
    people = People(Pressed(), Resting(), toggled, None, None)
    people.on_touch = lambda: touched.append("touch")
    b = Bench(time)
    b.supervisor.add("button", people.run_button)
    b.run(10)
    assert touched == ["touch", "toggle"], "awake first, then the take"


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
