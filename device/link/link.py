"""The way out: keeps one of several open, says "up" or why not. Only a real exchange proves it.

Ways (each Wi-Fi network, 4G) are tried in the order of the settings, one at a time. States:

    down ─start─▶ joined: has an address, may be tried ─any answer of the cloud─▶ proved
      ▲                │ address lost · probes failed, which follow an exchange that failed
      └──── leave ◀────┘

A way that died, or did not start, rests while another one is there, for longer each time; when the
rest of a better way is over and no clip is in hand, it is tried again: so rests are the hysteresis
of failing over and back. Each death without a proof in between is a rung of the way's ladder
(`_STEPS` of wifi.py and cellular.py), and after the last one reset is planned, once an outage.
What follows from an event stands in rules.py, loaded for it; docs/link.md has the times.
"""

import asyncio

from device.compat import (
    WAIT_ERRORS,
    const,
    forget_module,
    sleep_ms,
    ticks_add,
    ticks_diff,
    ticks_ms,
    wait_for_ms,
)
from device.errors import DeviceError

_WATCH_MS = const(1_000)
_QUIET_LOOKS = const(5)  # so many in one, while nothing is sent and nothing is in doubt
_RETRY_FIRST_MS = const(2_000)
_RETRY_CAP_MS = const(300_000)
_PROVE_MS = const(15_000)  # nobody exchanged anything for so long after joining: we ask
_DOUBT_MS = const(3_000)  # after an exchange of others has failed: we ask
_STEADY = const(600)  # looks: proved for so long, the way's next rest is a short one again
_WISH_MS = const(600_000)  # how long a clip in hand may delay a better way
_CHECK_IN_MS = const(300_000)  # above one probe
_START_MS = const(600_000)  # above the sum of what dialling waits for


class Way:
    """kind: "wifi" or "4g"; name: of the network; port: wifi or modem; settings: of 4G.

    How it is started and left stands in wifi.py and cellular.py, loaded for it; how it stands with
    us in rung (of its ladder), rest_ms, rests_until (ticks, or None) and has_time (a time server
    answers there).
    """

    def __init__(self, kind, name, port, secrets, settings=None):
        self.kind = kind
        self.name = name
        self.port = port
        self.secrets = secrets
        self.settings = settings
        self.step = ""
        self.rung = self.rest_ms = 0
        self.rests_until = None
        self.has_time = self.is_stuck = self.is_held = False


