"""A cloud in memory for the tests of transfer/: it looks at the flash whenever it is called."""

import asyncio

from fakes import make_store

from device.api import dialect
from device.errors import DeviceError


class Cloud:
    """Plays transfer.cloud.Cloud. At each call it looks at the records on flash, as a power cut
    at that moment would leave them, and keeps (call, state on flash, what was sent).

    script: call -> list of outcomes, one a call; an exception is raised, a function is called
    with what was sent, anything else is returned. Beyond the list all goes well.
    """

    def __init__(self, folder, **script):
        self._folder = folder
        self.script = {name: list(outcomes) for name, outcomes in script.items()}
        self.calls = []
        self.objects = {}  # recording -> bytes of the last PUT
        self.keys = {}
        self.urls = 0
        self.token = True

    def names(self):
        return [call[0] for call in self.calls]

    def has_token(self):
        return self.token

    def _call(self, name, number, sent, default):
        clip = make_store(self._folder).clip(number)
        state = clip.state if clip.load() else None
        self.calls.append((name, state, sent))
        outcomes = self.script.get(name)
        outcome = outcomes.pop(0) if outcomes else default
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome(sent) if callable(outcome) else outcome

    async def create(self, body, key):
        number = int(key.rsplit("-", 1)[1])
        rid = self._call("create", number, (key, bytes(body)), "rec_%d" % number)
        self.keys[key] = bytes(body)
        return rid

    async def upload_url(self, rid, content_type, size_bytes):
        self.urls += 1
        url = (
            "https://b.example/%s?%d" % (rid, self.urls),
            [("Content-Type", content_type)],
            None,
        )
        return self._call("upload_url", int(rid[4:]), (content_type, size_bytes), url)

    async def put(self, url, headers, source):
        rid = url.split("/")[-1].split("?")[0]
        source.rewind()
        data = bytearray()
        out = memoryview(bytearray(1000))
        while len(data) < source.length:
            await asyncio.sleep(0)
            n = source.readinto(out[: min(len(out), source.length - len(data))])
            if not n:
                raise DeviceError("damaged", "file ended early")
            data += out[:n]
        self._call("put", int(rid[4:]), (url, headers, len(data)), None)
        self.objects[rid] = bytes(data)

    async def complete(self, rid, sha256_hex):
        return self._call("complete", int(rid[4:]), (rid, sha256_hex), dialect.PROOF)
