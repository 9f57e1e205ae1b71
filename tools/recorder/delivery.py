"""One pulled clip into the cloud, once: the device's own key, body, dialect and verdicts.

    no recording id   create under the clip's frozen key; with an API key the cloud is asked first
                      whether a recording of this clip is there already
    recording id      upload-url, PUT, complete with the hash; a recording that takes no more files
                      is completed again, which proves it or says why not
    proof             receipt

What is known is written down before the next step (upload.json), so a repeat, another laptop or
the board itself meets the same recording. Retries and their limits are here, and nowhere else.
"""

import json
import time

import httpx

from device.api import dialect, verdict
from device.errors import DeviceError, NeedsOperator, Permanent, Transient
from device.http.response import Response
from tools.recorder.collected import Clip, sha256_of
from tools.recorder.secret import Secret

_TRIES = 5
_INTEGRITY_TRIES = 3
_LONGEST_WAIT_S = 60.0
_POLLS = 60
_PAGE = 100
_MAX_PAGES = 50
_LIMITS = httpx.Timeout(30.0, write=60.0)


def open_client(ca_file: str | None) -> httpx.Client:
    """A client without credentials; certificates are always verified, redirects not followed."""
    return httpx.Client(verify=ca_file or True, timeout=_LIMITS, trust_env=False)


