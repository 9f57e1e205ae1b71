# aiohttp of micropython-lib: the whole body lies in memory. Its module is found by MICROPYPATH.
import asyncio
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import aiohttp
import common as c


async def upload():
    with open(c.FILE, "rb") as f:
        body = f.read()
    c.new_hash().update(body)
    url = "%s://%s:%d%s" % (c.SCHEME, c.ADDRESS, c.PORT, c.TARGET)
    # It hands no host name to TLS, so a context that verifies refuses every server.
    tls = None
    if c.SCHEME == "https":
        import ssl

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.verify_mode = ssl.CERT_NONE
    async with aiohttp.ClientSession() as session:
        async with session.put(url, data=body, ssl=tls) as response:
            return response.status


begun_us = time.ticks_us()
c.done(asyncio.run(upload()), begun_us)
