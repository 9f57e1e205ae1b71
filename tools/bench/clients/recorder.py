# The recorder's own client: device/http over device/hal/sockets, as .mpy, with the body from a
# plain file or, where HASH says "clip", from transfer/source as the recorder sends it (SHA-256
# for the completion, CRC-32 against what capture wrote). "gaps": how long and for how many bytes
# the loop was held while the body went out.
import asyncio
import json
import os
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import common as c
from device.hal.sim.net import Net
from device.http.client import HttpClient

WAV_HEADER_BYTES = 44


class FileSource:
    """The least that is a body."""

    def __init__(self):
        self.length = c.SIZE
        self._f = None

    def rewind(self):
        self._f = open(c.FILE, "rb")

    def readinto(self, out):
        return self._f.readinto(out)

    def close(self):
        self._f.close()


class Clip:
    """FILE as if capture had written it: behind a header that is made anew."""

    def __init__(self):
        samples = (c.SIZE - WAV_HEADER_BYTES) // 2
        self.audio_path = c.FILE
        self.record = {"bytes": c.SIZE, "crc": 0, "samples": samples, "codec": "wav"}


def source():
    if c.HASH == "-":
        return FileSource()
    from device.codec.wav import WavCodec
    from device.transfer.source import ClipSource

    return ClipSource(Clip(), WavCodec(16000))


class Watch:
    """A task that is always ready: it sees each time that the loop comes round."""

    def __init__(self, body, net):
        self._body, self._net = body, net
        self.worst_us = self.worst_bytes = 0
        self.turns = 0

    async def run(self):
        at_us, at_bytes, sent = time.ticks_us(), 0, 0
        while True:
            await asyncio.sleep_ms(0)
            now_us, sent = time.ticks_us(), self._body.sent
            # From the second piece on: the first waits for the handshake.
            if at_bytes > c.PIECE_BYTES and sent < c.SIZE:
                self.worst_us = max(self.worst_us, time.ticks_diff(now_us, at_us))
                self.worst_bytes = max(self.worst_bytes, sent - at_bytes)
                self.turns += 1
            at_us, at_bytes = now_us, sent


class Counted:
    """A body that says how much of it was taken."""

    def __init__(self, body):
        self._body = body
        self.length = body.length
        self.sent = 0

    def rewind(self):
        self._body.rewind()

    def readinto(self, out):
        n = self._body.readinto(out)
        self.sent += n
        return n


async def upload(body):
    roots = []
    if c.SCHEME == "https":
        with open(c.ROOT, "rb") as f:
            roots.append(f.read())
    net = Net({c.HOST: c.ADDRESS}, roots, lambda: True)
    piece = memoryview(bytearray(c.PIECE_BYTES))
    http = HttpClient(net, piece, [bytearray(1024)], None, True)
    url = "%s://%s:%d/bench" % (c.SCHEME, c.HOST, c.PORT)
    answer = await http.request("PUT", url, [], body)
    http.close()
    return answer.status_code


async def watched(body):
    counted = Counted(body)
    watch = Watch(counted, None)
    task = asyncio.create_task(watch.run())
    status = await upload(counted)
    task.cancel()
    print(json.dumps({"us": watch.worst_us, "bytes": watch.worst_bytes, "turns": watch.turns}))
    return status


body = source()
if "gaps" in sys.argv:
    asyncio.run(watched(body))
else:
    begun_us = time.ticks_us()
    c.done(asyncio.run(upload(body)), begun_us)
