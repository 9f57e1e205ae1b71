"""Each clip once, and in order: recordings, bodies, states, numbers (S4 to S7, S9)."""

_FORWARD = ("open", "closed", "creating", "created", "stored", "completing", "done")
_ASIDE = ("parked", "quarantined")
_EVICTED = "evicted"
SECOND_PUT = ("integrity_failure", "checksum_mismatch")
# A clip changes its way: it gets another recording.
_CHANGES = ("W chunks given up clip=", "I from now on in chunks clip=")
_ENDS = ("complete", "finalize")
_BYTES_AGAIN = ("completing", "created")
# What chunks have of their own: confirmed one by one while the clip is `closed`; the way back to a
# whole file; and from one that was cut twice.
_OF_CHUNKS = (("closed", "completing"), ("completing", "closed"), ("created", "closed"))


def s4_at_most_one(history):
    """One acknowledged recording a clip; an empty one only where an answer to create was lost."""
    seen, extra = {}, {}
    for recording in history.recordings:
        if recording.acknowledged:
            seen.setdefault(recording.clip, []).append(recording.rid)
        extra.setdefault(recording.clip, []).append(recording.rid)
    for clip, rids in seen.items():
        if len(rids) > 1:
            yield f"clip {clip} is acknowledged as {', '.join(rids)}"
    lost = _lost_creates(history)
    # Chunks that came to nothing, or that the cloud did not take: the whole file, in a new one.
    for event in history.of("commit", "log"):
        text = event.detail.get("text", "")
        clip = event.detail.get("clip", 0)
        if text.startswith(_CHANGES):
            clip = int(text.partition("clip=")[2].split()[0])
        elif event.detail.get("code") != "checksum_mismatch":
            continue
        lost[clip] = lost.get(clip, 0) + 1
    for clip, rids in extra.items():
        if len(rids) - 1 > lost.get(clip, 0):
            yield f"clip {clip} has {len(rids)} recordings for {lost.get(clip, 0)} lost answers"
    yield from _no_overlap(history)


def _lost_creates(history):
    """clip -> how many answers to its create did not reach a record.

    Where the medium took none, the program has to keep the answer in mind: once a boot.
    """
    answers = {e.detail["id"]: e for e in history.of("answer")}
    ends = [e.at_ms for e in history.of("cut", "reset")]
    refusals = [e.at_ms for e in history.of("failure")]
    refusals += [e.at_ms for e in history.of("failed") if "storage_" in e.detail["code"]]
    lost, unrecorded = {}, set()
    for event in history.of("request"):
        if event.detail["route"] != "create":
            continue
        clip, answer = event.detail["clip"], answers.get(event.detail["id"])
        is_lost = answer is None or answer.detail["status"] not in (200, 201)
        # One that came in the moment of a cut was not written down.
        is_lost = is_lost or any(0 <= at - answer.at_ms <= 5_000 for at in ends)
        if not is_lost and any(0 <= at - answer.at_ms <= 5_000 for at in refusals):
            boot = sum(at < answer.at_ms for at in ends)
            is_lost = (clip, boot) not in unrecorded
            unrecorded.add((clip, boot))
        lost[clip] = lost.get(clip, 0) + is_lost
    return lost


def _no_overlap(history):
    runs = []
    for recording in history.recordings:
        if recording.acknowledged:
            for first, count in recording.runs or []:
                if first is not None:
                    runs.append((first, first + count, recording.rid))
    runs.sort()
    for one, two in zip(runs, runs[1:], strict=False):
        if two[0] < one[1]:
            yield f"{one[2]} and {two[2]} hold the same samples from {two[0]} on"


