"""Calls of the cloud API: the dialect put on the wire with the device token. Values in, values
out. Those for chunks stand in chunk_calls.py.

The token goes to the API's origin only, never into logs, and is read anew for each call, so that a
new one is used at once.
"""

from device.api import dialect, verdict
from device.errors import NeedsOperator, Permanent, Transient
from device.http.url import split
from device.transfer.tokens import Tokens


class Cloud:
    """http: HttpClient; api_url: origin with or without /v1; secrets, clock: ports and
    link.clock; manners: queue.manners, told what each answer says of the project's limits.
    """

    def __init__(self, http, api_url, secrets, clock, allow_plain=False, manners=None):
        base = api_url.rstrip("/")
        if base.endswith("/v1"):
            base = base[:-3]
        split(base, allow_plain)  # refuse what can never work now, not at the first clip
        self._base = base + "/v1"
        self._http = http
        self._tokens = Tokens(secrets)
        self._clock = clock
        self._manners = manners
        self._with_type = True

    def has_token(self):
        return bool(self._tokens.current())

    async def create(self, body, key):
        """POST /recordings with the frozen body and key; returns the recording id."""
        response = await self.post("/recordings", body, key)
        self.check(response)
        rid = dialect.read_created(response)
        self._tokens.belong_to(dialect.read_device(response))
        return rid

    async def upload_url(self, rid, content_type, size_bytes):
        """(url, headers, expires_unix_s) for the PUT."""
        if self._manners is not None and self._manners.is_spent():
            raise Transient("taking_turns")
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
        """POST /devices/me/heartbeat; returns how many keys of the answer nobody knows yet: the
        form of commands and updates is not public, so they are counted and left alone.
        """
        response = await self.post("/devices/me/heartbeat", body)
        try:
            self.check(response)
        except Permanent as e:
            raise NeedsOperator("auth_refused", "heartbeat " + str(e.detail))
        return sum([name != "status" for name in response.json()])

    def check(self, response):
        """Raise for an answer of the API that is not the wished-for one (api.verdict)."""
        verdict.raise_for_api(response, self._clock.unix_s())

    async def post(self, path, body, key=None):
        """POST body to a path below /v1 with the device token; returns the Response."""
        token = self._tokens.current()
        if not token:
            raise NeedsOperator("no_token")
        response = await self._send(path, body, key, token)
        if response.status_code in (401, 403) and self._tokens.refused(token):
            token = self._tokens.current()
            response = await self._send(path, body, key, token)
        if response.status_code < 300:
            self._tokens.accepted(token)
        if self._manners is not None:
            self._tell_manners(response)
        return response

    def _tell_manners(self, response):
        if response.status_code == 429:
            self._manners.refused()
            return
        told = verdict.limits_told(response, self._clock.unix_s())
        if told:
            self._manners.told(*told)

    async def _send(self, path, body, key, token):
        headers = [("Authorization", "Bearer " + token), ("Content-Type", "application/json")]
        if key:
            headers.append(("Idempotency-Key", key))
        return await self._http.request("POST", self._base + path, headers, body)
