"""The device's ledger against the truth: no second is told wrongly, and none is unknown without a
cut or a medium that refused (S15). device/store/ledger.py says what the kinds mean.
"""

from bisect import bisect_right

from tools.torture.invariants.audio import evicted_runs
from tools.torture.invariants.ranges import cut_to, joined, minus, shrunk

# A run is rounded to seconds at both ends, and the time of a block is known to a few ms.
_EDGE_MS = 1_000
_GAP_MS = 2_500  # what may lie unnamed between two runs: both edges, and the start of the program
_NEAR_MS = 3_000
_KEPT_MS = 3_600_000 + 60_000 + 43_200_000  # an hour, pre-roll, and how late a poll may come here
_ENDS = ("cut", "reset", "planned", "end")


def s15_ledger(history):
    """Every run is true; what is unknown is so for a reason."""
    if history.ledger is None:
        return
    truth = _Truth(history)
    claims, homeless = _claims(history, truth.zero_ms)
    for run in homeless:
        yield f"ledger: run {run} is of a boot that there never was"
    yield from _true_claims(truth, claims)
    yield from _whole_claims(truth, claims)
    yield from _sums(history)


class _Truth:
    """What happened, as sorted intervals of virtual milliseconds."""

    def __init__(self, history):
        self.zero_ms = {}  # boot -> when its uptime was 0
        self.lives = []  # (from, to, how it ended) of each boot
        self._listens = [(e.detail["first"], e.at_ms) for e in history.of("listen")]
        self._firsts = [first for first, _ in self._listens]
        self._rate_hz = history.rate_hz
        begun_ms = None
        for event in history.of("up", *_ENDS):
            if event.kind == "up":
                begun_ms = event.at_ms
                self.zero_ms[event.detail["boot"]] = event.detail["zero_ms"]
            elif begun_ms is not None:
                self.lives.append((begun_ms, event.at_ms, event.kind))
                begun_ms = None
        # A medium that is full may take the ledger all the same; where not, the log says so.
        self.unkept_ms = [e.at_ms for e in history.of("failure") if "why" not in e.detail]
        self.unkept_ms += [
            e.at_ms for e in history.of("log") if e.detail["text"].startswith("W ledger not kept")
        ]
        self.refused_ms = [e.at_ms for e in history.of("failure", "full")]
        self.ends_ms = [e.at_ms for e in history.of(*_ENDS)]
        hushed = self._times((e.detail["first"], e.detail["count"])
                             for e in history.of("hushed"))  # fmt: skip
        acknowledged = [r for r in history.recordings if r.acknowledged]
        self.heard = self._times((e.detail["first"], e.detail["count"])
                                 for e in history.of("heard"))  # fmt: skip
        self.overrun = self._times((e.detail["first"], e.detail["count"])
                                   for e in history.of("overrun"))  # fmt: skip
        self.sent = self._times(run for r in acknowledged for run in r.runs or [])
        self.kept = self._times(run for k in history.kept.values() for run in k.runs or [])
        self.evicted = self._times(evicted_runs(history))
        self.held = joined(self.sent + self.kept + self.evicted)
        self.left_out = minus(hushed, self.held)
        self.ends_in_silence_ms = self._ends_in_silence() if hushed else []

    def _times(self, runs):
        found = []
        for first, count in runs:
            while first is not None and count > 0:
                at = bisect_right(self._firsts, first) - 1
                started, at_ms = self._listens[at]
                ends = self._firsts[at + 1] if at + 1 < len(self._firsts) else first + count
                part = min(count, ends - first) if ends > first else count
                begin_ms = at_ms + (first - started) * 1000 // self._rate_hz
                found.append((begin_ms, begin_ms + part * 1000 // self._rate_hz))
                first, count = first + part, count - part
        return joined(found, 2)

    def _ends_in_silence(self):
        """Where a clip ended whose take was cut, or refused, later: while nobody spoke."""
        found = []
        for at_ms in self.ends_ms + self.refused_ms:
            place = bisect_right(self.held, (at_ms, at_ms)) - 1
            if place >= 0:
                last_ms = self.held[place][1]
                spoken = minus([(last_ms, at_ms)], self.left_out)
                if sum(high - low for low, high in spoken) <= _NEAR_MS:
                    found.append(last_ms)
        return found

    def was_quiet_until_refused(self, from_ms, to_ms):
        """Silence that was left out of a clip which failed before somebody spoke again."""
        refused = any(from_ms <= at_ms <= to_ms + _NEAR_MS for at_ms in self.refused_ms)
        return refused and not minus(shrunk([(from_ms, to_ms)], _EDGE_MS), self.left_out)

    def was_unkept(self, from_ms, to_ms):
        return any(from_ms <= at_ms <= to_ms for at_ms in self.unkept_ms)


def _claims(history, zero_ms):
    """kind -> intervals of virtual ms, and the runs of boots that are not known."""
    claims = {kind: [] for kind in "ibroxceu"}
    homeless = []
    for run in history.ledger["runs"]:
        kind, boot, at_s, seconds = run
        if boot not in zero_ms:
            homeless.append(run)
            continue
        begin_ms = zero_ms[boot] + at_s * 1000
        claims[kind].append((begin_ms, begin_ms + seconds * 1000))
    return {kind: joined(ranges) for kind, ranges in claims.items()}, homeless


def _true_claims(truth, claims):
    lives = [(low, high) for low, high, _ in truth.lives]
    told = {
        "i": minus(lives, minus(truth.heard, truth.left_out)),
        "b": minus(lives, truth.held),  # what the medium refused was heard, and is nowhere
        "r": joined(truth.held + truth.overrun),
        "c": joined(truth.sent + truth.overrun),
        "e": joined(truth.evicted + truth.overrun),
    }
    for kind, true in told.items():
        for low, high in minus(shrunk(claims[kind], _EDGE_MS), true):
            if high - low > _EDGE_MS:  # two runs that round to the same second touch
                yield f"ledger: {kind} from {low} to {high} ms is not true"
    for low, high in claims["x"]:
        near = truth.ends_ms + truth.refused_ms + truth.ends_in_silence_ms
        if not any(low - _NEAR_MS <= at_ms <= high + _NEAR_MS for at_ms in near):
            yield f"ledger: x from {low} to {high} ms, and nothing was cut there"
    for low, high in claims["o"]:
        if not cut_to(truth.overrun, low - _EDGE_MS, high + _EDGE_MS):
            yield f"ledger: o from {low} to {high} ms, and the driver lost nothing there"


def _whole_claims(truth, claims):
    named = joined(claims["i"] + claims["b"] + claims["r"] + claims["x"])
    told_until_ms = [end_ms for _, end_ms, _ in truth.lives[1:]] + [truth.ends_ms[-1]]
    for (begin_ms, end_ms, how), until_ms in zip(truth.lives, told_until_ms, strict=True):
        # Of the last clips before a cut recovery tells in the next life, if the medium lets it.
        if truth.was_unkept(begin_ms, until_ms if how == "cut" else end_ms):
            continue
        last_ms = _last_wait(truth, begin_ms, end_ms)
        for low, high in minus([(begin_ms, end_ms)], named):
            # At the end of a life: what was not kept yet, also before the take that was cut.
            is_last = high > last_ms - _NEAR_MS and high - low < _KEPT_MS
            if high - low > _GAP_MS and (how == "reset" or not is_last):
                if not truth.was_quiet_until_refused(low, high):
                    yield f"ledger: {low} to {high} ms is unknown, and nothing was cut there"
        recorded = cut_to(truth.held, begin_ms, end_ms)
        for low, high in minus(recorded, joined(claims["r"] + claims["x"])):
            if high - low > _GAP_MS:
                yield f"ledger: {low} to {high} ms was recorded, and it does not know"
    if not truth.unkept_ms:
        gone = {"c": minus(truth.sent, truth.kept), "e": minus(truth.evicted, truth.kept)}
        for kind, what in (("c", "confirmed"), ("e", "evicted")):
            for low, high in minus(gone[kind], claims[kind]):
                if high - low > _GAP_MS:
                    yield f"ledger: {low} to {high} ms was {what}, and it does not know"


def _last_wait(truth, begin_ms, end_ms):
    """When the take began that ran at the end of a life; its end, if none did."""
    heard = cut_to(truth.heard, begin_ms, end_ms)
    if heard and heard[-1][1] > end_ms - _NEAR_MS:
        return heard[-1][0]
    return end_ms


def _sums(history):
    """No second is told twice; days and their sum are what the runs say that were folded."""
    book = history.ledger
    ends = {}
    for kind, boot, at_s, seconds in sorted(book["runs"]):
        if at_s < ends.get((kind, boot), 0):
            yield f"ledger: {kind} of boot {boot} at {at_s} s is told twice"
        ends[kind, boot] = max(at_s + seconds, ends.get((kind, boot), 0))
    if book["days"] != book["sum"]:
        yield f"ledger: the days hold {book['days']}, their sum {book['sum']}"
    whole = {kind: 0 for kind in "ibroxceu"}
    for kind, _, _, seconds in book["runs"]:
        whole[kind] += seconds
    told = {kind: book["sum"][kind] + book["exact"][kind] for kind in whole}
    if told != whole:
        yield f"ledger: runs hold {whole}, it tells {told}"
