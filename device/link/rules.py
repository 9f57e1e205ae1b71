"""What the link does after an event: which way next, what a probe means, what a death costs.

Loaded for the event and let go of again: events are rare, and the recorder's memory is dear.
"""

from device.compat import const, ticks_add, ticks_diff, ticks_ms

_REST_FIRST_MS = const(300_000)
_REST_CAP_MS = const(3_600_000)
_SHUT_CAP_MS = const(86_400_000)  # ticks compare over six days at most
_ASK_AGAIN_MS = const(20_000)
_ASK_RARELY_MS = const(60_000)  # nothing that we do changes it
_DEAD_PROVED = const(3)  # probes in a row
_DEAD_UNPROVED = const(2)
_DEAD_WITHOUT_TIME = const(8)  # where no time server ever answered, its silence says less
_AWAY_OFTEN = const(3)  # the cloud is away so many times: perhaps another way reaches it
_LAST_RUNG = const(3)
_RESET_DEATHS = const(8)  # without any proof; about a quarter of an hour

# What may be cured by switching something off and on; the rest is the world's, or somebody's.
CURABLE = "link_down link_dead wifi_error modem_silent sim_absent sim_busy no_carrier ppp_failed"
# Somebody else answers in place of the cloud: joining again would bring the same.
IN_THE_WAY = ("portal", "tls_untrusted", "tls_wrong_name")
UNSURE = ("low_memory", "tls_dates")  # says nothing about the way


def choose(link):
    """The first way that does not rest, of Wi-Fi the one that was good last; if all rest, the one
    whose rest ends first. None if the settings close them all: link.barred says why.
    """
    kept = _kept(link)
    link.barred = None
    ready = _ready(link)
    if not ready:
        now = ticks_ms()
        resting = [way for way in link.ways if not _is_shut(link, way)]
        return min(resting, key=lambda way: ticks_diff(way.rests_until, now), default=None)
    first = ready[0]
    if link.reason != "link_changing" and first.kind == "wifi":
        for way in ready:
            if way.kind == "wifi" and way.name == kept.get("good"):
                return way
    return first


def is_anyone_ready(link):
    """True if some way does not rest, but for the only one."""
    return len(link.ways) > 1 and bool(_ready(link))


def look_for_better(link):
    """When may a way before this one be tried? Also after a start that passed it over."""
    link.better_ticks_ms = None
    for way in link.ways:
        if way is link.current:
            break
        if _is_shut(link, way):
            left_ms = link.permits(way.kind)[1]
            ends = ticks_add(ticks_ms(), min(left_ms or _REST_CAP_MS, _SHUT_CAP_MS))
        else:
            if not _rests(way):
                _rest(way)
            ends = way.rests_until
        if link.better_ticks_ms is None or ticks_diff(ends, link.better_ticks_ms) < 0:
            link.better_ticks_ms = ends


def judge(link, found, heard):
    """Act on what a probe found (heard: what the exchange before it met); returns why the way has
    to be left, or None.
    """
    code = _judged(link, found, heard)
    if code:
        died(link, link.current, code)
    return code


def _judged(link, found, heard):
    code, is_time_heard = found
    if is_time_heard:
        link.time_came()
    if not code:
        link.exchange_succeeded()
        return None
    if heard in IN_THE_WAY and code not in IN_THE_WAY:
        code = heard  # whether or not it lets questions about the time pass
    others = [way for way in _ready(link) if way is not link.current]
    link.trouble = code
    link.log.warning("probe way=%s reason=%s", link.kind, code)
    if code != "away" and code not in IN_THE_WAY and code not in UNSURE:
        link.misses += 1
        link.aways = 0
        pause_ms, dead = _ASK_AGAIN_MS, _DEAD_PROVED if link.proved else _DEAD_UNPROVED
        if not link.current.has_time and not others:
            pause_ms, dead = _ASK_RARELY_MS, _DEAD_WITHOUT_TIME
        link.probe_ticks_ms = ticks_add(ticks_ms(), pause_ms)
        return "link_dead" if link.misses >= dead else None
    link.misses = 0  # something answers
    link.aways = link.aways + 1 if code == "away" else 0
    link.probe_ticks_ms = ticks_add(ticks_ms(), _ASK_RARELY_MS)
    if code == "away":
        link.is_doubted = False  # until the next exchange fails
    if code in UNSURE or not others:
        return None
    if code == "away":
        return "connect_failed" if link.aways >= _AWAY_OFTEN else None
    return code


def book(link):
    """The way is proved: its ladder begins anew, and the next boot begins with it."""
    way = link.current
    link.log.info("link proved way=%s", way.kind)
    way.rung = link.deaths = 0
    kept = _kept(link)
    good = way.name if way.kind == "wifi" else kept.get("good")
    if good != kept.get("good") or "reset" in kept:
        _keep(link, {"good": good} if good else {})


def died(link, way, code):
    """Count a death, or a start that failed."""
    if code in CURABLE.split():
        way.rung += 1
        link.deaths += 1
        if way.rung > _LAST_RUNG and link.deaths >= _RESET_DEATHS:
            _reset(link, code)
    if len(link.ways) > 1:
        _rest(way)


def _ready(link):
    return [way for way in link.ways if not (_rests(way) or _is_shut(link, way))]


def _is_shut(link, way):
    """True if a rule of the settings closes it now. Where only the time could tell, it is open:
    from where else would the time come?
    """
    code = link.permits(way.kind)[0] if link.permits else None
    if code in (None, "clock_wait"):
        return False
    link.barred = code
    return True


def _rests(way):
    if way.rests_until is not None and ticks_diff(way.rests_until, ticks_ms()) <= 0:
        way.rests_until = None
    return way.rests_until is not None


def _rest(way):
    way.rest_ms = min(2 * way.rest_ms, _REST_CAP_MS) if way.rest_ms else _REST_FIRST_MS
    way.rests_until = ticks_add(ticks_ms(), way.rest_ms)


def _reset(link, code):
    """The last rung, once an outage: what a reset does not cure, ten will not."""
    kept = _kept(link)
    if link.plan_reset and "reset" not in kept:
        link.log.error("reset is planned reason=%s", code)
        good = kept.get("good")
        _keep(link, {"good": good, "reset": 1} if good else {"reset": 1})
        link.plan_reset(code)


def _keep(link, value):
    link.kept = value
    try:
        if link.slots:
            link.slots.write(value)
    except OSError as e:
        link.log.warning("link state not kept errno=%s", e.errno)


def _kept(link):
    """What outlived the last boot: "good", the Wi-Fi that was proved last; "reset", planned."""
    if link.kept is None:
        try:
            link.kept = link.slots and link.slots.read() or {}
        except OSError:
            link.kept = {}
    return link.kept
