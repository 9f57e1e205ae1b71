"""The way out: keeps one of several open, says "up" or why not. Only a real exchange proves it.

Ways (each Wi-Fi network, 4G) are tried in the order of the settings, one at a time. States:

    down ─start─▶ joined: has an address, may be tried ─any answer of the cloud─▶ proved
      ▲                │ address lost · probes failed, which follow an exchange that failed
      └──── leave ◀────┘

A way that died, or did not start, rests while another one is there, for longer each time; when the
rest of a better way is over and no clip is in hand, it is tried again: so rests are the hysteresis
of failing over and back. Each death without a proof in between is a rung of the way's ladder
(`_STEPS` of wifi.py and cellular.py), and after the last one reset is planned, once an outage.
docs/link.md has the times.
"""

from device.compat import const, sleep_ms, ticks_add, ticks_diff, ticks_ms
from device.errors import DeviceError

_WATCH_MS = const(1_000)
_RETRY_FIRST_MS = const(2_000)
_RETRY_CAP_MS = const(300_000)
_REST_FIRST_MS = const(300_000)
_REST_CAP_MS = const(3_600_000)
_STEADY_MS = const(600_000)  # proved for so long, a way's next rest is a short one again
_PROVE_MS = const(15_000)  # nobody exchanged anything for so long after joining: we ask
_DOUBT_MS = const(3_000)  # after an exchange of others has failed: we ask
_ASK_AGAIN_MS = const(20_000)
_ASK_RARELY_MS = const(60_000)  # the way is open, or nothing that we do changes it
_DEAD_PROVED = const(3)  # probes in a row
_DEAD_UNPROVED = const(2)
_AWAY_OFTEN = const(3)  # the cloud is away for so many probes: perhaps another way reaches it
_WISH_MS = const(600_000)  # how long a clip in hand may delay a better way
_LAST_RUNG = const(3)
_RESET_DEATHS = const(8)  # without any proof; about a quarter of an hour
_CHECK_IN_MS = const(300_000)  # above one probe

# What may be cured by switching something off and on; the rest is the world's, or somebody's.
_CURABLE = "link_down link_dead wifi_error modem_silent sim_absent sim_busy no_carrier ppp_failed"
# Somebody else answers in place of the cloud: joining again would bring the same.
_IN_THE_WAY = ("portal", "tls_untrusted", "tls_wrong_name")
_UNSURE = ("low_memory", "tls_dates")  # says nothing about the way


class Standing:
    """A way and how it stands with us."""

    def __init__(self, way):
        self.way = way
        self.rung = 0
        self.rest_ms = _REST_FIRST_MS
        self.rests_until = None  # ticks

    def rests(self):
        if self.rests_until is not None and ticks_diff(self.rests_until, ticks_ms()) <= 0:
            self.rests_until = None
        return self.rests_until is not None

    def rest(self):
        self.rests_until = ticks_add(ticks_ms(), self.rest_ms)
        self.rest_ms = min(2 * self.rest_ms, _REST_CAP_MS)


