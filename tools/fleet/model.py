"""Many devices at little cost: the rules of waiting as they are, everything else as times.

What decides a fleet's behaviour is when each device asks again: device/queue/manners.py and
waits.py, which run here unchanged. Left out, and replaced by how long it takes: HTTP, TLS, flash,
the lane's tasks. Whether that is enough is measured, not believed: host_tests/fleet holds the
curves of 50 devices to those of the real code (real.py).
"""

import heapq
import random

import numpy as np

from device.errors import Transient
from device.queue.manners import Manners
from device.queue.waits import Waits
from tools.fleet.outcome import Outcome
from tools.fleet.scenario import CONNECT_S, EXCHANGE_S, HEARTBEAT_S, UPLOAD_S, Project, Scenario

RETRY_FIRST_S, RETRY_CAP_S = 30, 1800  # the settings' defaults
_TRIES_IN_A_ROW = 3  # as device/queue/backlog.py lets the others pass
_MOST_DOUBLINGS = 8  # as device/supervisor/heartbeat.py yields
_ANNOUNCE_S = 60  # and how long it leaves an announcement that failed
CREATE, URL, COMPLETE = range(3)  # the steps of a clip that ask the API


class _Clock:
    """The time, as Manners and Waits ask for it; one for the whole fleet."""

    now_s = 0.0

    def uptime_ms(self):
        return int(1000 * self.now_s)

    def unix_s(self):
        return int(self.now_s)


class _Device:
    __slots__ = (
        "closes",
        "connected",
        "delivered",
        "doublings",
        "is_busy",
        "manners",
        "next_beat_s",
        "order",
        "said_sync",
        "announce_s",
        "steps",
        "tries",
        "waits",
    )

    def __init__(self, clock, bits, closes):
        self.manners = Manners(clock, bits)
        self.waits = Waits(RETRY_FIRST_S, RETRY_CAP_S, clock, bits)
        self.waits.spread()
        self.closes = closes
        self.order = []  # clips that wait, by index into closes, the next one first
        self.steps = {}  # clip: the step it is at
        self.tries = 0
        self.connected = False
        self.is_busy = False
        self.next_beat_s = HEARTBEAT_S * bits(10) / 1024
        self.doublings = 0  # of the time between heartbeats
        self.delivered = {}
        self.said_sync = False  # in the last heartbeat that was heard
        self.announce_s = 0.0  # not before, after one that failed


