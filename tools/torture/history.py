"""What happened in one run, as plain data: written by a harness, judged by invariants.py.

A harness watches the device from outside: what its microphone gave, what became durable on its
medium, what crossed the wire, what the server did. It never asks the device's own code. What a
harness does not know it leaves out; the checks then judge what there is.

Kinds of events, in the order of time, and their details:

    boot      cause                                a start of the program
    cut       heard, stalled_ms                    the power went; samples heard up to then; how
                                                   long medium or processor stood still in the
                                                   second before
    reset     why                                  the program ended by itself
    up        boot, zero_ms                        the program runs; when its uptime was 0
    listen    first                                the microphone starts with this sample
    full                                           the medium had no room for a call
    stuck     why                                  nothing can happen any more, or it spins
    end                                            the harness has seen enough
    planned   why                                  the program reset the board, as it had planned
    heard     first, count                         samples that the driver committed
    overrun   first, count                         samples that it had no block for
    hushed    first, count                         samples at which nobody spoke, where the
                                                   recorder may leave them out
    failure   heard, why                           the medium refused a call of the device;
                                                   why: "full", or it is not there
    open      clip                                 a record in state `open` became durable
    record    clip, state, why                     any record that became durable
    closed    clip, sha, stored_sha, size, runs,
              skips, place                         it is not open any more: sha and size of bytes
                                                   that are to leave (as chunks: the stored
                                                   ones), runs [(first, count)] of
                                                   samples in the file, first None: silence;
                                                   skips: what the record says was left out;
                                                   place: its take, and first sample in that
    evicted   clip, seconds, free_bytes, is_ours   its record says so, durably; how long it is,
                                                   the room there was before it went, and whether
                                                   it was made for whom the recorder is bound to
    asked     clip                                 somebody wants it sent first
    damage    clip                                 the file of a closed clip changed
    remove    clip, what                           what: audio, record, body; clip 0: not ours
    request   id, route, host, tls, bearer, rid, clip, key, body
                                                   route: create, url, put, complete, heartbeat,
                                                   chunk_url, finalize;
                                                   body: a digest of the bytes
    commit    id, route, rid, clip, status, code, sha, size
                                                   what the server did; sha, size of its object
    answer    id, status, code, retry_after_s      what reached the device; status 0: nothing
    failed    wait_s, code                         the lane said that it waits so long
    resumed   waited_s                             its first request after that wait, if the wait
                                                   was neither cut short nor ended by a boot
    calm      until_ms                             faults have stopped
    overdue   task                                 the supervisor stopped feeding the watchdog
    log       text                                 a line that the device said
    open_files, sockets   count                    the most at one time
"""

import dataclasses
from typing import Any, NamedTuple

# Routes that know nothing of the lane's waits and limits: heartbeats, and the link's probe (it
# carries no token).
NOT_THE_LANES = ("heartbeat", "other")


class Event(NamedTuple):
    at_ms: int
    kind: str
    detail: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Violation:
    """name: S1 to S17, L1 to L6; text: what was seen, where."""

    name: str
    text: str


@dataclasses.dataclass
class Kept:
    """A clip on the medium at the end. intact: its audio is what was closed (None: never was);
    is_of_another: it was made before somebody else got the recorder.
    """

    state: str | None
    why: str = ""
    intact: bool | None = None
    runs: list | None = None
    is_of_another: bool = False


@dataclasses.dataclass
class Recording:
    """A row of the server at the end. acknowledged: complete was answered with 2xx."""

    rid: str
    clip: int
    status: str
    sha: str | None = None
    size: int = 0
    acknowledged: bool = False
    runs: list | None = None


@dataclasses.dataclass
class History:
    """One run. rate_hz: samples a second; texts: (where, text) of all that was said or written.

    secrets: what may stand in none of the texts; storage_hosts, api_hosts: who may hear what.
    rest_code: the lane's reason at the end; limits: name -> highest number allowed.
    """

    rate_hz: int
    events: list[Event] = dataclasses.field(default_factory=list)
    kept: dict[int, Kept] = dataclasses.field(default_factory=dict)
    recordings: list[Recording] = dataclasses.field(default_factory=list)
    texts: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    secrets: list[str] = dataclasses.field(default_factory=list)
    api_hosts: tuple[str, ...] = ()
    storage_hosts: tuple[str, ...] = ()
    foreign_changed: list[str] = dataclasses.field(default_factory=list)
    in_chunks: bool = False  # clips go in chunks: live ones before older ones
    rest_code: str | None = None
    rest_bound_ms: int = 0
    rest_after_ms: int | None = None
    evict_order: str = "never"  # the setting storage.evict
    evicted: list[int] | None = None  # the device's count at the end: [clips, seconds]
    ledger: dict[str, Any] | None = None  # what the device's ledger says (witness.ledger_of)
    limits: dict[str, int] = dataclasses.field(default_factory=dict)
    # kind -> places in events, of the first so many: made anew where there are more.
    _places: dict[str, list[int]] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _indexed: int = dataclasses.field(default=0, init=False, repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "History":
        """A history that another interpreter wrote: the fields of this class by their names.

        events: [at_ms, kind, {detail}] each; kept: {"5": fields of Kept}; recordings: fields of
        Recording each. Raises TypeError for a field that there is none of.
        """
        fields = dict(value)
        events = [Event(*row) for row in fields.pop("events", [])]
        kept = {int(n): Kept(**row) for n, row in fields.pop("kept", {}).items()}
        recordings = [Recording(**row) for row in fields.pop("recordings", [])]
        return cls(**fields, events=events, kept=kept, recordings=recordings)

    def add(self, at_ms: int, kind: str, **detail) -> None:
        self.events.append(Event(at_ms, kind, detail))

    def of(self, *kinds: str) -> list[Event]:
        """The events of these kinds, in their order."""
        if self._indexed != len(self.events):
            self._places = {}
            for place, event in enumerate(self.events):
                self._places.setdefault(event.kind, []).append(place)
            self._indexed = len(self.events)
        places = [place for kind in kinds for place in self._places.get(kind, ())]
        return [self.events[place] for place in (sorted(places) if len(kinds) > 1 else places)]
