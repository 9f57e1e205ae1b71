"""S1 to S14 and L1 to L6 of the shared performance.md 3.2: what no history may show.

`judge(history)` is the one place that knows them; every harness brings its history here.
S14 (settings) has tests of its own: no harness writes settings into a history.
"""

from tools.torture.history import History, Violation

_FORWARD = ("open", "closed", "creating", "created", "stored", "completing", "done")
_ASIDE = ("parked", "quarantined")
_SECOND_PUT = ("integrity_failure", "checksum_mismatch")
_GIVEN_UP = "W chunks given up clip="
_ENDS = ("complete", "finalize")
_BYTES_AGAIN = ("completing", "created")
# What chunks have of their own: confirmed one by one while the clip is `closed`.
_OF_CHUNKS = (("closed", "completing"), ("completing", "closed"))
_MIN_WAITS = 8  # so many waits without jitter are no chance: one in 10**8 histories
_JITTER_SEEN_PCT = 5


def judge(history: History) -> list[Violation]:
    """Every violation, in the order of the names; none for a history that kept each promise."""
    found = []
    for check in CHECKS:
        name = check.__name__.split("_", 1)[0].upper()
        found += [Violation(name, text) for text in check(history)]
    return found


def _shas(closed):
    """The hashes that a closed clip may have in storage: whole, or as chunks."""
    return (closed["sha"], closed.get("stored_sha", closed["sha"]))


def _is_stitched(detail):
    return detail["route"] == "finalize" and detail["sha"] is not None


def s1_no_loss(history):
    """A closed clip is whole on the device, or whole at the server and acknowledged."""
    closed, proved = {}, set()
    for event in history.events:
        detail = event.detail
        if event.kind == "closed":
            closed[detail["clip"]] = _shas(detail)
        elif event.kind == "commit" and detail["route"] in _ENDS and detail["status"] == 200:
            if detail["sha"] in closed.get(detail["clip"], ()):
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
    """PUT, acknowledgement, durable `done`, removal: in this order."""
    put, acknowledged, done, closed = set(), set(), set(), set()
    for event in history.events:
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
        if text.startswith(_GIVEN_UP):
            clip = int(text[len(_GIVEN_UP) :].split()[0])
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
    for event in history.events:
        detail = event.detail
        if event.kind == "record":
            if detail["state"] in ("stored", "completing"):
                stored.add(detail["clip"])
        elif event.kind == "answer" and detail.get("code") in _SECOND_PUT:
            stored.discard(clip_of.get(detail["id"]))
        elif event.kind == "request":
            clip_of[detail["id"]] = detail["clip"]
            if detail["route"] == "put" and detail["clip"] in stored:
                yield f"clip {detail['clip']} was PUT again at {event.at_ms} ms after `stored`"
            elif detail["route"] in _ENDS and detail["rid"] not in put:
                yield f"{detail['route']} of {detail['rid']} before its PUT at {event.at_ms} ms"
        elif event.kind == "commit" and detail["route"] == "put" and detail["status"] == 200:
            put.add(detail["rid"])


