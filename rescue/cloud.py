"""The calls of the API that deliver a clip, and what their answers mean (device/api/ has more).

Values in, values out. The token goes to the API's origin only and is read anew for each call.
"""

import json

from rescue.ends import Aside, Fresh, Later, Somebody

PROOF, PENDING, INTEGRITY, NOT_PENDING = 1, 2, 3, 4
_ACCEPTED = ("uploaded", "processing", "completed")
_NEVER_TO_STORAGE = ("authorization", "cookie", "host", "content-length", "transfer-encoding")
_MOST_HEADERS = 16
_MOST_WAIT_S = 3600


class Cloud:
    """wire: Wire; api_url: origin with or without /v1; secrets: port."""

    def __init__(self, wire, api_url, secrets):
        base = api_url.rstrip("/")
        self._base = (base[:-3] if base.endswith("/v1") else base) + "/v1"
        self._wire = wire
        self._secrets = secrets

    def token(self):
        """The token as it goes on the wire, "" if there is none that could."""
        token = (self._secrets.get("token") or "").lstrip("\ufeff").strip()
        if token.lower().startswith("bearer "):
            token = token[7:].strip()
        for letter in token:
            if not "!" <= letter <= "~":
                return ""
        return token

    def create(self, body, key):
        """POST /recordings; the recording id."""
        answer = checked(self._post("/recordings", body, key))
        rid = answer.get("id")
        if not isinstance(rid, str) or not 1 <= len(rid) <= 64:
            raise Later("bad_answer", "create without id")
        for letter in rid:
            if not (letter.isalpha() or letter.isdigit() or letter in "_-") or ord(letter) > 127:
                raise Later("bad_answer", "create with a strange id")
        return rid

    def upload_url(self, rid, content_type, size_bytes):
        """(url, headers) for the PUT."""
        asked = {"content_type": content_type, "file_size_bytes": size_bytes, "type": "audio"}
        path = "/recordings/%s/upload-url" % rid
        response = self._post(path, json.dumps(asked).encode())
        if response.status == 400:  # the oldest generation does not know `type`
            del asked["type"]
            response = self._post(path, json.dumps(asked).encode())
        answer = checked(response)
        url, given = answer.get("upload_url"), answer.get("headers")
        if not isinstance(url, str) or not url:
            raise Later("bad_answer", "no upload_url")
        if not isinstance(given, dict):
            stated = answer.get("content_type")
            given = {"Content-Type": stated if isinstance(stated, str) else content_type}
        headers = []
        for name in given:
            if name.lower() in _NEVER_TO_STORAGE:
                continue
            if len(headers) == _MOST_HEADERS or not _is_plain(name) or not _is_plain(given[name]):
                raise Fresh("url_refused", "header that cannot be sent")
            headers.append((name, given[name]))
        return url, headers

    def put(self, url, headers, source):
        """Stream source to storage; returns if it is stored whole."""
        response = self._wire.request("PUT", url, headers, source=source)
        if response.status < 300 and not response.content and source.is_through():
            return  # storage answers a PUT with nothing; a page has something to show
        detail = "PUT status=%d" % response.status
        if response.status < 400 or response.status == 511:
            raise Later("portal", detail)
        if response.status >= 500 or response.status in (408, 429):
            raise Later("server_error", detail, wait_s(response))
        raise Fresh("url_refused", detail)

    def complete(self, rid, sha256_hex):
        """PROOF, PENDING, INTEGRITY or NOT_PENDING."""
        body = json.dumps({"content_sha256": sha256_hex}).encode()
        response = self._post("/recordings/%s/upload-complete" % rid, body)
        if response.status == 425:
            return PENDING
        answer = response.json()
        if response.status in (400, 409) and answer is not None:
            return INTEGRITY if error_code(answer) == "integrity_failure" else NOT_PENDING
        answer = checked(response)
        if answer.get("id") != rid:
            raise Later("bad_answer", "complete for another id")
        if answer.get("status") == "integrity_failure":
            return INTEGRITY
        if answer.get("status") not in _ACCEPTED:
            raise Later("bad_answer", "complete without proof")
        echoed = answer.get("content_sha256")
        if isinstance(echoed, str) and echoed.lower() != sha256_hex:
            raise Aside("conflict", "the cloud names another hash")
        return PROOF

    def heartbeat(self, body):
        """POST /devices/me/heartbeat; what the answer holds is not looked at."""
        try:
            checked(self._post("/devices/me/heartbeat", json.dumps(body).encode()))
        except Aside as e:
            raise Somebody("auth_refused", e.detail)

    def _post(self, path, body, key=None):
        token = self.token()
        if not token:
            raise Somebody("no_token")
        headers = [("Authorization", "Bearer " + token), ("Content-Type", "application/json")]
        if key:
            headers.append(("Idempotency-Key", key))
        return self._wire.request("POST", self._base + path, headers, body)


def checked(response):
    """The object of a 2xx; raises for everything else."""
    status, answer = response.status, response.json()
    code = "" if answer is None else error_code(answer)
    detail = "status=%d %s" % (status, code)
    if status < 300:
        if answer is None:
            raise Later("portal" if response.content[:1] == b"<" else "bad_answer", detail)
        return answer
    if status == 429:
        raise Later("throttled", detail, wait_s(response))
    if status in (401, 403):
        raise Somebody("auth_refused", detail)
    if status == 511 or status < 400:
        raise Later("portal", detail)
    if status >= 500 or status in (408, 425) or answer is None:
        raise Later("server_error", detail, wait_s(response))
    if status == 404:
        raise Aside("gone_in_cloud", detail)
    raise Aside("conflict" if status == 409 else "refused", detail)


def error_code(answer):
    """The stable code of an error answer in any of the envelopes seen, "" without one."""
    error = answer.get("error", answer)
    if isinstance(error, str):
        return error[:40]
    for name in ("code", "type", "status"):
        if isinstance(error, dict) and isinstance(error.get(name), str):
            return error[name][:40]
    status = answer.get("status")
    return status[:40] if isinstance(status, str) else ""


def wait_s(response):
    """Seconds that the server asks to wait, or None."""
    text = response.headers.get("retry-after", "")
    return min(int(text), _MOST_WAIT_S) if text.isdigit() and len(text) < 9 else None


def _is_plain(text):
    if not isinstance(text, str) or not text:
        return False
    for letter in text:
        if not " " <= letter <= "~":
            return False
    return True
