"""Calls of the cloud API: the dialect put on the wire with the device token. Values in, values
out. Those for chunks stand in chunk_calls.py.

The token goes to the API's origin only, never into logs, and is read anew for each call, so that a
new one is used at once.
"""

from device.api import dialect, verdict
from device.errors import NeedsOperator, Permanent
from device.http.url import split


class Cloud:
    """http: HttpClient; api_url: origin with or without /v1; secrets, clock: ports and
    link.clock.
    """

    def __init__(self, http, api_url, secrets, clock, allow_plain=False):
        base = api_url.rstrip("/")
        if base.endswith("/v1"):
            base = base[:-3]
        split(base, allow_plain)  # refuse what can never work now, not at the first clip
        self._base = base + "/v1"
        self._http = http
        self._secrets = secrets
        self._clock = clock
        self._with_type = True

    def has_token(self):
        return bool(clean_token(self._secrets.get("token")))

    async def create(self, body, key):
        """POST /recordings with the frozen body and key; returns the recording id."""
        response = await self.post("/recordings", body, key)
        self.check(response)
        return dialect.read_created(response)

    async def upload_url(self, rid, content_type, size_bytes):
        """(url, headers, expires_unix_s) for the PUT."""
        path = "/recordings/%s/upload-url" % rid
        body = dialect.upload_url_body(content_type, size_bytes, self._with_type)
        response = await self.post(path, body)
        if response.status_code == 400 and self._with_type:
            # The oldest generation does not know `type`; asked once, then remembered.
            body = dialect.upload_url_body(content_type, size_bytes, False)
            response = await self.post(path, body)
            self._with_type = response.status_code >= 300
        self.check(response)
        return dialect.read_upload_url(response, content_type)

    async def put(self, url, headers, source):
        """Stream source to storage. Returns when it is stored whole; raises as api.verdict
        says.
        """
        response = await self._http.request("PUT", url, headers, source, max_body_bytes=2048)
        verdict.raise_for_storage(response, self._clock.unix_s())

    async def complete(self, rid, sha256_hex):
        """dialect.PROOF, PENDING, INTEGRITY or NOT_PENDING."""
        response = await self.post(
            "/recordings/%s/upload-complete" % rid, dialect.complete_body(sha256_hex)
        )
        outcome = dialect.read_completed(response, rid, sha256_hex)
        if outcome is None:
            self.check(response)
        return outcome

    async def heartbeat(self, body):
        """POST /devices/me/heartbeat; what else the answer holds is not looked at."""
        response = await self.post("/devices/me/heartbeat", body)
        try:
            self.check(response)
        except Permanent as e:
            raise NeedsOperator("auth_refused", "heartbeat " + str(e.detail))
        response.json()

    def check(self, response):
        """Raise for an answer of the API that is not the wished-for one (api.verdict)."""
        verdict.raise_for_api(response, self._clock.unix_s())

    async def post(self, path, body, key=None):
        """POST body to a path below /v1 with the device token; returns the Response."""
        token = clean_token(self._secrets.get("token"))
        if not token:
            raise NeedsOperator("no_token")
        headers = [("Authorization", "Bearer " + token), ("Content-Type", "application/json")]
        if key:
            headers.append(("Idempotency-Key", key))
        return await self._http.request("POST", self._base + path, headers, body)


def clean_token(text):
    """The token as it goes on the wire, "" if there is none that could.

    Editors and cables leave a byte order mark, line ends, blanks or a "Bearer " around it.
    """
    token = (text or "").lstrip("\ufeff").strip()
    if token.lower().startswith("bearer "):
        token = token[7:].strip()
    for letter in token:
        if not "!" <= letter <= "~":
            return ""
    return token