def s6_same_body(history):
    """Every create of a clip carries the same bytes and key, every complete the same hash."""
    creates, completes = {}, {}
    for event in history.events:
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
    closed (the chunks came to nothing).
    """
    states, lines = {}, {}
    jumps = (_BYTES_AGAIN, *(_OF_CHUNKS if history.in_chunks else ()))
    for event in history.of("record"):
        clip, state = event.detail["clip"], event.detail["state"]
        before = states.get(clip)
        states[clip] = state
        sequence = event.detail.get("sequence")
        if sequence is not None:
            if sequence <= lines.get(clip, 0):
                yield f"record of clip {clip} has sequence {sequence} again at {event.at_ms} ms"
            lines[clip] = sequence
        if before is None or state in _ASIDE or (before, state) in jumps:
            continue
        if before in _ASIDE:
            yield f"clip {clip} went from {before} to {state} by itself"
        elif _FORWARD.index(state) < _FORWARD.index(before):
            yield f"clip {clip} went back from {before} to {state} at {event.at_ms} ms"
        elif _FORWARD.index(state) > _FORWARD.index(before) + 1 and before != "open":
            yield f"clip {clip} went from {before} to {state} without the states between"


def s8_open_clip(history):
    """Of what was heard at most a second is missing at each cut; the rest is in some clip."""
    held = []
    for recording in history.recordings:
        if recording.acknowledged:
            held += recording.runs or []
    for kept in history.kept.values():
        held += kept.runs or []
    held = sorted((first, first + count) for first, count in held if first is not None)
    heard = sorted((e.detail["first"], e.detail["first"] + e.detail["count"])
                   for e in history.of("heard"))  # fmt: skip
    if not heard:
        return
    excuses = [(e.detail["heard"] - history.rate_hz, e.detail["heard"]) for e in history.of("cut")]
    # Where the medium refused a call, the take ends: what is in hand then may be lost, too.
    excuses += [
        (e.detail["heard"] - 2 * history.rate_hz, e.detail["heard"] + 2 * history.rate_hz)
        for e in history.of("failure")
    ]
    for low, high in _minus(heard, held):
        for first, last in _minus([(low, high)], sorted(excuses)):
            yield f"samples {first} to {last} were heard and are nowhere"


def _minus(ranges, others):
    """The parts of ranges that none of others covers; both sorted."""
    left = []
    for low, high in ranges:
        for first, last in others:
            if last <= low:
                continue
            if first >= high:
                break
            if first > low:
                left.append((low, first))
            low = max(low, last)
            if low >= high:
                break
        if low < high:
            left.append((low, high))
    return left


def s9_order(history):
    """Numbers grow and none is used twice; without a fault clips leave in their order."""
    highest = 0
    for event in history.of("open"):
        number = event.detail["clip"]
        if number <= highest:
            yield f"clip number {number} was used again at {event.at_ms} ms"
        highest = max(highest, number)
    disturbed = history.of("cut", "reset", "failure", "failed") or any(
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


def s10_secrets(history):
    """No secret in any text; the bearer only to the API, over TLS."""
    for where, text in history.texts:
        for secret in history.secrets:
            if secret and secret in text:
                yield f"a secret stands in {where}"
    for event in history.of("request"):
        if event.detail["bearer"] and event.detail["host"] not in history.api_hosts:
            yield f"the token went to {event.detail['host']}"


def s11_tls(history):
    """Nothing leaves in clear text, and nothing to a host that nobody named."""
    for event in history.of("request"):
        if not event.detail["tls"]:
            yield f"{event.detail['route']} went without TLS"
        if event.detail["host"] not in history.api_hosts + history.storage_hosts:
            yield f"{event.detail['route']} went to {event.detail['host']}"


def s12_full_disk(history):
    """Only the product's own names are touched."""
    for name in history.foreign_changed:
        yield f"{name} is not ours and was changed"
    for event in history.of("remove"):
        if not event.detail["clip"]:
            yield f"{event.detail['what']} is not ours and was removed"


def s13_bounds(history):
    """Sockets, open files and requests an hour stay within the limits; waits are spread."""
    for kind in ("sockets", "open_files"):
        for event in history.of(kind):
            if event.detail["count"] > history.limits.get(kind, 1 << 30):
                yield f"{event.detail['count']} {kind} at {event.at_ms} ms"
    most = history.limits.get("requests_an_hour")
    if most:
        # 425 is no refusal: the cloud asks to be asked again.
        refused = {
            e.detail["id"]
            for e in history.of("answer")
            if e.detail["status"] != 425 and not 0 < e.detail["status"] < 300
        }
        times = [e.at_ms for e in history.of("request") if e.detail["id"] in refused]
        for i in range(len(times) - most):
            if times[i + most] - times[i] < 3_600_000:
                yield f"more than {most} refused requests in the hour from {times[i]} ms on"
                break
    yield from _retry_after(history)
    waits = [e.detail for e in history.of("resumed")]
    if len(waits) >= _MIN_WAITS:
        limit = 1 + _JITTER_SEEN_PCT / 100
        if all(w["waited_s"] < w["wait_s"] * limit for w in waits):
            yield f"{len(waits)} waits without jitter"
    for wait in waits:
        if wait["waited_s"] < wait["wait_s"] - 1:
            yield f"a request after {wait['waited_s']:.0f} s of a wait of {wait['wait_s']} s"


