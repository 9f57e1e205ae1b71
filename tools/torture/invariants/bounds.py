"""Secrets, bounds and liveness: what leaves, how often, and that nothing is stuck (S10 to S13,
L1 to L6).
"""

from tools.torture.history import NOT_THE_LANES

_ASIDE = ("parked", "quarantined")
_MIN_WAITS = 8  # so many waits without jitter are no chance: one in 10**8 histories
_JITTER_SEEN_PCT = 5


def s10_secrets(history):
    """No secret in any text; the bearer only to the API, over TLS."""
    all_of_it = "\0".join(text for _, text in history.texts)
    told = [secret for secret in history.secrets if secret and secret in all_of_it]
    for where, text in history.texts if told else ():
        for secret in told:
            if secret in text:
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
            if asked_s and routes.get(event.detail["id"]) not in NOT_THE_LANES:
                not_before_ms = event.at_ms + 1000 * asked_s
        else:
            routes[event.detail["id"]] = event.detail["route"]
            if event.detail["route"] != "heartbeat" and event.at_ms < not_before_ms:
                yield f"a request {not_before_ms - event.at_ms} ms before Retry-After was over"
                not_before_ms = 0


def l1_rest(history):
    """Once faults stop, every clip is gone or set aside with a reason, within the bound."""
    for event in history.of("stuck"):
        yield f"stuck at {event.at_ms} ms: {event.detail['why']}"
    if history.rest_bound_ms:
        if history.rest_after_ms is None:
            waiting = {n: k.state for n, k in history.kept.items() if k.state not in _ASIDE}
            yield f"not at rest {history.rest_bound_ms} ms after the last fault: {waiting}"
    for number, kept in history.kept.items():
        if kept.state in _ASIDE and not kept.why:
            yield f"clip {number} is set aside without a reason"
        elif kept.is_of_another:
            continue
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
