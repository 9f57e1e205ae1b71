"""The knobs of the bench: each does the real thing to the running recorder, its way or its cloud.

    hold    on until it is put off again            once    done when it is pressed

Nothing is told to the device's code: it has to notice, and to say so. What it says while a knob
is on is kept beside the knob (`said`), in the words of the status document.
"""

import dataclasses
import threading
import time
from collections.abc import Callable

_UNIX_2000_S = 946_684_800
_EMPTY_PCT, _CHARGED_PCT = 4, 80
_SLOW_BYTES_PER_S = 16_000
_RETRY_AFTER_S = "2"
_NO_NETWORK = {"network": "none"}
_EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)


class KnobError(Exception):
    """One sentence: which knob, why it cannot be turned."""


@dataclasses.dataclass(frozen=True)
class Knob:
    """expects: the codes with which a recorder that has something to send answers it."""

    name: str
    group: str
    label: str
    hint: str
    kind: str = "hold"
    expects: tuple[str, ...] = ()
    needs: str = ""  # "modem", "cell", "room": equipment


KNOBS = (
    Knob("press", "hands", "Press the button", "A take begins; the next press ends it.", "once"),
    Knob("speech", "hands", "Somebody reads aloud", "The sample speech is in the room.",
         needs="room"),
    Knob("laptop", "hands", "Laptop microphone", "You speak; your browser asks you first.",
         needs="room"),
    Knob("power", "supply", "Pull the power", "The process dies at once. Off again: power on.",
         expects=("power_off",)),
    Knob("battery", "supply", "Battery down", "The cell is at 4 %, the charger out.",
         expects=("battery_low",), needs="cell"),
    Knob("card", "supply", "Fill the card", "Another file takes all room.",
         expects=("storage_full",)),
    Knob("clock", "supply", "Clock back to 2000",
         "A reset, and the board's clock, the time server and the cloud say it is 2000.",
         expects=("time_unknown", "clock_wait")),
    Knob("wifi", "way", "No network", "Wi-Fi is out of reach, and 4G too where there is a modem.",
         expects=("wifi_not_found", "link_down", "cellular_not_found")),
    Knob("cellular", "way", "4G only", "Wi-Fi is out of reach; the modem has to dial.",
         expects=("way_4g",), needs="modem"),
    Knob("portal", "way", "Sign-in page", "A hotel's page answers in place of the cloud.",
         expects=("portal",)),
    Knob("slow", "way", "Slow link", "16 kB a second, as 2G gives.", expects=("slow",)),
    Knob("dropped", "way", "Lose an answer",
         "The cloud completes the next clip; its answer never arrives.", "once",
         expects=("asked_again", "connection_lost", "bad_answer")),
    Knob("throttle", "cloud", "Too many requests", "429, with Retry-After: 2.",
         expects=("throttled",)),
    Knob("outage", "cloud", "Outage", "The API answers 503 to everything.",
         expects=("server_error",)),
    Knob("expired", "cloud", "Expired URL", "Storage says that the upload URL is too old.",
         expects=("url_refused",)),
    Knob("token", "cloud", "Revoke the token", "Off again: a new token is provisioned.",
         expects=("auth_refused",)),
)  # fmt: skip
BY_NAME = {knob.name: knob for knob in KNOBS}


@dataclasses.dataclass
class State:
    """What is known of a knob while the bench runs; since_s by time.monotonic()."""

    is_on: bool = False
    since_s: float = 0.0
    turns: int = 0
    said: list[str] = dataclasses.field(default_factory=list)  # codes, in the order heard


