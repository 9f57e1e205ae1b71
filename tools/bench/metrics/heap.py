"""M3: the smallest heap in which the whole recorder records one clip and delivers another, without
one shortage; beside it the least that other clients need for a bare upload.
"""

from tools.bench import cycle, memory
from tools.bench.rows import Row
from tools.bench.upload import AIOHTTP, MIB, RAW, REQUESTS, STREAMS, need_micropython

_MOST_KIB = 128


def measure(session):
    need_micropython()
    uploads = session.uploads
    clients = [RAW, STREAMS, REQUESTS] + ([] if session.quick else [AIOHTTP])
    bare = {}
    for client in uploads.present(clients):
        session.say(f"{client.name}, a bare upload")
        bare[client.name] = uploads.smallest_heap_kb(client, MIB, "https")
    rows = []
    heap_kb = cycle.LEAST_KB + cycle.STEP_KB
    for mib in (1,) if session.quick else (1, memory.LONG_CLIP_MIB):
        session.say(f"the whole recorder, a clip of {mib} MiB")
        heap_kb = session.recorders.smallest_heap_kb(mib, heap_kb - cycle.STEP_KB)
        rows.append(
            Row(
                "M3",
                f"smallest heap for a whole cycle, a clip of {mib} MiB, ring apart",
                heap_kb - memory.RING_BYTES / memory.KIB,
                "KiB",
                most=_MOST_KIB,
                spread=cycle.STEP_KB,
                baselines=bare if mib == 1 else {},
                note="others: a bare upload" if mib == 1 else "",
            )
        )
    return rows
