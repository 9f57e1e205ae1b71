"""Lets the device's own code live through the script; what happened is kept for the judge."""

import gc

from tools.torture import bend, blocks, clockwork, month, weather, world
from tools.torture.fortnight import script, ways

# FLAC at 30 dB takes a byte for two samples and a bit (docs/codec.md).
_SAMPLES_A_BYTE = 2
_LOOK_MS = 30_000  # so late may a look of the device come while it has nothing to do
_CAPACITY_BYTES = 64 * 1024 * 1024
_SETTINGS = world.SETTINGS | script.RULES
_REQUESTS_AN_HOUR = 600  # forty clips wait for the way home


class Fortnight(world.World):
    """bytes: [(second, "wifi" or "4g", bytes on the wire)]; said: [(second, reason of the lane, or
    "" while the board is without power)].
    """

    board_of = ways.Board

    def __init__(self, days=script.DAYS):
        self.days = days
        self.here = script.places()[0][1]
        super().__init__(weather.Weather(1, script.DAYS, []))
        self.history.limits["requests_an_hour"] = _REQUESTS_AN_HOUR
        self.medium.capacity_bytes = _CAPACITY_BYTES
        self.wifi, self.net = ways.Wifi(self), ways.Net(self)
        self.modem = None  # until a board asks for it
        self.settings = dict(_SETTINGS)
        self.bytes = []
        self.said = []

    def unix_ms(self):
        return 1000 * script.START_UNIX_S + self.now_ms

    def way(self):
        """The way that is up, or None."""
        if self.wifi.is_up():
            return "wifi"
        return "4g" if self.modem and self.modem.carries() else None

    def crossed(self, size):
        way = self.way()
        if way and size:
            self.bytes.append((self.now_ms / 1000, way, size))

    def lane_says(self, code):
        if not self.said or self.said[-1][1] != code:
            self.said.append((self.now_ms / 1000, code))

    # The script at work.

    def plan(self):
        """(at ms, what to do), in order; the end is waited for as in a month."""
        plan = [(1000 * s, lambda place=place: self._go(place)) for s, place in script.places()]
        for at_s, for_s in script.takes():
            plan.append((1000 * at_s, lambda: self.press(True)))
            plan.append((1000 * (at_s + for_s), lambda: self.press(False)))
        for at_s, may_roam in script.permissions():
            plan.append((1000 * at_s, lambda may=may_roam: self._allow(may)))
        for at_s, off_s in script.power_cuts():
            event = {"what": "cut", "off_s": off_s}
            plan.append((1000 * at_s, lambda event=event: self._end_life(event)))
        end_ms = 1000 * self.days * script.DAY_S
        plan = [entry for entry in plan if entry[0] < end_ms] + [(end_ms, self.sky._calm)]
        return sorted(plan, key=lambda entry: entry[0])

    def _go(self, place):
        self.here = place
        self.wifi.moved(place)
        if self.modem:
            self.modem.moved(place)
        if self.loop and self.way() is None:
            self.net.drop_all()

    def _allow(self, may_roam):
        if self.settings.get("cellular.roaming", False) != may_roam:
            self.settings["cellular.roaming"] = may_roam
            self._end_life({"what": "reboot"})

    def _end_life(self, event):
        if self.loop:
            self.lane_says("")
            self.modem.board_stops(event["what"] == "cut")
            self.sky._pending_cut = event
            self.sky._cut()


def run(days: int = script.DAYS) -> Fortnight:
    """The script, or its first days. Bends the device's code in this process: call it once."""
    blocks._SAMPLES_A_BYTE = _SAMPLES_A_BYTE
    clockwork.Loop.grid_ms = _LOOK_MS
    bend.install(_SETTINGS)
    place = Fortnight(days)
    bend.Hook.world = place
    bend.module("config_kept").load_settings = lambda *_: (_settings(place), [], None)
    _listen(bend.module("reasons"))
    gc.disable()
    try:
        place.sky.schedule = place.plan
        month.live(place)
    finally:
        gc.enable()
    place.finish()
    return place


def _settings(place):
    settings = bend.module("config").defaults()
    settings.update(place.settings)
    return settings


def _listen(reasons):
    """Hear each reason of the lane as it is set."""
    set_reason = reasons.Reason.set

    def told(self, code, *details, **more):
        set_reason(self, code, *details, **more)
        if self._table is reasons.LANE:
            bend.Hook.world.lane_says(code)

    reasons.Reason.set = told
