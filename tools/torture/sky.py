"""The weather of one history at work: what is bad now, and what it does to a request, a card, a
life. A kind of event is begun, ended and felt here and nowhere else (weather.py lists them).
"""

import errno
import random

from tools.torture.weather import WAYS

_MOVIE = "/flash/movie.mp4"  # somebody else's, that fills the card
_FINE = {
    "no_coverage": False, "portal": False, "dns": False, "outage": "", "throttle": None,
    "slow_ms": 0, "ntp": "", "ntp_step_s": 0, "card_slow": 0, "url_refused": False,
    "hush": False,
}  # fmt: skip
_CARD_STEPS = ("read", "write", "create", "sync", "remove", "mkdir")


class PowerCut(SystemExit):
    """Passes every handler of the device's code and asyncio, as the end of the power does."""


class Reboot(PowerCut):
    pass


class PlannedReset(Reboot):
    """The device's own wish, at a moment that it chose: it excuses no loss."""


class Sky:
    """weather: weather.Weather; world: whom it falls on. state: what wire and medium ask."""

    def __init__(self, weather, world):
        self.weather = weather
        self.state = dict(_FINE)
        self.last_cut = None
        self.is_calm = False
        self.calm_ms = None
        self._world = world
        self._active = []
        self._dice = {}
        self._tokens = 0
        self._cut_in_steps = None
        self._pending_cut = None
        self.minds_steps = False  # whether step() has anything to do

    def schedule(self):
        """(at ms, what to do) of everything that is to come, in order."""
        plan = []
        for event in self.weather.events:
            at_ms = event["at_s"] * 1000
            plan.append((at_ms, lambda event=event: self._begin(event)))
            if "for_s" in event:
                ends_ms = at_ms + event["for_s"] * 1000
                plan.append((ends_ms, lambda event=event: self._end(event)))
            if event["what"] == "flapping":
                for n in range(1, min(40, event["for_s"] // event["every_s"])):
                    turn_ms = at_ms + n * event["every_s"] * 1000
                    plan.append((turn_ms, lambda on=n & 1: self._reach(not on)))
        plan.append((self.weather.end_s() * 1000 + 1000, self._calm))
        plan.sort(key=lambda entry: entry[0])
        return plan

    def new_token(self):
        """A token that the cloud takes from now on; a secret of the history."""
        world = self._world
        self._tokens += 1
        token = f"dtok_{self.weather.seed}_{self._tokens}_secretsecret"
        world.model.tokens[token] = "dev_month"
        world.history.secrets.append(token)
        return token

    # Felt by the device.

    def step(self, what):
        """An operation of medium or network, before or after which the world may end. To be called
        while minds_steps: most of a month nothing is planned.
        """
        if self._cut_in_steps is not None and self._world.loop:
            self._cut_in_steps -= 1
            if self._cut_in_steps < 0:
                self._cut()
        if self._active and what in _CARD_STEPS:
            self._fail_card(what)

    def _cut(self):
        event, self._pending_cut, self._cut_in_steps = self._pending_cut, None, None
        self.last_cut = event
        self._world.medium.power_on()  # files that are open are dead from here on
        raise (PowerCut if event["what"] == "cut" else Reboot)()

    def _fail_card(self, what):
        world = self._world
        for event in self._active:
            if event["what"] != "card_fails" or (event["on"] == "read") != (what == "read"):
                continue
            if self._dice[id(event)].random() * 100 < event["chance_pct"]:
                world.add("failure", heard=world.microphone.position)
                raise OSError(errno.EIO, "the card fails")

    def of_request(self, route):
        """What becomes of a request of this route, {} for nothing bad (wire.py reads it)."""
        state = self.state
        if state["portal"]:
            return {"before": True, "kind": "reset"}
        if state["outage"]:
            if state["outage"] == "error":
                return {"before": True, "kind": "status", "status": 503}
            kind = "silence" if state["outage"] == "black_hole" else "reset"
            return {"before": True, "kind": kind}
        if state["throttle"] and route != "put":
            after = state["throttle"]["retry_after_s"]
            headers = [("Retry-After", after)] if after else []
            return {"before": True, "kind": "status", "status": 429, "headers": headers,
                    "is_json": True, "code": "rate_limit_exceeded"}  # fmt: skip
        if state["url_refused"] and route == "put":
            return {"refuse": (403, "AccessDenied")}
        for event in self._active:
            dice = self._dice[id(event)]
            if event["what"] == "corrupt" and route == "put":
                return {"corrupt": dice.random() * 100 < event["chance_pct"]}
            if event["what"] == "lossy" and dice.random() * 100 < event["chance_pct"]:
                return _way(dice)
        return {}

    def of_body(self, connection):
        """A piece of a request has gone, more is to come."""
        self._world.step("piece sent")
        for event in self._active:
            if event["what"] == "lossy":
                if self._dice[id(event)].random() * 300 < event["chance_pct"]:
                    connection.die()

    # Comes and goes.

    def _begin(self, event):
        what, world = event["what"], self._world
        if what in ("cut", "reboot"):
            if world.loop and self._cut_in_steps is None:
                self._pending_cut = event
                self._cut_in_steps = event["steps"]
                self.minds_steps = True
            return
        if what == "take":
            world.press(True)
            return
        # Each event has dice of its own, so that it falls the same when others are left away.
        dice = random.Random(f"{self.weather.seed} {sorted(event.items())}")
        if what == "wanted":
            world.ask_for(dice)
            return
        if what == "rebound":
            world.model.tokens.clear()
            world.secrets.rebind(self.new_token())
            return
        self._active.append(event)
        self._dice[id(event)] = dice
        if what == "revoked":
            world.model.tokens.clear()
        elif what == "rtc_step":
            world.clock.step(event["step_s"])
        elif what == "card_full":
            room = world.medium.room() - event["room_kb"] * 1024
            if room > 0 and _MOVIE not in world.medium.files:
                world.medium.put(_MOVIE, bytes(room))
        self._update()

    def _end(self, event):
        what = event["what"]
        if what == "take":
            self._world.press(False)
            return
        if event not in self._active:
            return
        self._active.remove(event)
        if not any(other["what"] == what for other in self._active):
            if what == "revoked":
                self._world.secrets.provision(self.new_token())
            elif what == "card_full":
                self._make_room()
        if what == "flapping":
            self._reach(True)
        self._update()

    def _calm(self):
        """Everything is well again, and stays so."""
        world = self._world
        self._active.clear()
        self.is_calm = True
        self._cut_in_steps = self._pending_cut = None
        if not world.model.tokens:
            world.secrets.provision(self.new_token())
        self._make_room()
        self._update()
        self.state["no_coverage"] = False
        self.calm_ms = world.now_ms
        world.add("calm", until_ms=world.now_ms)
        world.press(False)
        if world.loop:
            world.watch_rest()

    def _make_room(self):
        if _MOVIE in self._world.medium.files:
            self._world.medium.take(_MOVIE)

    def _update(self):
        self.minds_steps = bool(self._active) or self._cut_in_steps is not None
        state = dict(_FINE)
        model = self._world.model
        model.verification_polls = 0
        for event in self._active:
            what = event["what"]
            if what in ("no_coverage", "portal", "dns", "url_refused", "hush"):
                state[what] = True
            elif what == "outage":
                state["outage"] = event["how"]
            elif what == "throttle":
                state["throttle"] = event
            elif what == "slow":
                state["slow_ms"] = event["delay_ms"]
            elif what == "pending":
                model.verification_polls = event["polls"]
            elif what == "ntp":
                state["ntp"] = event["how"]
                state["ntp_step_s"] = event["step_s"] if event["how"] == "wrong" else 0
            elif what == "card_slow":
                state["card_slow"] = event["stall_ms"]
        was_away = self.state["no_coverage"]
        self.state = state
        if state["no_coverage"] and not was_away:
            self._reach(False)

    def _reach(self, is_in_reach):
        if not is_in_reach:
            self._world.wifi.drop()
            self._world.net.drop_all()
        self.state["no_coverage"] = not is_in_reach


def _way(dice):
    """One of the ways in which a lossy network fails a request."""
    way = dice.choice(WAYS)
    if way == "status":
        return {"before": True, "kind": "status", "status": dice.choice((500, 502, 408))}
    if way == "page":
        return {"before": True, "kind": "status", "status": 200}
    kind, _, when = way.partition("_")
    if when in ("before", "after"):
        return {when: True, "kind": kind}
    return {"kind": way}
