"""The weather: what the world does to a recorder in a month. A seed gives one, a file holds one.

A file is JSON: {"seed": 7, "days": 30, "events": [{"at_s": 3600, "what": "take", "for_s": 8}]},
and "settings": {"storage.evict": "oldest"} where the recorder has others than the months' own.
Every event stands alone (what is random in it has a generator of its own), so that a history can
be shrunk by leaving events away. Kinds, all with at_s, most with for_s:

    take            somebody presses the button, and again after for_s
    no_coverage     the network is out of reach
    flapping        the network comes and goes, every_s
    portal          a sign-in page in place of everything
    dns             names are not resolved
    outage          how: refuse, black_hole, error (5xx)
    throttle        429, retry_after_s or none
    lossy           each request fails by chance_pct, in one of WAYS
    slow            answers take delay_ms longer
    pending         complete answers 425 so many polls
    url_refused     storage refuses URLs as expired
    corrupt         storage damages what it stores
    revoked         the token is refused; a new one comes after for_s
    rebound         somebody else gets the recorder: a new token, the clips before it stay apart
    wanted          somebody asks for one of the clips that wait
    ntp             how: silent, or wrong by step_s
    rtc_step        the board's own clock jumps by step_s
    card_full       somebody else's file takes all room but room_kb
    card_fails      calls of the medium fail by chance_pct; on: read, write
    card_slow       each change of the medium takes stall_ms longer, some 250 ms
    cut             the power goes after so many steps of medium and network, for off_s
    reboot          the board is reset after so many steps; its own clock runs on
    hush            nobody speaks: a recorder that leaves silence out hears nothing
"""

import dataclasses
import json
import random

DAY_S = 86_400
WAYS = (
    "status",
    "page",
    "reset_before",
    "reset_after",
    "silence_before",
    "silence_after",
    "truncated",
    "close",
    "other_id",
)
EVICT_ORDERS = ("oldest", "quietest", "lowest_priority")
_REFUSAL_S = 3 * DAY_S  # a recording more after each 24 h, if it is not kept in mind
_EVICTS_EVERY = 5  # seeds: one whose recorder may evict
_KEPT_BACK = ("no_coverage", "outage", "revoked", "portal", "lossy", "slow")
_SILENCE = {
    "recording.leave_out_silence": True,
    "recording.clip_length_s": 20,  # room for the eight pauses that a clip may have
    "activity.hang_over_s": 1,
    "activity.above_floor_db": 0,
}
_STEPS_OF_A_TAKE = 180  # and its way to the cloud: counted, a take of one clip


