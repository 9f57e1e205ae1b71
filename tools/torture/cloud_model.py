"""The cloud in memory: the API's device routes and storage, as bytes in and bytes out.

A model of tools/cloud (generation "s"), held to it by host_tests/cloud/test_cloud_model.py, which
sends the same requests to both. It exists for speed: a month makes a thousand requests in 20 ms.
"""

import hashlib
import json

DELIVERED = ("uploaded", "processing", "completed", "failed")
_AUDIO_TYPES = (
    "audio/wav", "audio/mpeg", "audio/mp4", "audio/webm", "audio/ogg", "audio/flac", "audio/opus",
    "audio/aac",
)  # fmt: skip
_IDEMPOTENCY_LIFE_S = 24 * 3600
_URL_LIFE_S = 3600
_MOST_CHUNKS = 10_000


class Answer:
    """code: of the error envelope, "" for none."""

    def __init__(self, status, value=None, code="", message="", text=None):
        self.status = status
        self.code = code
        if code:
            value = {"error": {"code": code, "message": message}}
        self.value = value
        self.content = text if text is not None else b"" if value is None else _dump(value)
        self.is_json = text is None and value is not None


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def _dump(value):
    return _encode(value).encode()


class Recording:
    def __init__(self, rid, device, metadata, is_stream=False):
        self.rid = rid
        self.device = device
        self.metadata = metadata
        self.status = "streaming" if is_stream else "pending"
        self.is_stream = is_stream
        self.chunks = {}  # number -> key
        self.finalized = None
        self.stitched = None
        self.media = []  # [key, content type, declared size], newest last
        self.declared = None
        self.polls = 0
        self.sha = None
        self.size = None

    def view(self):
        view = {"id": self.rid, "device_id": self.device, "status": self.status}
        view["metadata"] = self.metadata
        view["content_sha256"] = self.sha
        view["file_size_bytes"] = self.size
        return view


