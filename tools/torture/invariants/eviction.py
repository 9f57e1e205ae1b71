"""What may be given up for room, and that it is told: S16. docs/reliability.md has the rules."""

from tools.torture.invariants.once import SECOND_PUT

_MAY_GO = ("closed", "creating", "created")
_SAID = "E clip evicted clip="
# The reserve, and what the lane frees in the moment that it takes.
_ROOM_BYTES = 80 * 1024


def s16_eviction(history):
    """A clip is evicted only where the settings ask for it and the medium is full, never one that
    the cloud has or that is in hand, set aside or somebody else's; each is logged, and all are
    counted once.
    """
    known, seconds = _Known(history.in_chunks), {}
    for event in history.events:
        if event.kind == "evicted":
            seconds[event.detail["clip"]] = event.detail["seconds"]
            for why in _against(history.evict_order, known, event.detail):
                yield f"clip {event.detail['clip']} was evicted at {event.at_ms} ms{why}"
        else:
            known.learn(event)
    for clip in sorted(set(seconds) - known.said):
        yield f"clip {clip} was evicted, and the log does not say so"
    counted = [len(seconds), sum(seconds.values())]
    if history.evicted not in (None, counted):
        yield f"evicted clips and seconds are {counted}, the device counts {history.evicted}"


class _Known:
    """What the device could know when it chose. in_chunks: a PUT is no whole clip."""

    def __init__(self, in_chunks):
        self.state = {}  # clip -> state of its record
        self.in_hand = {}  # number of a request -> clip
        self.stored = set()  # clips that storage said it has
        self.said = set()  # clips that the log named
        self._in_chunks = in_chunks
        self._taken = set()  # requests that storage really took: a proxy's page is no proof

    def learn(self, event):
        detail = event.detail
        if event.kind == "record" and detail["state"] != "evicted":
            self.state[detail["clip"]] = detail["state"]
        elif event.kind == "request" and detail["route"] != "heartbeat":
            self.in_hand[detail["id"]] = detail["clip"]
        elif event.kind == "commit" and detail["route"] == "put" and detail["status"] == 200:
            self._taken.add(detail["id"])
        elif event.kind == "answer":
            self._answered(detail)
        elif event.kind in ("cut", "reset", "planned"):
            self.in_hand.clear()  # and what memory alone knew is gone
            self.stored.clear()
        elif event.kind == "log" and detail["text"].startswith(_SAID):
            self.said.add(int(detail["text"][len(_SAID) :].split()[0]))

    def _answered(self, detail):
        clip = self.in_hand.pop(detail["id"], None)
        if detail["id"] in self._taken and detail["status"] == 200 and not self._in_chunks:
            self.stored.add(clip)
        elif detail["code"] in SECOND_PUT:
            self.stored.discard(clip)


def _against(order, known, detail):
    """What speaks against it that this clip went."""
    clip = detail["clip"]
    if order == "never":
        yield ", and nobody asked for that"
    if known.state.get(clip) not in _MAY_GO:
        yield f" in state {known.state.get(clip)}"
    if clip in known.stored:
        yield " after storage had said that it has it"
    if clip in known.in_hand.values():
        yield " while it was in hand"
    if not detail["is_ours"]:
        yield ", and was made for somebody else"
    if detail["free_bytes"] > _ROOM_BYTES:
        yield f" with {detail['free_bytes'] // 1024} KiB free"
