"""Runs on MicroPython: what is around the recorder in flash_cuts.py, and cannot lose anything."""

import asyncio
import hashlib

from device.api import chunks, dialect
from device.compat import hex_digest

RATE_HZ = 8000
BLOCK_FRAMES = 512


class Server:
    """Recordings by key and what storage holds, in place of transfer.cloud.Cloud.

    At network event number dies_at the power goes: pull() is called, nothing comes back.
    """

    def __init__(self, dies_at, pull, witness):
        self._witness = witness
        self.by_key = {}
        self.objects = {}
        self.proved = {}
        self.faults = []
        self.events = 0
        self.stored = {}  # recording -> {chunk: bytes}
        self.twice = 0  # chunks that were stored more than once
        self.live = 0  # chunks that were stored while a clip was open
        self.is_open = None
        self._dies_at = dies_at
        self._pull = pull

    def has_token(self):
        return True

    async def _event(self):
        await asyncio.sleep_ms(0)
        self.events += 1
        if self.events == self._dies_at:
            self._pull()
            await asyncio.Event().wait()

    async def _call(self, route, rid, commit, key=None, body=None):
        """rid: the recording; create knows it only from its answer."""
        await self._event()  # before it is sent
        call = self._witness.request(route, rid, key, body)
        await self._event()  # sent, and not carried out
        answer = commit()
        self._witness.commit(call, answer if route == "create" else rid, self.objects)
        await self._event()  # carried out, the answer is on its way
        await self._event()  # the answer is here
        self._witness.answer(call)
        return answer

    async def create(self, body, key):
        body = bytes(body)

        def commit():
            if self.by_key.setdefault(key, body) != body:
                self.faults.append("another body for " + key)
            return "rec_" + "".join(key.split("-")[3:])  # the number, and s or w

        return await self._call("create", None, commit, key, body)

    async def upload_url(self, rid, content_type, size_bytes):
        return await self._call("url", rid, lambda: (rid, [], None))

    async def put(self, url, headers, source):
        if url in self.proved:
            self.faults.append("PUT after the proof of " + url)
        source.rewind()
        data = bytearray(source.length)
        view = memoryview(data)
        offset = 0
        while offset < len(data):
            n = source.readinto(view[offset : offset + 1024])
            if not n:
                raise OSError(5)
            offset += n

        rid, _, number = url.partition("/")

        def commit():
            if not number:
                self.objects[rid] = data
                return
            found = self.stored.setdefault(rid, {})
            self.twice += number in found
            self.live += self.is_open()
            found[number] = data

        await self._call("put", rid, commit)

    async def chunk_url(self, rid, number, content_type, size_bytes):
        return await self._call("chunk_url", rid, lambda: ("%s/%d" % (rid, number), [], None))

    async def finalize(self, rid, total_chunks, duration_ms, md5_hex):
        def commit():
            found = self.stored[rid]
            numbers = ["%d" % (number + 1) for number in range(total_chunks)]
            if sorted(found) != sorted(numbers):
                self.faults.append("%s: finalize of other chunks" % rid)
                return chunks.FAILED
            data = b"".join([bytes(found[number]) for number in numbers])
            if hex_digest(hashlib.md5(data).digest()) != md5_hex:
                self.faults.append("%s: its chunks are not the file" % rid)
                return chunks.FAILED
            self.objects[rid] = data
            self.proved[rid] = md5_hex
            return chunks.ACCEPTED

        return await self._call("finalize", rid, commit, None, md5_hex)

    async def complete(self, rid, sha256_hex):
        def commit():
            if rid not in self.objects:
                self.faults.append("complete before the PUT of " + rid)
            self.proved[rid] = sha256_hex
            return dialect.PROOF

        return await self._call("complete", rid, commit, None, sha256_hex)


class Link:
    reason = "link_down"

    def is_up(self):
        return True

    def exchange_succeeded(self):
        pass

    def exchange_failed(self, code):
        pass


class Microphone:
    """Hands over the samples of a ramp (sample i has the value i), as fast as they are taken."""

    rate_hz = RATE_HZ

    def __init__(self, total_samples):
        self.total_samples = total_samples
        self.position = 0
        self.ring = None

    def start(self, ring):
        self.ring = ring

    def stop(self):
        self.ring = None

    def step(self):
        """Fill one block; True if there is nothing more to hear."""
        block = None if self.ring is None else self.ring.slot()
        if block is not None and self.position < self.total_samples:
            n = min(BLOCK_FRAMES, self.total_samples - self.position)
            for i in range(n):
                value = self.position + i
                block[2 * i] = value & 0xFF
                block[2 * i + 1] = value >> 8 & 0xFF
            self.position += n
            self.ring.commit(n)
        return self.position == self.total_samples


class ClockPort:
    build_unix_s = 1_700_000_000

    def set_rtc(self, unix_s):
        pass