class Link:
    """ways: most wanted first; changed(is_up): told at each change; is_idle(): no clip in hand;
    probe(): coroutine, see link/probe.py; plan_reset(reason), or None where nobody can; slots:
    durable (store.slots).
    """

    def __init__(self, ways, changed, log, is_idle, probe, plan_reset, slots):
        self._standings = [Standing(way) for way in ways]
        self._changed = changed
        self._log = log
        self._idle = is_idle
        self._ask = probe
        self._plan_reset = plan_reset
        self._slots = slots
        self._kept = _read(slots)  # "good": the last Wi-Fi that was proved; "reset": planned one
        self._current = None
        self._address = None
        self._up = False
        self._wish = False  # a better way waits until no clip is in hand
        self._held = None  # a reason, while the radios have to be off
        self._is_doubted = False
        self._probe_ticks_ms = 0
        self._misses = self._aways = 0  # probes in a row
        self._deaths = 0
        self.proved = False
        self.trouble = ""
        self.reason = "link_down" if ways else "no_wifi_configured"
        self.joins = 0

    def is_up(self):
        """True if something may be sent now."""
        return self._up and not self._wish

    def exchange_succeeded(self):
        """An answer came: the way is open, whatever the answer said."""
        self._is_doubted = False
        self._misses = self._aways = 0
        self.trouble = ""
        self.proved = True

    def exchange_failed(self):
        """Name, connection or answer did not come, or came from somebody else: we ask ourselves,
        because what did not answer may be the cloud.
        """
        is_late = ticks_diff(self._probe_ticks_ms, ticks_ms()) > _DOUBT_MS
        if not self._is_doubted and (self.proved or is_late):
            self._look_in(_DOUBT_MS)
        self._is_doubted = True

    def hold(self, reason):
        """Radios off until release(): somebody needs the current. reason: of reasons.LANE."""
        self._held = reason

    def release(self):
        self._held = None

    async def run(self, check_in):
        """Keep the link for ever."""
        if self._up:  # this task fell over for want of memory
            await self._leave("link_down")
        retry_ms = _RETRY_FIRST_MS
        while True:
            check_in(_CHECK_IN_MS)
            if self._held or not self._standings:
                self._set(False, self._held or "no_wifi_configured")
                await sleep_ms(_WATCH_MS)
                continue
            standing = self._choose()
            check_in(standing.way.limit_ms)
            if await self._start(standing):
                retry_ms = _RETRY_FIRST_MS
                await self._leave(await self._watch(standing, check_in))
            elif self._is_anyone_ready():
                continue
            else:
                check_in(_CHECK_IN_MS + retry_ms)
                await sleep_ms(retry_ms)
                retry_ms = min(2 * retry_ms, _RETRY_CAP_MS)

    def _is_anyone_ready(self):
        return len(self._standings) > 1 and not all([s.rests() for s in self._standings])

    def _choose(self):
        """The first way that does not rest, of Wi-Fi the one that was good last; if all rest, the
        one whose rest ends first.
        """
        ready = [s for s in self._standings if not s.rests()]
        if not ready:
            now = ticks_ms()
            return min(self._standings, key=lambda s: ticks_diff(s.rests_until, now))
        first = ready[0]
        if self.reason == "link_changing":
            return first
        for standing in ready:
            way = standing.way
            if way.kind == first.way.kind == "wifi" and way.name == self._kept.get("good"):
                for better in ready[: ready.index(standing)]:
                    better.rest()
                return standing
        return first

    async def _start(self, standing):
        way = self._current = standing.way
        self.joins += 1
        try:
            await way.start(standing.rung)
        except DeviceError as e:
            self._log.warning("%s failed way=%s reason=%s", way.step, way.kind, e)
            await self._leave(e.code)
            self._died(standing, e.code)
            return False
        self._address = way.address()
        self.exchange_succeeded()
        self.proved = False
        self._look_in(_PROVE_MS)
        self._set(True, "link_down")
        return True

    async def _watch(self, standing, check_in):
        """Until the way has to be left; returns the reason."""
        way = standing.way
        is_booked = False
        joined = wished = ticks_ms()
        while True:
            check_in(_CHECK_IN_MS)
            if self._held:
                return self._held
            if not way.is_up():
                return "link_down"
            if way.address() != self._address:
                self._log.warning("address changed way=%s", way.kind)
                self._address = way.address()
                self._changed(False)  # what was open belongs to the old one
                self._changed(True)
            if self.proved and not is_booked:
                is_booked = True
                joined = ticks_ms()
                self._book(standing)
            if is_booked and ticks_diff(ticks_ms(), joined) > _STEADY_MS:
                standing.rest_ms = _REST_FIRST_MS
            if self._is_due():
                code = self._judge(await self._ask())
                if code:
                    return self._died(standing, code)
            if not self._wish:
                self._wish = self._better(standing) is not None
                wished = ticks_ms()
            elif self._idle():
                return "link_changing"
            elif ticks_diff(ticks_ms(), wished) > _WISH_MS:
                self._better(standing).rest()
                self._wish = False
            await sleep_ms(_WATCH_MS)

    def _is_due(self):
        """True if a probe is wanted now, and nobody else uses the connection."""
        if self.proved and not self._is_doubted or not self._idle():
            return False
        return ticks_diff(self._probe_ticks_ms, ticks_ms()) <= 0

    def _judge(self, code):
        """What a probe found; returns why the way has to be left, or None."""
        if not code:
            self.exchange_succeeded()
            return None
        self.trouble = code
        self._log.warning("probe way=%s reason=%s", self._current.kind, code)
        if code != "away" and code not in _IN_THE_WAY and code not in _UNSURE:
            self._misses += 1
            self._aways = 0
            self._look_in(_ASK_AGAIN_MS)
            dead = _DEAD_PROVED if self.proved else _DEAD_UNPROVED
            return "link_dead" if self._misses >= dead else None
        self._misses = 0  # something answers
        self._aways = self._aways + 1 if code == "away" else 0
        self._look_in(_ASK_RARELY_MS)
        if code in _UNSURE or not self._is_anyone_else_ready():
            return None
        if code == "away":
            return "connect_failed" if self._aways >= _AWAY_OFTEN else None
        return code

    def _is_anyone_else_ready(self):
        return any([s.way is not self._current and not s.rests() for s in self._standings])

    def _better(self, standing):
        """A way before this one whose rest is over, or None."""
        for other in self._standings:
            if other is standing:
                return None
            if not other.rests():
                return other

    def _book(self, standing):
        """The way is proved: its ladder begins anew, and the next start begins with it."""
        self._log.info("link proved way=%s", standing.way.kind)
        standing.rung = self._deaths = 0
        good = standing.way.name if standing.way.kind == "wifi" else self._kept.get("good")
        if good != self._kept.get("good") or "reset" in self._kept:
            self._keep({"good": good} if good else {})

    def _died(self, standing, code):
        """Count a death; returns the reason."""
        if code in _CURABLE.split():
            standing.rung += 1
            self._deaths += 1
            if standing.rung > _LAST_RUNG and self._deaths >= _RESET_DEATHS:
                self._reset(code)
        if len(self._standings) > 1:
            standing.rest()
        return code

    def _reset(self, code):
        """The last rung, once an outage: what a reset does not cure, ten will not."""
        if self._plan_reset and "reset" not in self._kept:
            self._log.error("reset is planned reason=%s", code)
            self._keep({"good": self._kept.get("good"), "reset": 1})
            self._plan_reset(code)

    def _keep(self, value):
        self._kept = value
        try:
            if self._slots:
                self._slots.write(value)
        except OSError as e:
            self._log.warning("link state not kept errno=%s", e.errno)

    async def _leave(self, reason):
        self._wish = False
        self._set(False, reason)
        await self._current.leave()

    def _look_in(self, delay_ms):
        """The next probe, if one is wanted then."""
        self._probe_ticks_ms = ticks_add(ticks_ms(), delay_ms)

    def _set(self, up, reason):
        if up != self._up or reason != self.reason:
            way = self._current.kind if self._current else "-"
            self._log.info(
                "link %s way=%s reason=%s", "up" if up else "down", way, "-" if up else reason
            )
        self.reason = reason
        if up != self._up:
            self._up = up
            self._changed(up)

    @property
    def kind(self):
        """ "wifi" or "4g"; None before the first start."""
        return self._current.kind if self._current else None

    def rssi_dbm(self):
        return self._current.rssi_dbm() if self._current else None

    def as_dict(self):
        state = {"up": self._up, "proved": self._up and self.proved, "way": self.kind}
        state["joins"] = self.joins
        state["step"] = self._current.step if self._current else ""
        if "reset" in self._kept:
            state["reset_planned"] = True
        state["rssi_dbm"] = self.rssi_dbm()
        if self.trouble:
            state["trouble"] = self.trouble
        if not self._up:
            state["reason"] = self.reason
        return state


def _read(slots):
    try:
        return slots and slots.read() or {}
    except OSError:
        return {}
