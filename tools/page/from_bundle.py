"""Turn a support bundle (`recorder doctor --bundle`) into knobs for `make simulate REPLAY=…`.

    python -m tools.page.from_bundle rec1.tar.gz --out knobs.json

Of the log that the board kept, whatever a knob can make again: takes, power cuts, the network
away and back, what cloud and storage answered, a low battery, a full card, refused times.
Pauses of hours become seconds: the order counts. What no knob can make (a watchdog, a broken card)
is left out and counted on stderr.
"""

import argparse
import collections
import json
import pathlib
import re
import sys
import tarfile

from tools.page.replay import VERSION

_LONGEST_PAUSE_S = 3.0
_SHORTEST_PAUSE_S = 0.3
_TAKE_S = 4.0  # a take of an hour need not last one
_MOST_BYTES = 16_000_000
_MOST_EVENTS = 200
_LINE = re.compile(r"(?:(?:ERROR|warn |info |debug|     )  )(?P<text>.*)$")
_STAMP = re.compile(
    r"(?:\d{4}-\d\d-\d\d (?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)|boot \d+ \+(?P<up>\S+))"
)
_LANE = re.compile(r"lane waits .*?reason=(\w+)")
_OF_REASON = {
    "throttled": "throttle",
    "server_error": "outage",
    "portal": "portal",
    "url_refused": "expired",
    "auth_refused": "token",
    "connection_lost": "dropped",
    "timeout": "slow",
}
_CLOUD_KNOBS = ("throttle", "outage", "portal", "expired", "token", "slow")
# Put off only after the recorder has noticed them.
_NOTICED = ("throttle", "outage", "portal", "expired", "token", "wifi", "battery")
_NO_NETWORK = ("wifi_not_found", "link_down", "cellular_not_found")


class BundleError(Exception):
    """One sentence: which file, what is wrong with it."""


