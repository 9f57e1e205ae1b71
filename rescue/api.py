"""A call of the API with the device token, and what a bad answer means (device/api/verdict.py).

What each call says and is told stands in the step that makes it: create.py, send.py, finish.py.
"""

import json

from rescue import const
from rescue.ends import ASIDE, LATER, SOMEBODY, End

_MOST_WAIT_S = const(3600)


class Api:
    """wire: Wire; api_url: origin with or without /v1; secrets: port.

    The token goes to the API's origin only and is read anew for each call.
    """

    def __init__(self, wire, api_url, secrets):
        base = api_url.rstrip("/")
        self._base = (base[:-3] if base.endswith("/v1") else base) + "/v1"
        self._secrets = secrets
        self.wire = wire

    def token(self):
        """The token as it goes on the wire. Raises End(SOMEBODY) if there is none that could."""
        token = (self._secrets.get("token") or "").lstrip("\ufeff").strip()
        if token.lower().startswith("bearer "):
            token = token[7:].strip()
        if not is_plain(token) or " " in token:
            raise End(SOMEBODY, "no_token")
        return token

    def post(self, path, body, key=None):
        """The object that a 2xx answers; raises End for everything else, with the detail
        "status=<status> <code of the API>".
        """
        head = ["POST", "Authorization: Bearer " + self.token(), "Content-Type: application/json"]
        if key:
            head.append("Idempotency-Key: " + key)
        status, headers, content = self.wire.request(head, self._base + path, body)
        answer = None
        if "html" not in headers.get("content-type", ""):
            try:
                answer = json.loads(content)
            except (ValueError, RuntimeError):
                pass  # then not the API speaks
        if not isinstance(answer, dict):
            answer = None
        detail = "status=%d " % status
        if status < 300 and answer is not None:
            return answer
        if answer is not None:
            error = answer.get("error", answer)
            if isinstance(error, dict):
                error = error.get("code") or error.get("type") or answer.get("status")
            if isinstance(error, str):
                detail += error[:40]
        if status in (401, 403):
            raise End(SOMEBODY, "auth_refused", detail)
        if status == 511 or status < 400:
            raise End(LATER, "portal", detail)
        if status >= 500 or status in (408, 425, 429) or answer is None:
            code = "throttled" if status == 429 else "server_error"
            raise End(LATER, code, detail, wait_s(headers))
        code = "gone_in_cloud" if status == 404 else "conflict" if status == 409 else "refused"
        raise End(ASIDE, code, detail)


def wait_s(headers):
    """Seconds that the server asks to wait, 0 if it does not."""
    text = headers.get("retry-after", "")
    return min(int(text), _MOST_WAIT_S) if text.isdigit() and len(text) < 9 else 0


def is_plain(text):
    """True for a text of printable ASCII."""
    if not isinstance(text, str) or not text:
        return False
    for letter in text:
        if not " " <= letter <= "~":
            return False
    return True
