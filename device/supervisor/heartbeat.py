"""Heartbeats: what the cloud may know of the device, rarely when idle, never in the lane's way.

It shares the lane's HTTP client and so its one-request-at-a-time rule: a beat goes only while the
lane holds nothing in hand. While the token is refused it is the slow probe that finds a new one.
Where the project's requests are used up (429) beats are the first to yield, to one in two days at
last, and come closer again one by one: a beat in ten minutes of 1,000 devices would leave nothing
for clips.

`sync active` is not denied while clips go up, because an app may begin to fetch them over
Bluetooth then: before the first clip a beat says it, unless the last one did, or beats yield. The
next one that is due takes it back if nothing goes up any more. Between two clips of a backlog the
beats that are due go too. So there are two beats an interval at most, and one when idle.
"""

import json

from device.compat import const, sleep_ms
from device.errors import DeviceError, NeedsOperator

_CHECK_MS = const(5_000)
_OFF_MS = const(60_000)
_REFUSED_MS = const(900_000)  # a refused token is asked about quarter-hourly at most
_ANNOUNCE_MS = const(60_000)  # after a beat that failed, before clips are announced again
_MOST_DOUBLINGS = const(8)
_FLAG_CHARGING = const(1)
_FLAG_LOW_BATTERY = const(2)
_FLAG_STORAGE_FULL = const(4)
_FLAG_WIFI = const(8)
_FLAG_LTE = const(16)
_FLAG_SYNC = const(32)
_LINK_CODES = "link_down dns_failed connect_failed connection_lost timeout portal".split()
_LOW_BATTERY_PCT = const(15)
_FULL_PCT = const(90)


class Heartbeat:
    """interval_s: from the settings, 0 switches it off. parts: the objects whose state it
    tells.
    """

    def __init__(self, cloud, lane, link, clock, interval_s, parts, log):
        self._cloud = cloud
        self._lane = lane
        self._link = link
        self._clock = clock
        self.interval_ms = interval_s * 1000
        self._parts = parts
        self._log = log
        self._next_up_ms = 0
        self._announce_up_ms = 0
        self.is_asking = 0  # beats under way, two at most: the board does not sleep
        self._said_sync = False  # in the last beat that arrived
        self._doublings = 0  # of the interval, while the project's requests are used up
        self.firmware = ""
        self.tend = None  # coroutine function, called after an accepted beat
        self.extras = 0  # keys of answers that nobody has told the form of: commands, updates
        self.sent = 0
        self.failed = 0

    async def run(self, check_in):
        while True:
            check_in(300_000)
            await sleep_ms(_CHECK_MS if self.interval_ms else _OFF_MS)
            if self.interval_ms and self._is_due():
                await self._beat()

    def spread(self, random_bits):
        """The power came: begin at a moment of this device's own."""
        self._next_up_ms = self._clock.uptime_ms() + (self.interval_ms * random_bits(5) >> 10)

    def rests_ms(self):
        """How long until a beat is due, however the link is; below 0: overdue for so long."""
        if not self.interval_ms or not self._cloud.has_token():
            return 86_400_000
        return self._next_up_ms - self._clock.uptime_ms()

    def _is_due(self):
        if not self._link.is_up() or self._lane.in_hand or not self._cloud.has_token():
            return False
        return self._clock.uptime_ms() >= self._next_up_ms

    async def announce(self):
        """The lane takes a clip now: a beat goes first if one is due, or the last one said that
        nothing is sent. Waits as long as a request may. Returns the Transient by which the cloud
        asked to be left alone, else None: any other failure is the beat's alone.
        """
        if not self.interval_ms or not self._cloud.has_token():
            return None
        now = self._clock.uptime_ms()
        may_say = not (self._said_sync or self._doublings) and now >= self._announce_up_ms
        if may_say or now >= self._next_up_ms:
            error = await self._beat()
            if error is not None and error.code == "throttled":
                return error
        return None

    async def _beat(self):
        """Send one; returns the DeviceError that it ended with, None if it was accepted."""
        self.is_asking += 1
        try:
            return await self._ask()
        finally:
            self.is_asking -= 1

    async def _ask(self):
        self._next_up_ms = self._clock.uptime_ms() + self.interval_ms
        is_sync = self._lane.is_sending
        was_refused = self._lane.reason.code == "auth_refused"
        try:
            self.extras += await self._cloud.heartbeat(json.dumps(self.body()).encode())
        except NeedsOperator as e:
            self.failed += 1
            self._log.warning("heartbeat refused %s", e)
            rest_ms = max(self.interval_ms, _REFUSED_MS)
            self._next_up_ms = self._announce_up_ms = self._clock.uptime_ms() + rest_ms
            return e
        except DeviceError as e:
            self.failed += 1
            self._announce_up_ms = self._clock.uptime_ms() + _ANNOUNCE_MS
            self._log.warning("heartbeat failed %s", e)
            if e.code == "throttled":
                self._doublings = min(self._doublings + 1, _MOST_DOUBLINGS)
                self._next_up_ms = self._clock.uptime_ms() + (self.interval_ms << self._doublings)
            if e.code in _LINK_CODES:
                self._link.exchange_failed(e.code)
            return e
        self.sent += 1
        self._said_sync = is_sync
        if self._doublings:
            self._doublings -= 1
            self._next_up_ms = self._clock.uptime_ms() + (self.interval_ms << self._doublings)
        self._link.exchange_succeeded()
        if was_refused:
            self._log.info("token is accepted again")
            self._lane.look_again()
        if self.tend is not None and not self._lane.in_hand:
            await self.tend()
        return None

    def body(self):
        """The fields of contract D2, with what this board knows."""
        battery, recorder, backlog, quota = self._parts
        kind = self._link.kind
        body = {"pending_recordings": backlog.waiting(), "connection_type": [kind]}
        rssi_dbm = self._link.rssi_dbm()
        if rssi_dbm is not None:
            body["signal_strength_dbm"] = rssi_dbm
        if self.firmware:
            body["firmware_version"] = self.firmware[:32]
        body["device_state"] = self._state(recorder, quota, battery)
        flags = _FLAG_LTE if kind == "4g" else _FLAG_WIFI
        percent = battery.percent()
        if percent is not None:
            body["battery_percent"] = percent
            if percent < _LOW_BATTERY_PCT:
                flags |= _FLAG_LOW_BATTERY
        if battery.is_charging():
            flags |= _FLAG_CHARGING
        if quota.used_pct() > _FULL_PCT:
            flags |= _FLAG_STORAGE_FULL
        if self._lane.is_sending:
            flags |= _FLAG_SYNC
        room = quota.as_dict()
        body["storage_total_mb"] = room["total_kb"] // 1024
        body["storage_used_mb"] = (room["total_kb"] - room["free_kb"]) // 1024
        body["flags"] = flags
        return body

    def _state(self, recorder, quota, battery):
        if recorder.reason.code == "storage_full":
            return "storageFull"
        if recorder.reason.code in ("storage_failed", "microphone_failed"):
            return "error"
        if recorder.is_recording():
            return "recording"
        if self._lane.is_sending:
            return "uploading"
        if battery.is_charging():
            return "charging"
        percent = battery.percent()
        return "lowBattery" if percent is not None and percent < _LOW_BATTERY_PCT else "idle"

    def as_dict(self):
        state = {"sent": self.sent, "failed": self.failed}
        if self.extras:
            state["not_understood"] = self.extras
        return state