def s5_no_needless_put(history):
    """No PUT after a durable `stored`, but on integrity failure; no complete before a 2xx PUT."""
    stored, put = set(), set()
    clip_of = {}
    for event in history.of("record", "answer", "request", "commit"):
        detail = event.detail
        if event.kind == "record":
            if detail["state"] in ("stored", "completing"):
                stored.add(detail["clip"])
        elif detail.get("code") in SECOND_PUT and (
            # Where the answer to a finalize is lost, the next one tells that stitching has failed.
            event.kind == "answer" or detail["route"] == "finalize"
        ):
            stored.discard(clip_of.get(detail["id"]))
        elif event.kind == "request":
            clip_of[detail["id"]] = detail["clip"]
            if detail["route"] == "put" and detail["clip"] in stored:
                yield f"clip {detail['clip']} was PUT again at {event.at_ms} ms after `stored`"
            elif detail["route"] in _ENDS and detail["rid"] not in put:
                yield f"{detail['route']} of {detail['rid']} before its PUT at {event.at_ms} ms"
        elif event.kind == "commit" and detail["route"] == "put" and detail["status"] == 200:
            put.add(detail["rid"])
        elif event.kind == "commit" and detail["code"] == "chunk_count_mismatch":
            yield f"finalize of {detail['rid']} before all its chunks were PUT at {event.at_ms} ms"


def s6_same_body(history):
    """Every create of a clip carries the same bytes and key, every complete the same hash."""
    creates, completes = {}, {}
    for event in history.of("commit", "request"):
        detail = event.detail
        if event.kind == "commit" and detail["route"] == "put":
            completes.pop(detail["rid"], None)
        elif event.kind == "request" and detail["route"] == "create":
            said = (detail["key"], detail["body"])
            if not detail["key"]:
                yield f"create of clip {detail['clip']} without a key"
            # One recording for the chunks, and one for the whole file if they came to nothing.
            way = next((end for end in ("-s", "-w") if str(detail["key"]).endswith(end)), "")
            if creates.setdefault((detail["clip"], way), said) != said:
                yield f"create of clip {detail['clip']} changed at {event.at_ms} ms"
        elif event.kind == "request" and detail["route"] in _ENDS:
            if completes.setdefault(detail["rid"], detail["body"]) != detail["body"]:
                yield f"{detail['route']} of {detail['rid']} changed at {event.at_ms} ms"
    keys = {}
    for (clip, _), (key, _) in creates.items():
        if keys.setdefault(key, clip) != clip:
            yield f"clips {keys[key]} and {clip} use one Idempotency-Key"


def s7_monotone(history):
    """States go forward; back only from completing to created (the bytes go up again), or to
    closed (another way, in another recording). From `evicted` (S16: when) there is no way on.
    A line's number comes again only where the medium may have taken the line and said no.
    """
    states, lines, refused = {}, {}, 0
    jumps = (_BYTES_AGAIN, *(_OF_CHUNKS if history.in_chunks else ()))
    for event in history.of("record", "failure"):
        if event.kind == "failure":
            refused += 1
            continue
        clip, state = event.detail["clip"], event.detail["state"]
        before = states.get(clip)
        states[clip] = state
        sequence = event.detail.get("sequence")
        if sequence is not None:
            last, refused_before, refused_then = lines.get(clip, (0, refused, refused))
            if sequence < last or sequence == last and refused == refused_before:
                yield f"record of clip {clip} has sequence {sequence} again at {event.at_ms} ms"
            lines[clip] = (sequence, refused_then, refused)
        if before is None or state in (*_ASIDE, _EVICTED) or (before, state) in jumps:
            if before == _EVICTED != state:
                yield f"clip {clip} went from {before} to {state}"
            continue
        if before in (*_ASIDE, _EVICTED):
            yield f"clip {clip} went from {before} to {state} by itself"
        elif _FORWARD.index(state) < _FORWARD.index(before):
            yield f"clip {clip} went back from {before} to {state} at {event.at_ms} ms"
        elif _FORWARD.index(state) > _FORWARD.index(before) + 1 and before != "open":
            yield f"clip {clip} went from {before} to {state} without the states between"


def s9_order(history):
    """Numbers grow and none is used twice; without a fault clips leave in their order."""
    highest = 0
    for event in history.of("open"):
        number = event.detail["clip"]
        if number <= highest:
            yield f"clip number {number} was used again at {event.at_ms} ms"
        highest = max(highest, number)
    disturbed = history.of("cut", "reset", "failure", "failed", "asked") or any(
        e.detail["status"] not in (200, 201) for e in history.of("answer")
    )
    if not disturbed and not history.in_chunks:
        order = [
            e.detail["clip"]
            for e in history.of("commit")
            if e.detail["route"] == "complete" and e.detail["status"] == 200
        ]
        if order != sorted(order):
            yield f"clips left in the order {order}"