@dataclasses.dataclass
class Weather:
    seed: int
    days: int
    events: list[dict]
    settings: dict = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        value = dataclasses.asdict(self)
        if not self.settings:
            del value["settings"]
        return json.dumps(value, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Weather":
        value = json.loads(text)
        return cls(value["seed"], value["days"], value["events"], value.get("settings", {}))

    def but(self, events: list[dict], **changes) -> "Weather":
        """The same weather with these events in place of its own, in the order of time."""
        events = sorted(events, key=lambda event: event["at_s"])
        return dataclasses.replace(self, events=events, **changes)

    def end_s(self) -> int:
        """When the last event is over."""
        last = [event["at_s"] + event.get("for_s", 0) for event in self.events]
        return max([self.days * DAY_S, *last])


def generate(seed: int, days: int = 30) -> Weather:
    """The weather of a seed: some takes a day, and few or many faults, some at the same time."""
    dice = random.Random(f"weather {seed}")
    events = []
    takes = _takes(dice, days)
    events += takes
    kinds = list(_FAULTS)
    some = dice.sample(kinds, dice.randint(0, 6))
    for kind in some:
        for _ in range(dice.randint(1, 3)):
            events.append(_FAULTS[kind](dice, _moment(dice, takes, days)))
    for _ in range(dice.choice((0, 0, 1, 2, 4, 8))):
        events.append(_cut(dice, _moment(dice, takes, days)))
    weather = Weather(seed, days, []).but(events)
    return with_eviction(weather) if seed % _EVICTS_EVERY == _EVICTS_EVERY - 1 else weather


def with_audio(weather: Weather, most_s: int) -> Weather:
    """The same weather with the first takes alone, at most so many seconds of them."""
    events, left_s = [], most_s
    for event in weather.events:
        if event["what"] == "take":
            left_s -= event["for_s"]
            if left_s < 0:
                continue
        events.append(event)
    return weather.but(events)


def with_cuts(weather: Weather) -> Weather:
    """The same weather, and a cut in each take or in the sending after it: what lies between two
    writes is met in a few months, not in a hundred.
    """
    dice = random.Random(f"cuts {weather.seed}")
    takes = [event for event in weather.events if event["what"] == "take"]
    cuts = [_cut(dice, event["at_s"], offs_s=(2, 60)) for event in takes]
    return weather.but(weather.events + cuts)


def with_refusals(weather: Weather) -> Weather:
    """The same weather, and a medium that takes no write for days, now and then, from a moment on
    at which a clip is sent: longer than the cloud knows an Idempotency-Key.
    """
    dice = random.Random(f"refusals {weather.seed}")
    events, next_s = list(weather.events), 0
    for take in weather.events:
        if take["what"] == "take" and take["at_s"] >= next_s:
            at_s = take["at_s"] + take["for_s"] + dice.randint(0, 4)
            fails = {"what": "card_fails", "for_s": _REFUSAL_S, "chance_pct": 100, "on": "write"}
            events.append({"at_s": at_s, **fails})
            next_s = at_s + _REFUSAL_S + DAY_S
    return weather.but(events)


def with_eviction(weather: Weather) -> Weather:
    """The same weather, a recorder that may evict what was not sent, and days in which the medium
    is full, many takes are wanted and little or nothing can be sent.
    """
    if "storage.evict" in weather.settings:
        return weather
    dice = random.Random(f"evicts {weather.seed}")
    events = list(weather.events)
    for _ in range(dice.randint(1, 3)):
        events += _full_days(dice, weather.days)
    settings = weather.settings | {"storage.evict": dice.choice(EVICT_ORDERS)}
    return weather.but(events, settings=settings)


def with_silence(weather: Weather) -> Weather:
    """The same weather, a recorder that leaves silence out, some long takes, and pauses in each
    take: as long as a clip too, which ends it.
    """
    dice = random.Random(f"silence {weather.seed}")
    events = list(weather.events)
    for _ in range(dice.randint(2, 6)):
        at_s = dice.randint(300, max(301, weather.days * DAY_S - 5_000))
        events.append({"at_s": at_s, "what": "take", "for_s": dice.choice((30, 70, 180))})
        if dice.random() < 0.5:
            events.append(_cut(dice, at_s + dice.randint(0, 40), offs_s=(2, 60)))
    for take in [event for event in events if event["what"] == "take"]:
        at_s = take["at_s"] + dice.choice((-1, 0, 1, 2, 3))
        while at_s < take["at_s"] + take["for_s"]:
            pause_s = dice.choice((1, 2, 2, 3, 5, 12, 45))
            events.append({"at_s": max(0, at_s), "what": "hush", "for_s": pause_s})
            at_s += pause_s + dice.choice((1, 1, 1, 2, 4))
    changes = {
        "activity.minimum_ms": dice.choice((0, 200)),
        "activity.pre_roll_s": dice.choice((0, 1)),
    }
    return weather.but(events, settings=weather.settings | _SILENCE | changes)


def _full_days(dice, days):
    """A medium without room, takes that want some, and what keeps the clips from going."""
    at_s, for_s = dice.randint(0, days * DAY_S), dice.choice((7_200, DAY_S, 3 * DAY_S))
    room_kb = dice.choice((64, 66, 66, 70, 70, 40))  # of these 64 are the reserve
    events = [{"at_s": at_s, "what": "card_full", "for_s": for_s, "room_kb": room_kb}]
    kind = dice.choice((*_KEPT_BACK, None))
    if kind:
        away_s = dice.choice((for_s, for_s, for_s // 2))
        events.append({**_FAULTS[kind](dice, at_s), "for_s": away_s})
    take_s, pause_s = at_s + dice.randint(60, 600), dice.choice((20, 60, 600))
    for _ in range(dice.randint(6, 20)):
        length_s = dice.choice((2, 4, 6, 9, 13))
        events.append({"at_s": take_s, "what": "take", "for_s": length_s})
        # Room is made in the first steps of a take, and wherever it is used up.
        if dice.random() < 0.15:
            events.append(_cut(dice, take_s, offs_s=(2, 60)))
        elif dice.random() < 0.1:
            fails = _FAULTS["card_fails"](dice, take_s + dice.randint(0, length_s))
            events.append({**fails, "for_s": 1})
        elif dice.random() < 0.2:
            what = "rebound" if dice.random() < 0.2 else "wanted"
            events.append({"at_s": take_s, "what": what})
        take_s += length_s + pause_s
        if take_s > at_s + for_s:
            break
    return events


def _takes(dice, days):
    """Few takes a day, in clusters: more than one within an hour now and then."""
    takes = []
    for day in range(days):
        if dice.random() < 0.45:
            continue
        at_s = day * DAY_S + dice.randint(300, DAY_S - 5_000)
        for _ in range(dice.choice((1, 1, 1, 2))):
            length_s = dice.choice((1, 2, 3, 4, 5, 6, 9))
            takes.append({"at_s": at_s, "what": "take", "for_s": length_s})
            at_s += length_s + dice.choice((1, 5, 60, 900))
    return takes


def _moment(dice, takes, days):
    """A second at which something is going on, mostly; or any."""
    if takes and dice.random() < 0.8:
        take = dice.choice(takes)
        return max(0, take["at_s"] + dice.randint(-5, take["for_s"] + 12))
    return dice.randint(0, days * DAY_S)


def _for(dice):
    return dice.choice((20, 120, 900, 7_200, 30_000, 2 * DAY_S))


def _fault(what, **choices):
    def make(dice, at_s):
        event = {"at_s": at_s, "what": what, "for_s": _for(dice)}
        for name, values in choices.items():
            event[name] = dice.choice(values)
        return event

    return make


def _cut(dice, at_s, offs_s=(2, 2, 60, 7_200, 3 * DAY_S)):
    what = dice.choice(("cut", "cut", "reboot"))
    event = {"at_s": at_s, "what": what, "steps": dice.randint(0, _STEPS_OF_A_TAKE)}
    if what == "cut":
        event["off_s"] = dice.choice(offs_s)
    return event


_FAULTS = {
    "no_coverage": _fault("no_coverage"),
    "flapping": _fault("flapping", every_s=(3, 7, 20)),
    "portal": _fault("portal"),
    "dns": _fault("dns"),
    "outage": _fault("outage", how=("refuse", "black_hole", "error")),
    "throttle": _fault("throttle", retry_after_s=(None, 1, 60, 3_000)),
    "lossy": _fault("lossy", chance_pct=(15, 40, 80)),
    "slow": _fault("slow", delay_ms=(2_000, 20_000)),
    "pending": _fault("pending", polls=(1, 3, 40)),
    "url_refused": _fault("url_refused"),
    "corrupt": _fault("corrupt", chance_pct=(40,)),
    "revoked": _fault("revoked"),
    "ntp": _fault("ntp", how=("silent", "wrong"), step_s=(-(10**9), -86_400, 3_600, 10**9)),
    "rtc_step": _fault("rtc_step", step_s=(-(10**9), 10**9)),
    "card_full": _fault("card_full", room_kb=(0, 30, 66)),
    "card_fails": _fault("card_fails", chance_pct=(2, 20, 100), on=("read", "write")),
    "card_slow": _fault("card_slow", stall_ms=(20, 60)),
}
