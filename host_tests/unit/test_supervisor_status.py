"""supervisor: the light shows one code of its table; the status document holds no secret."""

import asyncio
import json

import fakes
from heartbeat_bench import Beats

from device.hal.lights import CODES
from device.reasons import LANE, RECORDER
from device.supervisor.indicator import IndicatorTask
from device.supervisor.status import Status, queue_part


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