class Link:
    """ways: most wanted first; changed(is_up): told at each change; is_idle(): no clip in hand;
    probe(is_doubted): coroutine, see link/probe.py; plan_reset(reason), or None where nobody can;
    slots: durable (store.slots), or None; permits(kind) -> (reason, ms) or (None, 0): what closes
    a way now (planner.shut), None where nothing is limited; may be put in later.
    """

    def __init__(self, ways, changed, log, is_idle, probe, plan_reset, slots, permits=None):
        self.ways = ways
        self.log = log
        self.plan_reset = plan_reset
        self.slots = slots
        self.permits = permits
        self.barred = None  # a reason for which the settings close a way now (rules.choose)
        self.kept = None  # of rules.py, once it was read
        self.current = None
        self.better_ticks_ms = None  # when a better way may be tried, or None
        self.probe_ticks_ms = 0
        self.misses = self.aways = 0  # probes in a row
        self.deaths = 0
        self._changed = changed
        self._idle = is_idle
        self._probe = probe
        self._up = False
        self._wish = False  # a better way waits until no clip is in hand
        self._held = None  # a reason, while the radios have to be off
        self._is_resting = False
        self._moved = asyncio.Event()
        self._again_ticks_ms = None  # when the next attempt comes, while one is waited for
        self._heard = ""  # who answered in place of the cloud
        self.is_doubted = False
        self.proved = False
        self.trouble = ""
        self.reason = "link_down" if ways else "no_wifi_configured"
        self.joins = 0

    def is_up(self):
        """True if something may be sent now."""
        return self._up and not self._wish

    def hold(self, reason):
        """Radio off until release(). reason: why, a code of reasons.LANE."""
        if reason != self._held:
            self._held = reason
            if self.current:
                self.current.is_held = bool(reason)
            self._moved.set()

    def release(self):
        self.hold(None)

    def shut(self):
        """(reason, ms until it may end or 0) if a rule of the settings keeps us down, else
        (None, 0).
        """
        for way in self.ways if self.permits and not self._up else ():
            code, left_ms = self.permits(way.kind)
            if code and code == self.reason:
                return code, left_ms
        return None, 0

    def look_again(self):
        """A rule that closed a way may hold no longer."""
        if not (self._up or self._held):
            self._set(False, "link_down")
            self._moved.set()

    def is_resting(self):
        """True once the radio is off because of hold()."""
        return self._is_resting

    def pause_ms(self):
        """How long the radio is off anyway, until the next attempt to join; 0: it is on."""
        if self._again_ticks_ms is None:
            return 0
        return max(0, ticks_diff(self._again_ticks_ms, ticks_ms()))

    def way(self):
        """The way that is up, or None."""
        return "wifi" if self._up else None

    def exchange_succeeded(self):
        """An answer came: the way is open, whatever the answer said."""
        self.is_doubted = False
        self.misses = self.aways = 0
        self._heard = self.trouble = ""
        self.proved = True

    def exchange_failed(self, code):
        """Name, connection or answer did not come, or came from somebody else (code). We ask
        ourselves before the way is blamed: what did not answer may be the cloud.
        """
        self._heard = code
        if not self.is_doubted:
            self.is_doubted = True
            if self._up:
                self._moved.set()  # look at once
            due = ticks_add(ticks_ms(), _DOUBT_MS)
            if self.proved or ticks_diff(self.probe_ticks_ms, due) > 0:
                self.probe_ticks_ms = due

    def time_came(self):
        """A time server answered: over this way it is a witness."""
        if self.current:
            self.current.has_time = True

    async def run(self, check_in):
        """Keep the link for ever."""
        if self._up:  # this task fell over for want of memory
            await self._leave("link_down")
        retry_ms = _RETRY_FIRST_MS
        while True:
            check_in(_CHECK_IN_MS + _RETRY_CAP_MS)
            self._is_resting = bool(self._held)
            if self._held or not self.ways:
                retry_ms = _RETRY_FIRST_MS
                self._set(False, self._held or "no_wifi_configured")
                await self._pause(_RETRY_CAP_MS)
                continue
            way = self.ways[0]
            if len(self.ways) > 1 or self.permits:
                way = self._rule("choose")
            if way is None:
                self._set(False, self.barred)
                await self._pause(min(_RETRY_CAP_MS, self.shut()[1] or _RETRY_CAP_MS))
                continue
            self.current = way
            way.is_held = False
            check_in(_START_MS)
            if await self._start(way):
                retry_ms = _RETRY_FIRST_MS
                await self._leave(await self._watch(way, check_in))
            elif not self._held and not self._rule("is_anyone_ready"):
                check_in(_CHECK_IN_MS + _RETRY_CAP_MS)
                await self._pause(retry_ms)
                retry_ms = min(2 * retry_ms, _RETRY_CAP_MS)

    async def _pause(self, duration_ms):
        """Stay down for so long, or until it is held or released."""
        if not self._moved.is_set():
            self._again_ticks_ms = ticks_add(ticks_ms(), duration_ms)
            await self._until_moved(duration_ms)
            self._again_ticks_ms = None
        self._moved.clear()

    async def _until_moved(self, limit_ms):
        try:
            await wait_for_ms(self._moved.wait(), limit_ms)
        except WAIT_ERRORS:
            pass

    def _rule(self, name, *arguments):
        from device.link import rules

        forget_module("device.link.rules")
        return getattr(rules, name)(self, *arguments)

    async def _start(self, way):
        self.joins += 1
        try:
            await _module_of(way).start(way, self.log)
        except DeviceError as e:
            self.log.warning("%s failed way=%s reason=%s", way.step, way.kind, e)
            held = self._held  # it was interrupted: no fault of the way
            code = self.barred if self.barred and e.code == "wifi_not_found" else e.code
            await self._leave(held or code)
            if not held:
                self._rule("died", way, e.code)
            return False
        self.exchange_succeeded()
        self.proved = False
        self.probe_ticks_ms = ticks_add(ticks_ms(), _PROVE_MS)
        self._set(True, "link_down")
        return True

    async def _watch(self, way, check_in):
        """Until the way has to be left; returns the reason."""
        port = way.port
        address = port.address()
        is_booked = False
        steady = 0
        wished = ticks_ms()
        if way is self.ways[0]:
            self.better_ticks_ms = None
        else:
            self._rule("look_for_better")
        while True:
            check_in(_CHECK_IN_MS)
            code = self._forbidden(way)
            if code:
                return code
            if port.address() != address:
                self.log.warning("address changed way=%s", way.kind)
                address = port.address()
                self._changed(False)  # what was open belongs to the old one
                self._changed(True)
            is_idle = self._idle()
            if self.proved and not is_booked and is_idle:  # rules take memory, which a clip needs
                is_booked = True
                self._rule("book")
            is_quiet = is_booked and is_idle and not self.is_doubted and not self._wish
            looks = _QUIET_LOOKS if is_quiet and self.better_ticks_ms is None else 1
            steady += is_booked * looks
            if steady >= _STEADY:
                way.rest_ms = 0
            if (self.is_doubted or not self.proved) and is_idle:
                code = await self._look_out()
                if code:
                    return code
            now = ticks_ms()
            if self._wish:
                if is_idle and self._idle():
                    return "link_changing"
                if ticks_diff(now, wished) > _WISH_MS:
                    self._wish = False
                    self._rule("look_for_better")
            elif self.better_ticks_ms is not None:
                self._wish = ticks_diff(self.better_ticks_ms, now) <= 0
                wished = now
            await (sleep_ms(_WATCH_MS) if looks == 1 else self._until_moved(looks * _WATCH_MS))
            if not self._held:
                self._moved.clear()

    def _forbidden(self, way):
        """Why the way may not stay, or None."""
        if self._held:
            return self._held
        if not way.port.is_up():
            return "link_down"
        if self.permits and self._idle():
            code = self.permits(way.kind)[0]
            if code != "clock_wait":  # the way may tell the time
                return code
        return None

    async def _look_out(self):
        """Probe when it is time to; returns why the way has to be left, or None."""
        if ticks_diff(self.probe_ticks_ms, ticks_ms()) > 0:
            return None
        return self._rule("judge", await self._probe(self.is_doubted), self._heard)

    async def _leave(self, reason):
        self._wish = False
        self._set(False, reason)
        await _module_of(self.current).leave(self.current, self.log)

    def _set(self, up, reason):
        if up != self._up or reason != self.reason:
            said = "up" if up else "down"
            self.log.info("link %s way=%s reason=%s", said, self.kind, "-" if up else reason)
        self.reason = reason
        if up != self._up:
            self._up = up
            self._changed(up)

    @property
    def kind(self):
        """ "wifi" or "4g"; None before the first start."""
        return self.current.kind if self.current else None

    def rssi_dbm(self):
        return self.current.port.rssi_dbm() if self.current else None

    def as_dict(self):
        state = {"up": self._up, "proved": self._up and self.proved, "way": self.kind}
        state["joins"] = self.joins
        state["step"] = self.current.step if self.current else ""
        state["rssi_dbm"] = self.rssi_dbm()
        if self.trouble:
            state["trouble"] = self.trouble
        if not self._up:
            state["reason"] = self.reason
        return state


def _module_of(way):
    if way.kind == "wifi":
        from device.link import wifi as module

        forget_module("device.link.wifi")
    else:
        from device.link import cellular as module

        forget_module("device.link.cellular")
    return module
