"""M12: how long an upload holds the loop: bytes taken from the clip between two turns of another
task, and the longest time between them (best of five: the machine's own pauses are not ours).
"""

from tools.bench.rows import Row
from tools.bench.upload import DEVICE, MIB, RAW, REQUESTS, STREAMS, need_micropython

_RECORD_BYTES = 4096
_MOST_MS = 5
_RUNS = 5


def measure(session):
    need_micropython()
    uploads = session.uploads
    path = uploads.file(MIB)
    seen = {}
    for client, word in ((DEVICE, "clip"), (STREAMS, "-")):
        session.say(client.name)
        seen[client] = []
        for _ in range(_RUNS):
            seen[client].append(uploads.run(client, path, "https", word, "gaps"))
            uploads.check(path)
    # Clients that block give no turn at all before the last byte is out.
    blocking = {client.name: MIB for client in (RAW, REQUESTS)}
    held = {c: max(one["bytes"] if one["turns"] else MIB for one in seen[c]) for c in seen}
    gaps_ms = {c: [one["us"] / 1000 for one in seen[c]] for c in seen}
    return [
        Row(
            "M12",
            "bytes of a clip between two turns of others",
            held[DEVICE],
            most=_RECORD_BYTES,
            baselines={STREAMS.name: held[STREAMS]} | blocking,
        ),
        Row(
            "M12",
            "longest time between two turns, handshake apart, best of 5",
            min(gaps_ms[DEVICE]),
            "ms",
            most=_MOST_MS,
            spread=max(gaps_ms[DEVICE]) - min(gaps_ms[DEVICE]),
            baselines={STREAMS.name: min(gaps_ms[STREAMS])},
        ),
    ]
