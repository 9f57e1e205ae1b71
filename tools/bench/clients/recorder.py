# The recorder's own client: device/http over device/hal/sockets, as .mpy, with the body from a
# plain file or, where HASH says "clip", from transfer/source as the recorder sends it (SHA-256
# for the completion, CRC-32 against what capture wrote). "gaps": how long and for how many bytes
# the loop was held while the body went out.
import asyncio
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import common as c
import watch

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


class Counted(watch.Counted):
    """A body that says how much of it was taken."""

    def __init__(self, body):
        self._body = body
        self.length = body.length

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
    url = "%s://%s:%d%s" % (c.SCHEME, c.HOST, c.PORT, c.TARGET)
    answer = await http.request("PUT", url, [], body)
    http.close()
    return answer.status_code


body = source()
if "gaps" in sys.argv:
    body = Counted(body)
    asyncio.run(watch.watched(upload(body), body, c.SIZE))
else:
    begun_us = time.ticks_us()
    c.done(asyncio.run(upload(body)), begun_us)