class Model:
    def __init__(self, scenario: Scenario):
        self._scenario = scenario
        self._project = Project(scenario)
        self._clock = _Clock()
        self._events: list = []
        self._count = 0
        self._devices = []
        for number in range(scenario.devices):
            bits = random.Random(f"{scenario.seed} model {number}").getrandbits
            device = _Device(self._clock, bits, scenario.closes_s(number))
            self._devices.append(device)
            for index, at_s in enumerate(device.closes):
                self._at(at_s, self._closed, device, index)
            self._at(device.next_beat_s, self._beat, device)

    def run(self, progress=lambda share: None) -> Outcome:
        """The whole scenario. progress(share): told now and then how much is through."""
        end_s = self._scenario.hours * 3600
        while self._events and self._events[0][0] < end_s:
            at_s, count, step, arguments = heapq.heappop(self._events)
            self._clock.now_s = at_s
            if not count & 0xFFFF:
                progress(at_s / end_s)
            step(*arguments)
        return self._outcome()

    def _at(self, at_s, step, *arguments):
        self._count += 1
        heapq.heappush(self._events, (at_s, self._count, step, arguments))

    def _closed(self, device, index):
        device.order.append(index)
        device.steps[index] = CREATE
        self._look(device)

    def _look(self, device):
        """What Lane._step does: may a clip go now, and if not, when is it looked at again?"""
        if device.is_busy or not device.order:
            return
        left_ms = device.waits.left_ms() or device.manners.refusal()[1]
        if left_ms:
            self._at(self._clock.now_s + left_ms / 1000, self._look, device)
            return
        device.is_busy = True
        now_s = self._clock.now_s
        may_say = not device.said_sync and not device.doublings and now_s >= device.announce_s
        if may_say or now_s >= device.next_beat_s:
            device.next_beat_s = now_s + HEARTBEAT_S
            delay_s = EXCHANGE_S if device.connected else CONNECT_S
            self._at(now_s + delay_s, self._announced, device)
        else:
            self._ask(device, device.order[0])

    def _announced(self, device):
        """What Heartbeat.announce does before a clip goes."""
        served = self._heard(device, True)
        if served is not True and served.code == "throttled":
            device.waits.failed(served)
            device.is_busy = False
            self._look(device)
        else:
            self._ask(device, device.order[0])

    def _ask(self, device, clip):
        """The next request of a clip, or its end."""
        if device.steps[clip] == URL and device.manners.is_spent():
            self._ended(device, clip, None)
            return
        delay_s = EXCHANGE_S if device.connected else CONNECT_S
        self._at(self._clock.now_s + delay_s, self._answered, device, clip)

    def _answered(self, device, clip):
        step = device.steps[clip]
        served = self._exchange(device, step == URL)
        if served is not True:
            self._ended(device, clip, served)
            return
        device.steps[clip] = step + 1
        if step == COMPLETE:
            device.order.remove(clip)
            del device.steps[clip]
            device.delivered[clip] = self._clock.now_s
            device.waits.succeeded()
            self._ended(device, clip, None)
        elif step == URL:
            self._at(self._clock.now_s + UPLOAD_S, self._stored, device, clip)
        else:
            self._ask(device, clip)

    def _stored(self, device, clip):
        if self._scenario.is_away(self._clock.now_s):
            device.steps[clip] = URL
            device.connected = False
            self._ended(device, clip, Transient("connection_lost"))
        else:
            self._ask(device, clip)

    def _exchange(self, device, is_url):
        """True, or the Transient that the lane would meet."""
        now_s = self._clock.now_s
        if self._scenario.is_away(now_s):
            device.connected = False
            return Transient("connect_failed")
        device.connected = True
        is_served, limit, remaining, reset_s = self._project.take(now_s, is_url)
        if not is_served:
            device.manners.refused()
            return Transient("throttled", "", max(1, reset_s))
        device.manners.told(limit, remaining, reset_s)
        return True

    def _ended(self, device, clip, error):
        """What Lane._step does at the end of an attempt. error: None, or why it failed."""
        is_delivered = clip in device.delivered
        if error is not None:
            device.waits.failed(error)
            device.tries += 1
            if device.tries >= _TRIES_IN_A_ROW and len(device.order) > 1:
                device.order.append(device.order.pop(0))
                device.tries = 0
        elif is_delivered:
            device.tries = 0
        device.manners.ended(is_delivered)
        device.is_busy = False
        self._look(device)

    def _beat(self, device):
        """What Heartbeat.run does, which looks around every five seconds."""
        now_s = self._clock.now_s
        if not device.is_busy and now_s >= device.next_beat_s:
            self._heard(device, False)
        wait_s = min(device.next_beat_s - now_s, HEARTBEAT_S / 2)
        self._at(now_s + max(5.0, wait_s), self._beat, device)

    def _heard(self, device, is_sync):
        """A heartbeat at the cloud: True, or the Transient that it meets."""
        now_s = self._clock.now_s
        served = self._exchange(device, False)
        if served is True:
            device.doublings = max(0, device.doublings - 1)
            device.said_sync = is_sync
        else:
            device.announce_s = now_s + _ANNOUNCE_S
            if served.code == "throttled":
                device.doublings = min(device.doublings + 1, _MOST_DOUBLINGS)
        device.next_beat_s = now_s + (HEARTBEAT_S << device.doublings)
        return served

    def _outcome(self):
        closed, delivered, owner = [], [], []
        for number, device in enumerate(self._devices):
            for index, at_s in enumerate(device.closes):
                closed.append(at_s)
                delivered.append(device.delivered.get(index, float("nan")))
                owner.append(number)
        return Outcome(
            self._scenario,
            np.array(closed),
            np.array(delivered),
            np.array(owner, dtype=int),
            np.array(self._project.asked),
            np.array(self._project.refused),
        )
