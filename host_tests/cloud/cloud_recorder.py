"""A device that speaks as its firmware would, for the tests of the cloud."""

import hashlib
import itertools

_SERIALS = itertools.count(1)


class Recorder:
    """A bound device as its firmware would speak: one client for the API, one for storage."""

    def __init__(self, cloud, end_user="Test user"):
        self.cloud = cloud
        self.serial_number = f"T-{next(_SERIALS):04d}"
        self.device_id, self.token = cloud.register_recorder(self.serial_number, end_user)
        self.api = cloud.client(self.token)
        self.storage = cloud.client()

    def close(self):
        self.api.close()
        self.storage.close()

    def create(self, **body):
        answer = self.api.post("/recordings", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def upload_url(self, recording_id, **body):
        body = {"type": "audio", "content_type": "audio/flac", **body}
        answer = self.api.post(f"/recordings/{recording_id}/upload-url", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["upload_url"]

    def put(self, url, data, content_type="audio/flac"):
        return self.storage.put(url, content=data, headers={"Content-Type": content_type})

    def chunk_url(self, recording_id, number, **body):
        body = {"type": "audio", "content_type": "audio/flac", **body}
        path = f"/recordings/{recording_id}/chunks/{number}/upload-url"
        answer = self.api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["upload_url"]

    def streamed(self, *chunks):
        """A streaming recording with these chunks in storage, not finalized."""
        recording_id = self.create(streaming=True)
        for number, data in enumerate(chunks, 1):
            assert self.put(self.chunk_url(recording_id, number), data).status_code == 200
        return recording_id

    def finalize(self, recording_id, total_chunks, data=None, **body):
        body = {"total_chunks": total_chunks, "final_duration_ms": 1000, **body}
        if data is not None:
            body["checksum_md5"] = hashlib.md5(data).hexdigest()
        return self.api.post(f"/recordings/{recording_id}/finalize", json=body)

    def complete(self, recording_id, data=None, **body):
        if data is not None:
            body["content_sha256"] = hashlib.sha256(data).hexdigest()
        return self.api.post(f"/recordings/{recording_id}/upload-complete", json=body)

    def uploaded(self, data, **body):
        """A recording whose bytes are in storage and that is not completed."""
        recording_id = self.create(**body)
        answer = self.put(self.upload_url(recording_id), data)
        assert answer.status_code == 200, answer.text
        return recording_id