class Delivery:
    """credential: device token, or API key with owner {"device_id", "end_user_id"}."""

    def __init__(
        self,
        client: httpx.Client,
        api_url: str,
        credential: Secret,
        owner: dict | None = None,
        sleep=time.sleep,
    ):
        self._client = client
        self._base = api_url.rstrip("/").removesuffix("/v1") + "/v1"
        self._credential = credential
        self._owner = owner
        self._sleep = sleep
        self.on_step = lambda clip, step: None  # told before each step (progress, tests)

    def deliver(self, clip: Clip) -> str:
        """Take clip to its proof and write the receipt; returns the recording id.

        Raises Permanent (this clip), Transient (tried long enough), NeedsOperator (all clips).
        """
        if clip.receipt:
            return clip.receipt["rid"]
        if sha256_of(clip.audio) != clip.facts["sha256"]:
            raise Permanent("damaged", "the file on the laptop is not what was pulled")
        upload = clip.upload
        rid = upload.get("rid")
        if not rid:
            rid = self._patiently(clip, "create", self._create)
            clip.save_upload(rid=rid)
        is_stored = bool(upload.get("stored"))
        for _ in range(_INTEGRITY_TRIES):
            if not is_stored and self._patiently(clip, "upload", self._upload, rid):
                clip.save_upload(rid=rid, stored=True)
            outcome = self._patiently(clip, "complete", self._complete, rid)
            if outcome == dialect.NOT_PENDING and not self._is_there(clip, rid):
                raise Permanent("probably_uploaded", rid)
            if outcome != dialect.INTEGRITY:
                self.on_step(clip, "receipt")
                clip.save_receipt(rid)
                return rid
            clip.save_upload(rid=rid)  # the bytes go up again
            is_stored = False
        raise Permanent("integrity_failure", rid)

    # Steps ----------------------------------------------------------------------------------

    def _create(self, clip: Clip) -> str:
        if not clip.facts["key"]:
            raise Permanent("damaged", "no frozen key")
        if self._owner is None:
            answer = self._api("POST", "/recordings", clip.facts["body"].encode(), clip)
            verdict.raise_for_api(answer, int(time.time()))
            return dialect.read_created(answer)
        found = self._find(clip)
        if found:
            return found
        body = json.loads(clip.facts["body"]) | self._owner
        answer = self._api("POST", "/recordings", json.dumps(body, sort_keys=True).encode(), clip)
        if answer.status_code not in (400, 409):
            verdict.raise_for_api(answer, int(time.time()))
            dialect.read_created(answer)
        # Somebody else may have created it in this very moment: all take the oldest.
        found = self._find(clip)
        if found:
            return found
        verdict.raise_for_api(answer, int(time.time()))
        return dialect.read_created(answer)

    def _find(self, clip: Clip) -> str | None:
        """The oldest recording in the cloud that names this clip, first one that holds it."""
        uuid = f"{clip.facts['device']}-{clip.facts['store_id']}-{clip.facts['n']}"
        found = []
        for page in range(_MAX_PAGES):
            path = f"/recordings?device_id={self._owner['device_id']}"
            answer = self._api("GET", f"{path}&limit={_PAGE}&offset={page * _PAGE}")
            verdict.raise_for_api(answer, int(time.time()))
            document = answer.json()
            rows = document.get("data")
            for row in rows if isinstance(rows, list) else []:
                if (row.get("metadata") or {}).get("device_recording_uuid") == uuid:
                    found.append(row)
            if not document.get("has_more"):
                break
        found.sort(
            key=lambda row: (row.get("status") == "pending", row.get("created_at"), row["id"])
        )
        return found[0]["id"] if found else None

    def _upload(self, clip: Clip, rid: str) -> bool:
        """True if the bytes were stored now, False if the recording takes none any more."""
        size, content_type = clip.facts["bytes"], clip.facts["type"]
        for with_type in (True, False):
            body = dialect.upload_url_body(content_type, size, with_type)
            answer = self._api("POST", f"/recordings/{rid}/upload-url", body)
            if answer.status_code != 400:
                break
        if answer.status_code in (400, 409) and dialect.error_code(answer) is not None:
            return False
        verdict.raise_for_api(answer, int(time.time()))
        url, headers, _ = dialect.read_upload_url(answer, content_type)
        with open(clip.audio, "rb") as audio:
            sent = {**dict(headers), "Content-Length": str(size)}
            # No credential goes to storage: the client has none of its own.
            stored = self._send("PUT", url, headers=sent, content=audio)
        verdict.raise_for_storage(stored, int(time.time()))
        return True

    def _complete(self, clip: Clip, rid: str) -> int:
        path = f"/recordings/{rid}/upload-complete"
        sha256 = clip.facts["sha256"]
        for poll in range(_POLLS):
            answer = self._api("POST", path, dialect.complete_body(sha256))
            outcome = dialect.read_completed(answer, rid, sha256)
            if outcome is None:
                verdict.raise_for_api(answer, int(time.time()))
            if outcome != dialect.PENDING:
                return outcome
            self._sleep(min(10.0, 1.0 + poll))
        raise Transient("verification_pending", rid)

    def _is_there(self, clip: Clip, rid: str) -> bool:
        """True if the cloud itself names our hash for rid: only an API key may ask."""
        if self._owner is None:
            return False
        answer = self._api("GET", f"/recordings/{rid}")
        if answer.status_code >= 300:
            return False
        document = answer.json()
        is_kept = document.get("status") in ("uploaded", "processing", "completed")
        return is_kept and document.get("content_sha256") == clip.facts["sha256"]

    # Wire -----------------------------------------------------------------------------------

    def _patiently(self, clip: Clip, step: str, do, *arguments):
        """do(clip, *arguments), again after a Transient: the wait is the cloud's, or doubles."""
        for attempt in range(_TRIES):
            self.on_step(clip, step)
            try:
                return do(clip, *arguments)
            except Transient as error:
                if attempt == _TRIES - 1:
                    raise
                self._sleep(min(_LONGEST_WAIT_S, error.retry_after_s or 2.0**attempt))
        raise AssertionError("the last attempt returns or raises")

    def _api(self, method: str, path: str, body: bytes | None = None, clip: Clip | None = None):
        headers = {"Authorization": "Bearer " + self._credential.reveal()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if clip is not None:
            headers["Idempotency-Key"] = clip.facts["key"]
        return self._send(method, self._base + path, headers=headers, content=body)

    def _send(self, method: str, url: str, **request) -> Response:
        """The answer as the device's own reader has it. Raises DeviceError, never with a URL."""
        try:
            answer = self._client.request(method, url, **request)
        except httpx.TimeoutException:
            raise Transient("timeout", method) from None
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY" in str(error):
                raise NeedsOperator("tls_untrusted", "--ca names a root of your own") from None
            raise Transient("connect_failed", method) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Transient("connection_lost", type(error).__name__) from None
        response = Response(answer.status_code, {k.lower(): v for k, v in answer.headers.items()})
        response.content = answer.content
        return response


def explain(error: DeviceError) -> str:
    """What a fault of a delivery means for the person at the laptop."""
    words = {
        "auth_refused": "The cloud refuses the credential. Check token or key, and its binding.",
        "tls_untrusted": "The server shows a certificate that nobody we trust has signed.",
        "gone_in_cloud": "Its recording was deleted in the cloud: decide, then requeue it.",
        "conflict": "The cloud holds something else for it. Compare there; the clip stays here.",
        "probably_uploaded": "An answer was lost, and the cloud takes nothing more for it. An API "
        "key may look (--api-key-file).",
        "damaged": "Its file changed after it was pulled. Pull it again.",
        "dns_failed": "The name of the server cannot be resolved. Is this laptop online?",
        "connect_failed": "The server cannot be reached. Is this laptop online?",
    }
    return f"{error} {words.get(error.code, 'Repeat the command: it goes on where it stopped.')}"
