"""A heartbeat and all that it looks at: lane, recorder, battery, cloud and link in memory."""

import asyncio
import json

import fakes

from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.reasons import LANE, RECORDER, Reason
from device.store.medium import Quota
from device.supervisor.heartbeat import Heartbeat


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