def read_log(path: pathlib.Path) -> list[str]:
    """The lines of log.txt in a bundle. Raises BundleError."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = archive.extractfile("log.txt")
            if member is None:
                raise KeyError
            return member.read(_MOST_BYTES).decode(errors="replace").splitlines()
    except (OSError, tarfile.TarError, EOFError):
        raise BundleError(f"{path} is no bundle of `recorder doctor --bundle`.") from None
    except KeyError:
        raise BundleError(f"{path} holds no log.txt: is it a bundle of the doctor?") from None


class Story:
    """Knobs in the order of the log. `left_out`: what happened that no knob can make."""

    def __init__(self):
        self.events: list[dict] = []
        self.left_out: collections.Counter[str] = collections.Counter()
        self._on: list[str] = []
        self._at_s: float | None = None
        self._pause_s = 0.0
        self._starts = 0
        self._take = 0

    def add(self, line: str) -> None:
        found = _LINE.search(line)
        if not found:
            return
        self._pass_time(line)
        text = found["text"]
        for begin, tell in self._TELLERS:
            if text.startswith(begin):
                tell(self, text)
                return

    def end(self) -> dict:
        """The document, with everything put right at its end."""
        for name in list(self._on):
            self._turn(name, False)
        self._turn_take(False)
        events = [{"knob": "speech", "on": True, "after": "start 1", "plus_s": 1.0}, *self.events]
        turned_on: dict[str, int] = {}
        for i, event in enumerate(events, 1):
            if i > 1:
                event["after"] = f"knob {i - 1}"
            if event["on"]:
                turned_on[event["knob"]] = i
            elif event["knob"] in _NOTICED:
                event["after"] = f"knob {turned_on[event['knob']]} said"
        return {"knobs": VERSION, "run": {"live": True, "plays": False}, "events": events}

    def _pass_time(self, line: str) -> None:
        stamp = _STAMP.match(line)
        if not stamp:
            return
        if stamp["up"]:
            parts = [float(part) for part in re.findall(r"[\d.]+", stamp["up"])]
        else:
            parts = [float(stamp[name]) for name in ("h", "m", "s")]
        at_s = sum(part * 60**i for i, part in enumerate(reversed(parts[-3:])))
        if self._at_s is not None:
            self._pause_s += min(_LONGEST_PAUSE_S, max(0.0, at_s - self._at_s))
        self._at_s = at_s

    def _turn(self, name: str, is_on: bool) -> None:
        if (name in self._on) == is_on or len(self.events) >= _MOST_EVENTS:
            return
        self._on = [*self._on, name] if is_on else [other for other in self._on if other != name]
        self._event(name, is_on)
        if is_on and name in _CLOUD_KNOBS:
            self._put_before_the_press()

    def _event(self, name: str, is_on: bool, least_s: float = _SHORTEST_PAUSE_S) -> None:
        pause_s = max(least_s, min(_LONGEST_PAUSE_S, self._pause_s))
        self.events.append({"knob": name, "on": is_on, "plus_s": round(pause_s, 1)})
        self._pause_s = 0.0

    def _put_before_the_press(self) -> None:
        """What a clip met when it was to leave was there before its take ended."""
        *_, press, trouble = [{}, *self.events]
        if press.get("knob") == "press" and not self._take:
            self.events[-2:] = [trouble, press]
            trouble["plus_s"], press["plus_s"] = press["plus_s"], _SHORTEST_PAUSE_S

    def _turn_take(self, runs: bool, number: int = 0) -> None:
        if bool(self._take) != runs:
            self._event("press", True, _SHORTEST_PAUSE_S if runs else _TAKE_S)
            self._take = number

    # What the log tells. A clip is told of when it is closed: its take began before.

    def _closed(self, text: str) -> None:
        facts = _facts(text)
        if facts.get("index") == "0":
            self._turn_take(True, int(facts.get("take", "1")))
        if facts.get("last") == "1":
            self._turn_take(False)

    def _started(self, text: str) -> None:
        self._starts += 1
        cause = _facts(text).get("cause", "")
        if self._starts == 1:
            return
        if cause != "power_on":
            self.left_out[f"a start after {cause}"] += 1
            return
        self._take = 0
        self._event("power", True)
        self._event("power", False, 1.0)

    def _lane_waits(self, text: str) -> None:
        reason = _LANE.match(text)
        name = _OF_REASON.get(reason[1]) if reason else None
        if name == "dropped":
            self._event(name, True)
        elif name:
            self._turn(name, True)
        elif reason and reason[1] not in _NO_NETWORK:
            self.left_out[f"the lane waited: {reason[1]}"] += 1

    def _went_well(self, _text: str) -> None:
        for name in _CLOUD_KNOBS:
            self._turn(name, False)

    def _link(self, text: str) -> None:
        facts = _facts(text)
        if text.startswith("link down") and facts.get("reason") in _NO_NETWORK:
            self._turn("cellular", False)
            self._turn("wifi", True)
        elif text.startswith("link up"):
            self._turn("wifi", False)
            self._turn("cellular", facts.get("way") == "4g")

    def _battery(self, text: str) -> None:
        self._turn("battery", "=0" in text)

    def _full(self, text: str) -> None:
        if "storage_full" in text or int(_facts(text).get("used_pct", "0")) >= 95:
            self._turn("card", True)
            self._pause_s = _TAKE_S
            self._turn("card", False)

    def _time_refused(self, _text: str) -> None:
        self._turn("clock", True)

    def _time_set(self, _text: str) -> None:
        self._turn("clock", False)

    def _failed(self, text: str) -> None:
        self.left_out[text.split(" task=")[0]] += 1

    _TELLERS = (
        ("start ", _started),
        ("clip closed", _closed),
        ("lane waits", _lane_waits),
        ("clip created", _went_well),
        ("clip delivered", _went_well),
        ("token is accepted", _went_well),
        ("link down", _link),
        ("link up", _link),
        ("battery ", _battery),
        ("recording ended", _full),
        ("storage fills", _full),
        ("time refused", _time_refused),
        ("time set", _time_set),
        ("task ", _failed),
    )


def _facts(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def from_log(lines: list[str]) -> tuple[dict, collections.Counter[str]]:
    """The document of knobs, and what was left out."""
    story = Story()
    for line in lines:
        story.add(line)
    return story.end(), story.left_out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.page.from_bundle", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("bundle", type=pathlib.Path, help="FILE.tar.gz of `recorder doctor`")
    parser.add_argument("--out", type=pathlib.Path, help="where it is written (default: stdout)")
    options = parser.parse_args(argv)
    try:
        document, left_out = from_log(read_log(options.bundle))
    except BundleError as error:
        print(f"from_bundle: {error}", file=sys.stderr)
        return 1
    text = json.dumps(document, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    else:
        sys.stdout.write(text)
    turned = collections.Counter(event["knob"] for event in document["events"])
    print("knobs: " + ", ".join(f"{n} {name}" for name, n in turned.items()), file=sys.stderr)
    for what, n in left_out.items():
        print(f"left out, no knob makes it: {what} ({n} times)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
