"""Knobs of a run as a file, and a file turned again.

    {"knobs": 1, "run": {"link": "both", …}, "events": [
        {"after": "take 1", "plus_s": 2.4, "at_s": 3.1, "knob": "wifi", "on": true,
         "said": ["wifi_not_found"]}, …]}

`after` names what the recorder had done last (or the knob turned before it), `plus_s` the seconds
since then: a replay on a slower laptop turns the same knob at the same moment of the recorder's
life. `at_s`, seconds since the run began, and `said`, what the recorder answered, are for people.
Marks: start N and take N, counted from 1; clip N closed, created, put, complete, delivered
(watch.py); knob N, the Nth event of this file; knob N said, when the recorder answered it, and
knob N said CODE: so no knob is put off before it was noticed, or at a word in passing (link_down
before wifi_not_found) that is not always caught.

`run` holds options of tools/simulate.py: without the same equipment the knobs mean another thing.
`plays` false: the run presses no button by itself, the file does.
What somebody said into a laptop is not in the file: a replay reads the sample aloud in its place.
"""

import json
import pathlib
import threading
import time
from typing import Any

from tools.page.knobs import BY_NAME, KnobError, Knobs

VERSION = 1
RUN_OPTIONS = ("link", "battery", "codec", "quality", "rate", "clip_length", "generation", "live",
               "plays")  # fmt: skip
_MARK_LIMIT_S = 60.0
_MOST_EVENTS = 10_000
_MOST_BYTES = 4_000_000
_LONGEST_PLUS_S = 24 * 3600.0


class ReplayError(Exception):
    """One sentence: which file, which event, what is wrong with it."""


def read(path: pathlib.Path) -> dict[str, Any]:
    """A checked file. Raises ReplayError for anything that is none."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReplayError(f"{path} is larger than any run's knobs.")
        tree = json.loads(path.read_text())
    except OSError as error:
        raise ReplayError(f"{path} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise ReplayError(
            f"{path} is no JSON: name a file that `make simulate` wrote "
            "(build/simulate/knobs.json) or `python -m tools.page.from_bundle` made."
        ) from None
    if not isinstance(tree, dict) or tree.get("knobs") != VERSION:
        raise ReplayError(f"{path} holds no knobs of version {VERSION}.")
    events, run = tree.get("events"), tree.get("run", {})
    if not isinstance(events, list) or len(events) > _MOST_EVENTS or not isinstance(run, dict):
        raise ReplayError(f"{path} holds no list of events.")
    for i, event in enumerate(events, 1):
        _check(path, i, event)
    return {"events": events, "run": {k: v for k, v in run.items() if k in RUN_OPTIONS}}


def _check(path: pathlib.Path, i: int, event: Any) -> None:
    if not isinstance(event, dict):
        raise ReplayError(f"{path}, event {i}: it is no object.")
    if event.get("knob") not in BY_NAME:
        raise ReplayError(
            f"{path}, event {i}: there is no knob {event.get('knob')!r}; "
            f"known are {', '.join(BY_NAME)}."
        )
    plus_s = event.get("plus_s", 0)
    is_number = isinstance(plus_s, (int, float)) and not isinstance(plus_s, bool)
    if not is_number or not 0 <= plus_s <= _LONGEST_PLUS_S:
        raise ReplayError(f"{path}, event {i}: plus_s is {plus_s!r}: seconds are expected.")
    if not isinstance(event.get("on", True), bool):
        raise ReplayError(f"{path}, event {i}: on is {event['on']!r}: true or false is expected.")
    if not isinstance(event.get("after", ""), str):
        raise ReplayError(f"{path}, event {i}: after is no text.")


class Keeper:
    """Writes down every knob that is turned, as it happens: a run that dies leaves its file."""

    def __init__(self, path: pathlib.Path, run: dict[str, Any], watch):
        self._path = path
        self._watch = watch
        self._began_s = time.monotonic()
        self.document = {"knobs": VERSION, "run": run, "events": []}
        self._write()

    def turned(self, name: str, is_on: bool, begun_s: float) -> None:
        """begun_s: before it was turned. What the recorder did since then may be its answer to
        this very turn (the take that a press begins), and a replay would wait for it in vain.
        """
        before = [mark for mark in self._watch.marks if mark[1] <= begun_s]
        after, since_s = before[-1] if before else ("", self._began_s)
        events = self.document["events"]
        event = {"after": after, "plus_s": round(max(0.0, begun_s - since_s), 2)}
        event |= {"at_s": round(begun_s - self._began_s, 2), "knob": name, "on": is_on}
        events.append(event)
        self._watch.mark(f"knob {len(events)}")
        self._write()

    def said(self, name: str, code: str) -> None:
        """The recorder answers the last turn of this knob."""
        events = self.document["events"]
        for i in range(len(events), 0, -1):
            if events[i - 1]["knob"] == name and events[i - 1]["on"]:
                events[i - 1].setdefault("said", []).append(code)
                self._watch.mark(f"knob {i} said")
                self._watch.mark(f"knob {i} said {code}")
                self._write()
                return

    def _write(self) -> None:
        self._path.write_text(json.dumps(self.document, indent=1) + "\n")


class Player:
    """Turns the knobs of a file in a thread of its own. tell(text): what a person should know."""

    def __init__(self, events: list[dict], watch, knobs: Knobs, tell):
        self._events = events
        self._watch = watch
        self._knobs = knobs
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self.turned = 0

    def __enter__(self) -> "Player":
        self._thread.start()
        return self

    def __exit__(self, *_details) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        for i, event in enumerate(self._events, 1):
            self._wait_for(event.get("after", ""), i)
            if self._stop.wait(self._left_s(event)):
                return
            name = "speech" if event["knob"] == "laptop" else event["knob"]
            try:
                self._knobs.turn(name, event.get("on", True))
            except KnobError as error:
                self._tell(f"replay: event {i} ({name}): {error}")
                self._watch.mark(f"knob {i}")
            self.turned = i
        self._knobs.release_all()  # a file that ends with trouble still ends with proof

    def _wait_for(self, mark: str, i: int) -> None:
        if not mark:
            return
        if not self._watch.wait(lambda w: self._stop.is_set() or _at(w, mark), _MARK_LIMIT_S):
            self._tell(f"replay: event {i} comes after {mark!r}, which does not happen: now, then")

    def _left_s(self, event: dict) -> float:
        at_s = _at(self._watch, event.get("after", "")) or time.monotonic()
        return max(0.0, at_s + event.get("plus_s", 0) - time.monotonic())


def _at(watch, mark: str) -> float | None:
    """When it happened first."""
    return next((at_s for name, at_s in watch.marks if name == mark), None)
