"""Calls of the chunk flow, beside those of cloud.py, which they go through."""

from device.api import chunks
from device.api.dialect import read_upload_url, upload_url_body
from device.errors import DeviceError, Permanent, Transient


class NotOffered(DeviceError):
    """This cloud takes no chunks (code "refused"), or can make no recording of those that it has
    ("integrity_failure"): the clip goes as a whole file, in a recording of its own.
    """


class ChunkCalls:
    """cloud: transfer.cloud.Cloud."""

    def __init__(self, cloud):
        self._cloud = cloud

    async def create(self, body, key):
        """As Cloud.create. Raises NotOffered where the streaming form is refused."""
        try:
            return await self._cloud.create(body, key)
        except Permanent as e:
            raise NotOffered("refused", "create " + str(e.detail))

    async def chunk_url(self, rid, number, content_type, size_bytes):
        """(url, headers, expires_unix_s) for the PUT of chunk number, from 1.

        Raises NotOffered as well. After the first chunk the route is known to exist: then a 404
        says that the recording is gone.
        """
        body = upload_url_body(content_type, size_bytes)
        response = await self._cloud.post(chunks.CHUNK_URL % (rid, number), body)
        if chunks.is_refusal(response) and (number == 1 or response.status_code != 404):
            raise NotOffered("refused", "chunk url status=%d" % response.status_code)
        self._cloud.check(response)
        try:
            return read_upload_url(response, content_type)
        except Transient as e:
            if e.detail != "no upload_url":
                raise
            raise NotOffered("refused", "chunk url without url")

    async def put(self, url, headers, source):
        await self._cloud.put(url, headers, source)

    async def finalize(self, rid, total_chunks, duration_ms, md5_hex):
        """chunks.ACCEPTED, STITCHING, FAILED or FINALIZED."""
        body = chunks.finalize_body(total_chunks, duration_ms, md5_hex)
        response = await self._cloud.post(chunks.FINALIZE % rid, body)
        outcome = chunks.read_finalized(response, rid, total_chunks)
        if outcome is None:
            self._cloud.check(response)
        return outcome
