# How long an upload holds the loop, seen by a task that is always ready. Prints
# {"us": longest time between two of its turns, "bytes": most bytes taken in between, "turns": …}.
import asyncio
import json
import time

from common import PIECE_BYTES


class Counted:
    """How much of a body was taken."""

    sent = 0


async def _watch(counted, size, worst):
    at_us, at_bytes = time.ticks_us(), 0
    while True:
        await asyncio.sleep_ms(0)
        now_us, sent = time.ticks_us(), counted.sent
        # From the third piece on: TLS shakes hands when the first one is written, and before the
        # second is taken.
        if at_bytes > PIECE_BYTES and sent < size:
            worst["us"] = max(worst["us"], time.ticks_diff(now_us, at_us))
            worst["bytes"] = max(worst["bytes"], sent - at_bytes)
            worst["turns"] += sent > at_bytes
        at_us, at_bytes = now_us, sent


async def watched(upload, counted, size):
    worst = {"us": 0, "bytes": 0, "turns": 0}
    task = asyncio.create_task(_watch(counted, size, worst))
    status = await upload
    task.cancel()
    if int(status) != 200:
        raise SystemExit("status %s" % status)
    print(json.dumps(worst))
