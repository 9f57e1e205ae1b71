"""S1 to S14 and L1 to L6 of performance.md 3.2, and three more: what no history may show.

`judge(history)` is the one place that knows them; every harness brings its history here.
S14 (settings) has tests of its own: no harness writes settings into a history. S15 is the ledger,
S16 is eviction, S17 are places in a take.
"""

from tools.torture.history import History, Violation
from tools.torture.invariants import audio, bounds, eviction, ledger, once, places

CHECKS = (
    audio.s1_no_loss,
    audio.s2_delete_order,
    audio.s3_integrity,
    once.s4_at_most_one,
    once.s5_no_needless_put,
    once.s6_same_body,
    once.s7_monotone,
    audio.s8_open_clip,
    once.s9_order,
    bounds.s10_secrets,
    bounds.s11_tls,
    bounds.s12_full_disk,
    bounds.s13_bounds,
    ledger.s15_ledger,
    eviction.s16_eviction,
    places.s17_places,
    bounds.l1_rest,
    bounds.l3_recorder,
    bounds.l4_time_limits,
    bounds.l5_lanes_faults,
    bounds.l6_resets,
)
NAMES = tuple(check.__name__.split("_", 1)[0].upper() for check in CHECKS)


def judge(history: History, names: tuple[str, ...] = NAMES) -> list[Violation]:
    """Every violation, in the order of the names; none for a history that kept each promise.

    A harness writes what it sees of a run into a History (history.py has the events; one that
    runs elsewhere prints it as JSON for History.from_json) and judges it here, once at the end:

    - In the order of time; `kept` and `recordings` are what is there at the end.
    - What it cannot see it leaves out. A check that needs it then has nothing to judge: no
      `heard` no S8, no `rest_bound_ms` no L1, no limit in `limits` none for that name.
    - But what it does bring it brings whole: with `remove` of a clip come its `closed`, `record`
      and the server's `commit`, else a removal looks like a loss. Where only a part can be
      brought, names says which checks it is enough for.

    Raises ValueError for a name that is none of NAMES.
    """
    unknown = set(names) - set(NAMES)
    if unknown:
        raise ValueError(f"no such invariants: {sorted(unknown)}; there are {NAMES}")
    found = []
    for name, check in zip(NAMES, CHECKS, strict=True):
        if name in names:
            found += [Violation(name, text) for text in check(history)]
    return found
