"""No audio is lost: what was heard, closed, acknowledged and freed (S1, S2, S3, S8)."""

from tools.torture.invariants.ranges import minus

_ENDS = ("complete", "finalize")


def evicted_runs(history):
    """What the clips held that were evicted."""
    gone = {e.detail["clip"] for e in history.of("evicted")}
    return [run for e in history.of("closed") if e.detail["clip"] in gone
            for run in e.detail["runs"]]  # fmt: skip


def _shas(closed):
    """The hashes that a closed clip may have in storage: whole, or as chunks."""
    return (closed["sha"], closed.get("stored_sha", closed["sha"]))


def _is_stitched(detail):
    return detail["route"] == "finalize" and detail["sha"] is not None


def s1_no_loss(history):
    """A closed clip is whole on the device, or whole at the server and acknowledged; or it was
    evicted, where that was asked for.
    """
    closed, proved = {}, set()
    for event in history.of("closed", "commit", "evicted", "damage", "remove"):
        detail = event.detail
        if event.kind == "closed":
            closed[detail["clip"]] = _shas(detail)
        elif event.kind == "commit" and detail["route"] in _ENDS and detail["status"] == 200:
            if detail["sha"] in closed.get(detail["clip"], ()):
                proved.add(detail["clip"])
        elif event.kind == "evicted" and history.evict_order != "never":
            proved.add(detail["clip"])
        elif event.kind == "damage" and detail["clip"] not in proved:
            yield f"clip {detail['clip']} was changed on the medium at {event.at_ms} ms"
        elif event.kind == "remove" and detail["what"] == "audio":
            clip = detail["clip"]
            if clip in closed and clip not in proved:
                yield f"clip {clip} was removed at {event.at_ms} ms and the server has it not"
    for clip in closed:
        kept = history.kept.get(clip)
        if clip not in proved and (kept is None or not kept.intact):
            yield f"clip {clip} is nowhere at the end"


def s2_delete_order(history):
    """PUT, acknowledgement, durable `done` (or a durable `evicted`), removal: in this order."""
    put, acknowledged, done, closed = set(), set(), set(), set()
    for event in history.of("closed", "commit", "record", "evicted", "remove"):
        detail, clip = event.detail, event.detail.get("clip")
        if event.kind == "closed":
            closed.add(clip)
        elif event.kind == "commit" and detail["status"] in (200, 204):
            if detail["route"] == "put":
                put.add(detail["rid"])
            elif detail["route"] == "complete" or _is_stitched(detail):
                acknowledged.add(clip)
                if detail["rid"] not in put:
                    yield f"{detail['rid']} was acknowledged without a PUT"
        elif event.kind == "record" and detail["state"] == "done":
            done.add(clip)
            if clip not in acknowledged:
                yield f"clip {clip} says done at {event.at_ms} ms without an acknowledgement"
        elif event.kind == "evicted":
            done.add(clip)
        elif event.kind == "remove" and detail["what"] in ("audio", "record"):
            if clip in closed and clip not in done:
                yield f"{detail['what']} of clip {clip} removed at {event.at_ms} ms before done"


def s3_integrity(history):
    """What the server acknowledged is what the recorder closed, byte for byte."""
    closed = {e.detail["clip"]: e.detail for e in history.of("closed")}
    for recording in history.recordings:
        clip = closed.get(recording.clip)
        if recording.acknowledged and clip is None:
            yield f"{recording.rid} is acknowledged and no clip {recording.clip} was closed"
        elif recording.acknowledged and recording.sha not in _shas(clip):
            yield f"{recording.rid} is not what clip {recording.clip} holds"
    for event in history.of("record"):
        if event.detail["state"] != "done":
            continue
        number = event.detail["clip"]
        if not any(r.clip == number and r.acknowledged for r in history.recordings):
            yield f"clip {number} says done, and no recording of it is acknowledged"


def _ranges(history, kind):
    details = [event.detail for event in history.of(kind)]
    return sorted((d["first"], d["first"] + d["count"]) for d in details)


def nowhere(history):
    """[(first, end)] of what was heard, was no silence that may be left out, and is in no clip."""
    held = evicted_runs(history)
    for recording in history.recordings:
        if recording.acknowledged:
            held += recording.runs or []
    for kept in history.kept.values():
        held += kept.runs or []
    held = sorted((first, first + count) for first, count in held if first is not None)
    heard, hushed = _ranges(history, "heard"), _ranges(history, "hushed")
    return minus(minus(heard, hushed), held)


def s8_open_clip(history):
    """Of what was heard at most a second is missing at each cut, and as much longer as medium or
    processor stood still in it; the rest is in some clip.
    """
    excuses = []
    for cut in history.of("cut"):
        most_ms = 1000 + cut.detail.get("stalled_ms", 0)
        heard_last = cut.detail["heard"]
        excuses.append((heard_last - most_ms * history.rate_hz // 1000, heard_last))
    # Where the medium refused a call, the take ends: what is in hand then may be lost, too.
    excuses += [
        (e.detail["heard"] - 2 * history.rate_hz, e.detail["heard"] + 2 * history.rate_hz)
        for e in history.of("failure")
    ]
    for low, high in nowhere(history):
        for first, last in minus([(low, high)], sorted(excuses)):
            yield f"samples {first} to {last} were heard and are nowhere"
