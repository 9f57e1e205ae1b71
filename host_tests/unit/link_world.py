"""A link with its ways, what each of them meets out there, and a lane that tries every half
minute. Hours pass in virtual time; the modem is the scripted one.
"""

import asyncio

import fakes

from device.errors import Transient
from device.hal.sim.modem import Modem
from device.link.link import Link, Way
from device.reasons import LANE, is_reason
from device.store.slots import Slots

INTERCEPTED = ("portal", "tls_untrusted", "tls_wrong_name")
SETTINGS = {"apn": "iot.example", "user": "", "auth": "none", "roaming": False}
MINUTE, HOUR = 60, 3600


class Radio:
    """Wi-Fi port: networks in reach join in a second."""

    def __init__(self, time):
        self._time = time
        self.in_reach = {"home", "office"}
        self.driver_fault = False
        self.joined = None
        self.connects = []
        self.off_times = []
        self.lease = 7

    def connect(self, ssid, password):
        self.connects.append((round(self._time.seconds), ssid))
        if self.driver_fault:
            raise Transient("wifi_error", "Wi-Fi: Internal Error")
        self.joined = ssid
        self._since = self._time.seconds

    def status(self):
        if self.joined is None:
            return "idle"
        if self.joined not in self.in_reach:
            return "not_found"
        return "up" if self._time.seconds - self._since >= 1 else "joining"

    def disconnect(self):
        self.joined = None
        self.off_times.append(self._time.seconds)

    def is_up(self):
        return self.status() == "up"

    def address(self):
        return "192.0.2.%d" % self.lease if self.status() == "up" else None

    def rssi_dbm(self):
        return -60


class World:
    """A link with its ways, a lane that tries to send, and what each way meets out there."""

    def __init__(self, time, folder, names=("home",), modem=True, first="wifi", spec=()):
        self.time = time
        self.folder = folder
        self.radio = Radio(time)
        self.modem = Modem({"family": "quectel", "latency_ms": 30} | dict(spec)) if modem else None
        self.names, self.first = names, first
        self.fates = {}  # "home", "office" or "4g" -> code that exchanges end with
        self.idle = True
        self.has_time = True
        self.resets = []
        self.history = []  # (second, up, kind)
        self.sent = []  # second of each exchange that succeeded
        self.tasks = []
        self.due = None
        self.boot()

    def boot(self):
        for task in self.tasks:
            task.cancel()
        self.tasks = []
        secrets = fakes.Secrets()
        self.log, self.lines = fakes.make_log()
        ways = [Way("wifi", name, self.radio, secrets) for name in self.names]
        if self.modem:
            cellular = Way("4g", "4g", self.modem, secrets, SETTINGS)
            ways.insert(0 if self.first == "cellular" else len(ways), cellular)
        self.link = Link(
            ways,
            self._changed,
            self.log,
            lambda: self.idle,
            self._probe,
            self.resets.append,
            Slots("link1", str(self.folder) + "/link"),
        )
        self.steps = []

    def _changed(self, up):
        self.history.append((round(self.time.seconds), up, self.link.kind))

    def _fate(self):
        if self.link.kind == "4g":
            name = "4g"
            if not self.modem.carries():
                return "timeout"
        else:
            name = self.radio.joined
            if self.radio.status() != "up":
                return "link_down"
        return self.fates.get(name)

    async def _probe(self, is_doubted):
        """As link/probe.py: in doubt the time server alone is asked."""
        fate = self._fate()
        await asyncio.sleep(2 if fate == "timeout" else 0.5)
        if fate in INTERCEPTED:
            return ("away", True) if is_doubted else (fate, True)
        if is_doubted and fate is None:
            fate = "away"
        return fate, fate in (None, "away") and self.has_time

    async def _lane(self):
        while True:
            await asyncio.sleep(30)
            if not self.link.is_up():
                continue
            code = self._fate()
            if code == "timeout":
                await asyncio.sleep(15)
            code = "timeout" if code == "away" else code
            if code:
                self.link.exchange_failed(code)
            else:
                self.link.exchange_succeeded()
                self.sent.append(self.time.seconds)

    async def _watch_steps(self):
        while True:
            await asyncio.sleep(0.5)
            assert is_reason(LANE, self.link.reason), self.link.reason
            assert not (self.radio.joined and self.modem and self.modem.is_up()), "one at a time"
            step = self.link.current.step if self.link.current else ""
            if not self.steps or self.steps[-1] != step:
                self.steps.append(step)

    def run(self, seconds, lane=True):
        """The tasks live on from one run to the next, until boot()."""

        async def main():
            if not self.tasks:
                self.due = None
                works = [self.link.run(self._check_in), self._watch_steps()]
                works += [self._lane()] if lane else []
                self.tasks = [asyncio.create_task(work) for work in works]
            await asyncio.sleep(seconds)
            for task in self.tasks:
                assert not task.done() or task.result()

        fakes.run(main(), self.time)

    def _check_in(self, within_ms):
        assert self.due is None or self.time.seconds <= self.due, "overdue"
        self.due = self.time.seconds + within_ms / 1000
