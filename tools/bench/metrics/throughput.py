"""M2: wall clock of an upload as paired ratios, the only form in which it says anything.

Every round lets each client send a file, one after the other in an order that turns; a short
upload of the same client is subtracted (start, handshake, answer). It is not empty: a client that
writes its head in many small pieces waits for an acknowledgement then, and only then. On a
machine that does other work the ratios scatter: the spread says how much.
"""

from tools.bench.rows import Row, middle, spread_of
from tools.bench.upload import CURL, DEVICE, MIB, RAW, REQUESTS, STREAMS, need_micropython

_LEAST_OF_RAW = 0.90
_ROUNDS = 11
_QUICK_ROUNDS = 5
_LONG_BYTES, _SHORT_BYTES = 5 * MIB, MIB


def measure(session):
    need_micropython()
    uploads = session.uploads
    others = [RAW, REQUESTS, STREAMS, CURL]
    clients = [DEVICE, *uploads.present(others)]
    rounds = _QUICK_ROUNDS if session.quick else _ROUNDS
    long = {client: [] for client in clients}
    short = {client: [] for client in clients}
    for number in range(rounds):
        session.say(f"round {number + 1} of {rounds}")
        turn = number % len(clients)
        for client in clients[turn:] + clients[:turn]:
            short[client].append(uploads.seconds(client, _SHORT_BYTES, "https"))
            long[client].append(uploads.seconds(client, _LONG_BYTES, "https"))
    took = {c: [max(1e-6, t - middle(short[c])) for t in long[c]] for c in clients}

    def over(client, other):
        return [b / a for a, b in zip(took[client], took[other], strict=True)]

    def row(what, other, least, note=""):
        ratios = over(DEVICE, other)
        names = {c.name: middle(over(c, other)) for c in clients if c not in (DEVICE, other)}
        return Row(
            "M2", what, middle(ratios), least=least, spread=spread_of(ratios), baselines=names,
            note=note,
        )  # fmt: skip

    missing = "; ".join(why for c in others if (why := uploads.why_not(c)))
    rates = {c: (_LONG_BYTES - _SHORT_BYTES) / MIB / middle(took[c]) for c in clients}
    return [
        row("throughput over raw socket", RAW, _LEAST_OF_RAW, missing),
        row("throughput over requests", REQUESTS, 1.0, "which verifies nothing"),
        Row(
            "M2",
            "MiB a second, of this machine at this moment",
            rates[DEVICE],
            spread=rates[DEVICE],
            baselines={c.name: rates[c] for c in clients if c is not DEVICE},
        ),
    ]