def _retry_after(history):
    """The lane comes no earlier than it was asked to (a boot may have lost its clock)."""
    not_before_ms = 0
    routes = {}
    for event in history.of("boot", "request", "answer"):
        if event.kind == "boot":
            not_before_ms = 0
        elif event.kind == "answer":
            asked_s = event.detail.get("retry_after_s") or 0
            if asked_s and routes.get(event.detail["id"]) != "heartbeat":
                not_before_ms = event.at_ms + 1000 * asked_s
        else:
            routes[event.detail["id"]] = event.detail["route"]
            if event.detail["route"] != "heartbeat" and event.at_ms < not_before_ms:
                yield f"a request {not_before_ms - event.at_ms} ms before Retry-After was over"
                not_before_ms = 0


def l1_rest(history):
    """Once faults stop, every clip is gone or set aside with a reason, within the bound."""
    if history.rest_bound_ms:
        if history.rest_after_ms is None:
            waiting = {n: k.state for n, k in history.kept.items() if k.state not in _ASIDE}
            yield f"not at rest {history.rest_bound_ms} ms after the last fault: {waiting}"
    for number, kept in history.kept.items():
        if kept.state in _ASIDE and not kept.why:
            yield f"clip {number} is set aside without a reason"
        elif kept.state not in _ASIDE and history.rest_after_ms is not None:
            yield f"clip {number} is left in state {kept.state}"


def l3_recorder(history):
    """The recorder waits for nobody: samples are lost only within the limit for stalls."""
    limit = history.limits.get("overrun_samples")
    lost = sum(e.detail["count"] for e in history.of("overrun"))
    if limit is not None and lost > limit:
        yield f"{lost} samples had no block to go to"


def l4_time_limits(history):
    """Every request ends within its limit, whatever the other side does."""
    limit_ms = history.limits.get("request_ms")
    if not limit_ms:
        return
    sent = {}
    for event in history.of("request", "answer", "cut", "reset"):
        if event.kind in ("cut", "reset"):
            sent.clear()
        elif event.kind == "request":
            sent[event.detail["id"]] = event.at_ms
        else:
            began_ms = sent.pop(event.detail["id"], None)
            if began_ms is not None and event.at_ms - began_ms > limit_ms:
                yield f"a request took {event.at_ms - began_ms} ms"


def l5_lanes_faults(history):
    """No clip is set aside for what is the lane's: a token, a throttle, an outage."""
    last = {}
    clip_of = {}
    for event in history.of("request", "answer", "record"):
        detail = event.detail
        if event.kind == "request":
            clip_of[detail["id"]] = (detail["clip"], detail["route"])
        elif event.kind == "answer":
            clip, route = clip_of.get(detail["id"], (0, ""))
            last[clip] = 0 if route == "put" else detail["status"]
        elif detail["state"] in _ASIDE:
            status = last.get(detail["clip"], 0)
            if status in (401, 403, 408, 429) or status >= 500:
                yield f"clip {detail['clip']} was set aside for a {status} at {event.at_ms} ms"


def l6_resets(history):
    """The program never ends by itself, but where the medium fails it while it begins."""
    failures = [e.at_ms for e in history.of("failure")]
    for event in history.of("reset"):
        if any(0 <= event.at_ms - at_ms <= 2_000 for at_ms in failures):
            continue
        yield f"reset at {event.at_ms} ms: {event.detail['why']}"
    for event in history.of("overdue"):  # the watchdog is not fed any more
        yield f"task {event.detail['task']} is overdue at {event.at_ms} ms"


CHECKS = (
    s1_no_loss,
    s2_delete_order,
    s3_integrity,
    s4_at_most_one,
    s5_no_needless_put,
    s6_same_body,
    s7_monotone,
    s8_open_clip,
    s9_order,
    s10_secrets,
    s11_tls,
    s12_full_disk,
    s13_bounds,
    l1_rest,
    l3_recorder,
    l4_time_limits,
    l5_lanes_faults,
    l6_resets,
)
