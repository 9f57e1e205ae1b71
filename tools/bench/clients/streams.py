# asyncio's own streams: write and drain, a piece at a time.
import asyncio
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import common as c
import watch


async def upload(counted):
    tls = c.context() if c.SCHEME == "https" else None
    name = c.HOST if tls else None
    reader, writer = await asyncio.open_connection(c.ADDRESS, c.PORT, tls, name)
    writer.write(c.HEAD)
    await writer.drain()
    for piece in c.pieces():
        counted.sent += len(piece)
        writer.write(piece)
        await writer.drain()
    status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()
    return status


counted = watch.Counted()
if "gaps" in sys.argv:
    asyncio.run(watch.watched(upload(counted), counted, c.SIZE))
else:
    begun_us = time.ticks_us()
    c.done(asyncio.run(upload(counted)), begun_us)