class CloudModel:
    """tokens: token -> device. verification_polls: 425 answers before a complete with a hash."""

    def __init__(self, seed, storage_host="s3.bota.test"):
        self._seed = seed
        self._count = 0
        self.storage_host = storage_host
        self.tokens = {}
        self.recordings = {}
        self.objects = {}  # key -> bytes
        self.urls = {}  # signature -> (key, content type, expires)
        self._answers = {}  # idempotency key -> (fingerprint, answer, when)
        self.verification_polls = 0

    def _new(self, prefix):
        self._count += 1
        text = f"{self._seed}/{prefix}/{self._count}"
        return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def api(self, method, path, headers, body, now_s):
        """headers: lower-case names -> values. Returns an Answer."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        parts = path.split("?")[0].strip("/").split("/")
        if method != "POST" or parts[:1] != ["v1"]:
            return Answer(404, code="not_found")
        device = self.tokens.get(token) if scheme.lower() == "bearer" else None
        route = self._route(parts)
        if route is None:
            return Answer(404, code="not_found")
        if device is None:
            return Answer(401, code="unauthorized")
        return route(device, parts, headers, body, now_s)

    def _route(self, parts):
        if parts[1:] == ["recordings"]:
            return self._create
        if len(parts) == 4 and parts[1] == "recordings":
            return {
                "upload-url": self._url,
                "upload-complete": self._complete,
                "finalize": self._finalize,
            }.get(parts[3])
        if len(parts) == 6 and parts[1::2] == ["recordings", "chunks", "upload-url"]:
            return self._chunk_url
        if len(parts) == 4 and parts[1] == "devices" and parts[3] == "heartbeat":
            return self._heartbeat
        return None

    def _create(self, device, parts, headers, body, now_s):
        key = headers.get("idempotency-key")
        fingerprint = (device, bytes(body))
        known = self._answers.get(key) if key else None
        if known and known[2] + _IDEMPOTENCY_LIFE_S > now_s:
            if known[0] != fingerprint:
                return Answer(409, code="resource_already_exists")
            return known[1]
        value = _object(body)
        if value is None or not isinstance(value.get("metadata", {}), dict):
            return Answer(400, code="invalid_request")
        metadata, is_stream = value.get("metadata") or {}, bool(value.get("streaming"))
        recording = Recording(self._new("rec"), device, metadata, is_stream)
        self.recordings[recording.rid] = recording
        answer = Answer(201, recording.view())
        if key:
            self._answers[key] = (fingerprint, answer, now_s)
        return answer

    def _find(self, device, parts):
        recording = self.recordings.get(parts[2])
        return recording if recording and recording.device == device else None

    def _url(self, device, parts, headers, body, now_s):
        recording, wish = self._find(device, parts), _object(body)
        if wish is None:
            return Answer(400, code="invalid_request")
        content_type, size = wish.get("content_type"), wish.get("file_size_bytes", 1)
        is_size = isinstance(size, int) and size >= 1
        if wish.get("type", "audio") != "audio" or not is_size:
            return Answer(400, code="invalid_request")
        if recording is None:
            return Answer(404, code="not_found")
        if content_type not in _AUDIO_TYPES:
            return Answer(400, code="invalid_request")
        if recording.status not in ("pending", "integrity_failure"):
            return Answer(409, code="resource_already_exists")
        key = f"proj/{recording.rid}/{self._new('med')}/audio"
        recording.media.append((key, content_type, wish.get("file_size_bytes")))
        recording.declared, recording.polls = None, 0
        value = self._sign(key, content_type, now_s)
        value["upload_token"] = self._new("up")
        return Answer(200, value)

    def _sign(self, key, content_type, now_s):
        signature = self._new("sig")
        self.urls[signature] = (key, content_type, now_s + _URL_LIFE_S)
        url = f"https://{self.storage_host}/recordings/{key}?X-Amz-Signature={signature}"
        return {"upload_url": url, "content_type": content_type}

    def _chunk_url(self, device, parts, headers, body, now_s):
        recording, wish = self._find(device, parts), _object(body)
        if wish is None:
            return Answer(400, code="invalid_request")
        if recording is None:
            return Answer(404, code="not_found")
        is_number = parts[4].isdigit() and 1 <= int(parts[4]) <= _MOST_CHUNKS
        if not is_number or wish.get("content_type") not in _AUDIO_TYPES:
            return Answer(400, code="invalid_request")
        if recording.status != "streaming":
            return Answer(409, code="resource_already_exists")
        key = f"proj/{recording.rid}/chunks/{int(parts[4]):06d}"
        recording.chunks[int(parts[4])] = key
        return Answer(200, self._sign(key, wish["content_type"], now_s))

    def _finalize(self, device, parts, headers, body, now_s):
        recording, said = self._find(device, parts), _object(body)
        said = said or {}
        total, duration_ms = said.get("total_chunks"), said.get("final_duration_ms")
        if not _is_count(total, _MOST_CHUNKS) or not _is_count(duration_ms):
            return Answer(400, code="invalid_request")
        if recording is None:
            return Answer(404, code="not_found")
        if not recording.is_stream:
            return Answer(409, code="not_streaming_recording")
        stored = {n: key for n, key in recording.chunks.items() if key in self.objects}
        if recording.finalized is None:
            if sorted(stored) != list(range(1, total + 1)):
                return Answer(409, code="chunk_count_mismatch")
            recording.finalized = said
        elif recording.finalized != said:
            return Answer(409, code="already_finalized")
        status = {"integrity_failure": "failed"}.get(recording.status, recording.status)
        if status == "streaming":
            recording.polls += 1
            status = "stitching"
            if recording.polls > self.verification_polls:
                data = b"".join(self.objects[stored[n]] for n in sorted(stored))
                if said.get("checksum_md5") not in (None, hashlib.md5(data).hexdigest()):
                    recording.status = "integrity_failure"
                    return Answer(409, code="checksum_mismatch")
                recording.status = status = "uploaded"
                recording.stitched, recording.size = data, len(data)
        answer = {"id": recording.rid, "status": status, "chunks_received": total}
        return Answer(200, answer)

    def rid_of(self, target):
        """The recording that a storage target belongs to, or None."""
        parts = target.split("?")[0].split("/")
        return parts[3] if len(parts) > 3 else None

    def storage(self, method, target, headers, body, now_s):
        """A PUT to a pre-signed URL; S3's own XML for a refusal."""
        path, _, query = target.partition("?")
        known = self.urls.get(query.partition("X-Amz-Signature=")[2])
        if method != "PUT" or known is None or path != "/recordings/" + known[0]:
            return self.refuse(403, "SignatureDoesNotMatch")
        if headers.get("content-type") != known[1]:
            return self.refuse(403, "SignatureDoesNotMatch")
        if now_s > known[2]:
            return self.refuse(403, "AccessDenied")
        self.objects[known[0]] = bytes(body)
        return Answer(200, text=b"")

    @staticmethod
    def refuse(status, code):
        return Answer(status, text=b"<Error><Code>%s</Code></Error>" % code.encode())

    def object_of(self, recording):
        """The newest stored bytes of a recording, or None."""
        if recording.is_stream:
            return recording.stitched
        return self._stored(recording)[0]

    def _stored(self, recording):
        for key, _, declared_size in reversed(recording.media):
            if key in self.objects:
                return self.objects[key], declared_size
        return None, None

    def _complete(self, device, parts, headers, body, now_s):
        recording, evidence = self._find(device, parts), _object(body)
        if evidence is None:
            return Answer(400, code="invalid_request")
        said = evidence.get("content_sha256")
        if said is not None and not _is_sha(said):
            return Answer(400, code="invalid_request")
        if recording is None:
            return Answer(404, code="not_found")
        if recording.status in DELIVERED:
            if said and said != recording.sha:
                return Answer(409, code="resource_already_exists")
            return Answer(200, recording.view())
        stored, declared_size = self._stored(recording)
        if stored is None:
            return Answer(409, code="resource_already_exists")
        if said:
            if recording.declared and recording.declared != said:
                return Answer(409, code="resource_already_exists")
            recording.declared = said
            recording.polls += 1
            if recording.polls <= self.verification_polls:
                return Answer(425, code="upload_verification_pending")
        sha = hashlib.sha256(stored).hexdigest()
        if said not in (None, sha) or declared_size not in (None, len(stored)):
            recording.status = "integrity_failure"
            recording.declared, recording.polls = None, 0
            return Answer(409, code="integrity_failure")
        recording.status = "uploaded"
        recording.sha, recording.size = sha if said else None, len(stored)
        return Answer(200, recording.view())

    def _heartbeat(self, device, parts, headers, body, now_s):
        if _object(body) is None:
            return Answer(400, code="invalid_request")
        return Answer(200, {"status": "ok"})


def _object(body):
    try:
        value = json.loads(bytes(body) or b"{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_count(value, most=1 << 62):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_sha(text):
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")