class Knobs:
    """bench: cloud, board, device_id, room (or None), has_modem, has_cell. Thread-safe.

    on_turn(name, is_on, begun_s) is called after each turn, with the time.monotonic() before it;
    on_said(name, code) when the recorder answers it: the run's record of its knobs.
    """

    def __init__(self, bench):
        self._bench = bench
        self._lock = threading.RLock()
        self._faults: dict[str, object] = {}
        self.states = {knob.name: State() for knob in KNOBS}
        self.on_turn: Callable[[str, bool, float], None] = _nobody
        self.on_said: Callable[[str, str], None] = _nobody
        self.power_cuts = 0

    def why_not(self, knob: Knob) -> str:
        """Why this recorder has no such knob, or ""."""
        bench = self._bench
        has = {
            "": True,
            "modem": bench.has_modem,
            "cell": bench.has_cell,
            "room": bench.room is not None,
        }
        if has[knob.needs]:
            return ""
        return {
            "modem": "This recorder has no modem: KEEP=1 gives it one.",
            "cell": "This recorder is on the mains: KEEP=1 gives it a cell.",
            "room": "This recorder hears a file: KEEP=1 puts it into a room.",
        }[knob.needs]

    def is_any_on(self) -> bool:
        """True while something is done to the recorder that it has to wait out."""
        with self._lock:
            on = [name for name, state in self.states.items() if state.is_on]
            return any(BY_NAME[name].group != "hands" for name in on)

    def turn(self, name: str, is_on: bool = True) -> None:
        """Do it. Raises KnobError for what is no knob, or not to be had here."""
        knob = BY_NAME.get(name)
        if knob is None:
            raise KnobError(f"There is no knob {name!r}: use one of {', '.join(BY_NAME)}.")
        refusal = self.why_not(knob)
        if refusal:
            raise KnobError(refusal)
        with self._lock:
            state = self.states[name]
            if knob.kind == "hold" and state.is_on == is_on:
                return
            if not self._bench.board.is_running() and name in ("press", "battery", "card"):
                raise KnobError("The recorder has no power: put it on first.")
            begun_s = time.monotonic()
            getattr(self, "_" + name)(is_on)
            state.is_on = is_on and knob.kind == "hold"
            state.since_s = time.monotonic()
            if is_on:
                state.turns += 1
                state.said = []
            self.on_turn(name, is_on, begun_s)

    def release_all(self) -> None:
        """Everything as it was: what a run needs to be proved."""
        for name, state in self.states.items():
            if state.is_on and BY_NAME[name].group != "hands":
                self.turn(name, False)

    def hear(self, codes: set[str]) -> None:
        """The recorder shows these codes now: note them at the knobs that may have caused it."""
        now_s = time.monotonic()
        with self._lock:
            for name, state in self.states.items():
                is_due = state.is_on or (state.turns and now_s - state.since_s < 15.0)
                for code in codes & set(BY_NAME[name].expects):
                    if is_due and code not in state.said:
                        state.said.append(code)
                        self.on_said(name, code)

    # Hands

    def _press(self, _is_on: bool) -> None:
        self._bench.board.command("press")

    def _speech(self, is_on: bool) -> None:
        self._set_source("speech", is_on)

    def _laptop(self, is_on: bool) -> None:
        self._set_source("laptop", is_on)

    def _set_source(self, source: str, is_on: bool) -> None:
        for other in ("speech", "laptop"):
            if other != source:
                self.states[other].is_on = False
        self._bench.room.set_source(source if is_on else "quiet")

    # Supply

    def _power(self, is_off: bool) -> None:
        if is_off:
            self.power_cuts += 1
            self._bench.board.kill()
        else:
            self._bench.board.write_spec(rtc="2000" if self.states["clock"].is_on else "unset")
            self._start("power_on")

    def _start(self, cause: str) -> None:
        """The board starts into a world where the knobs are as they are."""
        board = self._bench.board
        if self._bench.has_cell:
            is_low = self.states["battery"].is_on
            board.write_spec(
                battery_pct=_EMPTY_PCT if is_low else _CHARGED_PCT, charging=not is_low
            )
        board.start(cause)
        self._set_ways()
        if self.states["card"].is_on:
            board.command("fill", full=True)

    def _battery(self, is_low: bool) -> None:
        percent = _EMPTY_PCT if is_low else _CHARGED_PCT
        self._bench.board.command("battery", percent=percent, charging=not is_low)

    def _card(self, is_full: bool) -> None:
        self._bench.board.command("fill", full=is_full)

    def _clock(self, is_2000: bool) -> None:
        cloud, board = self._bench.cloud, self._bench.board
        skew_s = _UNIX_2000_S - time.time() if is_2000 else 0.0
        cloud.ntp.offset_s, cloud.switches.date_skew_s = skew_s, int(skew_s)
        if is_2000:
            self.power_cuts += 1
            board.kill()
            board.write_spec(rtc="2000")
            if not self.states["power"].is_on:
                self._start("reset")
        else:
            board.write_spec(rtc="unset")

    # The way

    def _wifi(self, _is_away: bool) -> None:
        self._set_ways(wifi=_is_away)

    def _cellular(self, is_alone: bool) -> None:
        self._set_ways(cellular=is_alone)

    def _set_ways(self, **turned: bool) -> None:
        """Both knobs of the way, as they are or as they are being turned."""
        bench = self._bench
        on = {name: turned.get(name, self.states[name].is_on) for name in ("wifi", "cellular")}
        if not bench.board.is_running():
            return  # _start() does it
        bench.board.command("wifi", in_reach=not (on["wifi"] or on["cellular"]))
        if bench.has_modem:
            bench.board.command("modem", spec=_NO_NETWORK if on["wifi"] else {"network": "home"})

    def _portal(self, is_on: bool) -> None:
        self._fault("portal", is_on, "any", "html")

    def _slow(self, is_on: bool) -> None:
        self._bench.cloud.switches.bytes_per_s = _SLOW_BYTES_PER_S if is_on else 0

    def _dropped(self, _is_on: bool) -> None:
        self._bench.cloud.faults.add("complete", "drop_answer")

    # The cloud

    def _throttle(self, is_on: bool) -> None:
        headers = {"Retry-After": _RETRY_AFTER_S}
        self._fault("throttle", is_on, "any", "status", status=429, headers=headers)

    def _outage(self, is_on: bool) -> None:
        self._fault("outage", is_on, "any", "status", status=503)

    def _expired(self, is_on: bool) -> None:
        self._fault("expired", is_on, "put", "status", status=403, body=_EXPIRED)

    def _fault(self, name: str, is_on: bool, route: str, kind: str, **details) -> None:
        table = self._bench.cloud.faults
        if is_on:
            self._faults[name] = table.add(route, kind, times=None, **details)
        else:
            table.remove(self._faults.pop(name))

    def _token(self, is_revoked: bool) -> None:
        bench = self._bench
        if is_revoked:
            bench.cloud.revoke_token(bench.device_id)
            return
        bench.board.provision(bench.cloud.renew_token(bench.device_id))
        if bench.board.is_running():
            bench.board.command("secrets_changed")
            bench.board.command("look_again")


def _nobody(*_details) -> None:
    pass
