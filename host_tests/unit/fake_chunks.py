"""A cloud in memory that takes chunks too: every byte that reaches its socket is counted."""

import asyncio
import hashlib

from fake_cloud import Cloud

from device.api import chunks
from device.errors import DeviceError, Transient


class ChunkCloud(Cloud):
    """Plays transfer.cloud.Cloud and transfer.chunk_calls.ChunkCalls; script as in Cloud, with
    chunk_url, put_chunk and finalize.

    cut_after: bytes of chunks, or of whole files, at the socket after which the connection (or
    what `cut` raises) breaks, one at a time. put_ms: virtual time that a KiB takes.
    """

    def __init__(self, folder, **script):
        super().__init__(folder, **script)
        self.recordings = {}  # rid -> key that created it
        self.chunks = {}  # rid -> {number: bytes}
        self.socket_bytes = 0
        self.cut_after = []
        self.cut = lambda: Transient("connection_lost")
        self.put_ms = 0

    async def create(self, body, key):
        number = int(key.removesuffix("-s").removesuffix("-w").rsplit("-", 1)[1])
        way = "s" if key.endswith("-s") else "w" if key.endswith("-w") else ""
        rid = "rec_%d%s" % (number, way)
        rid = self._call("create", number, (key, bytes(body)), rid)
        assert self.keys.setdefault(key, bytes(body)) == bytes(body), "another body for " + key
        self.recordings[rid] = key
        return rid

    @staticmethod
    def _clip(rid):
        return int(rid[4:].rstrip("sw"))

    async def upload_url(self, rid, content_type, size_bytes):
        self.urls += 1
        url = (
            "https://b.example/%s?%d" % (rid, self.urls),
            [("Content-Type", content_type)],
            None,
        )
        return self._call("upload_url", self._clip(rid), (content_type, size_bytes), url)

    async def chunk_url(self, rid, number, content_type, size_bytes):
        self.urls += 1
        url = "https://b.example/%s/%d?%d" % (rid, number, self.urls)
        answer = (url, [("Content-Type", content_type)], None)
        return self._call("chunk_url", self._clip(rid), (rid, number, size_bytes), answer)

    async def put(self, url, headers, source):
        rid, _, number = url.split("?")[0].split("b.example/")[1].partition("/")
        source.rewind()
        data = bytearray()
        out = memoryview(bytearray(1024))
        while len(data) < source.length:
            await asyncio.sleep(self.put_ms / 1000)
            n = source.readinto(out[: min(len(out), source.length - len(data))])
            if not n:
                raise DeviceError("damaged", "file ended early")
            if self.cut_after and self.socket_bytes + n >= self.cut_after[0]:
                part = self.cut_after.pop(0) - self.socket_bytes
                self.socket_bytes += part
                raise self.cut()
            data += out[:n]
            self.socket_bytes += n
        name = "put_chunk" if number else "put"
        self._call(name, self._clip(rid), (rid, int(number or 0), len(data)), None)
        if number:
            self.chunks.setdefault(rid, {})[int(number)] = bytes(data)
        else:
            self.objects[rid] = bytes(data)

    async def complete(self, rid, sha256_hex):
        from device.api import dialect

        return self._call("complete", self._clip(rid), (rid, sha256_hex), dialect.PROOF)

    async def finalize(self, rid, total_chunks, duration_ms, md5_hex):
        sent = (rid, total_chunks, duration_ms, md5_hex)
        return self._call("finalize", self._clip(rid), sent, self._judge)

    def _judge(self, sent):
        """What an honest cloud answers."""
        rid, total, _, md5_hex = sent
        data = self.stitched(rid)
        assert sorted(self.chunks[rid]) == list(range(1, total + 1)), "wrong count"
        return chunks.ACCEPTED if hashlib.md5(data).hexdigest() == md5_hex else chunks.FAILED

    def stitched(self, rid):
        found = self.chunks.get(rid, {})
        return b"".join(found[number] for number in sorted(found))
