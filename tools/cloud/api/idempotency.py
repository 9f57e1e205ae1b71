"""Idempotency-Key: the first answer again for the same request, a refusal for another one.

A key belongs to the project; it is tied to the caller, the endpoint and the exact body. Only
answers that changed something (2xx) are kept: a refused request may be repeated under its key. A
device token is shown once and never stored, so a replayed bind answers without it.
"""

import hashlib
import re
import time

import msgspec

from tools.cloud.api.call import Answer, Call, Operation
from tools.cloud.api.errors import invalid, refused

_FORM = re.compile(r"[A-Za-z0-9_-]{1,255}")


def run_once(key: str | None, operation: Operation, path: str, call: Call) -> Answer:
    """Handle the call unless its key has been answered before.

    The lookup, the work and the note of its answer are one transaction: a crash or a twin request
    sees all of it or nothing.
    """
    switches = call.services.switches
    if key is None or not operation.keyed or switches.idempotency == "ignore":
        return operation.handler(call)
    if not _FORM.fullmatch(key):
        raise invalid("Idempotency-Key must be 1 to 255 letters, digits, - or _.")
    db = call.services.db
    key = hashlib.sha256(key.encode("ascii")).hexdigest()  # it is a caller's text: not stored
    fingerprint = _fingerprint(operation.method, path, call)
    now = int(time.time())
    with db.transaction():
        oldest = now - switches.idempotency_life_s
        db.run("DELETE FROM idempotency WHERE created_unix_s <= ?", oldest)
        known = db.one("SELECT * FROM idempotency WHERE key = ?", key)
        if known:
            if known["fingerprint"] != fingerprint:
                message = "This Idempotency-Key was used for another request."
                raise refused(switches.idempotency_conflict_status, message)
            return Answer(known["status"], msgspec.Raw(known["body"]))
        answer = operation.handler(call)
        db.insert(
            "idempotency",
            key=key,
            fingerprint=fingerprint,
            status=answer.status,
            body=msgspec.json.encode(_without_secrets(answer.value)),
            created_unix_s=now,
        )
        return answer


def _without_secrets(value: dict) -> dict:
    return {name: item for name, item in value.items() if name != "device_token"}


def _fingerprint(method: str, path: str, call: Call) -> str:
    text = f"{call.caller.identity}\n{method}\n{path}\n".encode()
    return hashlib.sha256(text + call.body).hexdigest()
