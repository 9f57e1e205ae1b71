"""What may be given up for room, and that it is told: S16. docs/reliability.md has the rules."""

from tools.torture.invariants.once import SECOND_PUT

_MAY_GO = ("closed", "creating", "created")
_SAID = "E clip evicted clip="
# The device counts what it writes itself; what others take away meanwhile it learns a clip later.
_ROOM_BYTES = 80 * 1024


def s16_eviction(history):
    """A clip is evicted only where the settings ask for it and the medium is full, never one that
    the cloud has or that is in hand or set aside; each is logged, and all are counted once.
    """
    gone, said = {}, set()
    state, in_hand, taken, stored = {}, {}, set(), set()
    for event in history.events:
        detail, clip = event.detail, event.detail.get("clip")
        if event.kind == "evicted":
            gone[clip] = detail["seconds"]
            at = f"clip {clip} was evicted at {event.at_ms} ms"
            if history.evict_order == "never":
                yield f"{at}, and nobody asked for that"
            if state.get(clip) not in _MAY_GO:
                yield f"{at} in state {state.get(clip)}"
            if clip in stored:
                yield f"{at} after storage had said that it has it"
            if clip in in_hand.values():
                yield f"{at} while it was in hand"
            if not detail["is_ours"]:
                yield f"{at}, and was made for somebody else"
            if detail["free_bytes"] > _ROOM_BYTES:
                yield f"{at} with {detail['free_bytes'] // 1024} KiB free"
        elif event.kind == "record" and detail["state"] != "evicted":
            state[clip] = detail["state"]
        elif event.kind == "request":
            if detail["route"] != "heartbeat" and clip:
                in_hand[detail["id"]] = clip
        elif event.kind == "commit" and detail["route"] == "put" and detail["status"] == 200:
            taken.add(detail["id"])
        elif event.kind == "answer":
            clip = in_hand.pop(detail["id"], None)
            # Not a page in place of the answer; and a chunk is no clip.
            if detail["id"] in taken and detail["status"] == 200 and not history.in_chunks:
                stored.add(clip)
            elif detail["code"] in SECOND_PUT:
                stored.discard(clip)
        elif event.kind in ("cut", "reset", "planned"):
            in_hand.clear()  # and what only memory knew is gone
            stored.clear()
        elif event.kind == "log" and detail["text"].startswith(_SAID):
            said.add(int(detail["text"][len(_SAID) :].split()[0]))
    for clip in sorted(set(gone) - said):
        yield f"clip {clip} was evicted, and the log does not say so"
    if history.evicted is not None:
        counted = [len(gone), sum(gone.values())]
        if history.evicted != counted:
            yield f"evicted clips and seconds are {counted}, the device counts {history.evicted}"
