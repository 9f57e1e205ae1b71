"""Who is calling: an API key with its scopes, or one device with the end user it is bound to."""

import dataclasses
import json

from tools.cloud.api.errors import forbidden, unauthorized
from tools.cloud.api.values import new_id, new_secret, secret_hash
from tools.cloud.db import Database

SCOPES = tuple(
    f"{what}:{right}"
    for what in ("recordings", "transcriptions", "end_users", "devices")
    for right in ("read", "write")
)


@dataclasses.dataclass(frozen=True)
class Caller:
    """For a key device_id is None; scopes None means all."""

    key_id: str | None = None
    scopes: frozenset[str] | None = None
    device_id: str | None = None
    end_user_id: str | None = None

    @property
    def identity(self) -> str:
        """Stable over token refreshes; another binding is another caller."""
        return self.key_id or f"{self.device_id}/{self.end_user_id}"

    def check(self, scope: str | None, device_allowed: bool) -> None:
        """Raise ApiError 403 unless this caller may make this call."""
        if self.device_id is not None:
            if not device_allowed:
                raise forbidden("A device token may not make this call.")
        elif scope is None:
            raise forbidden("Only the device's own token may make this call.")
        elif self.scopes is not None and scope not in self.scopes:
            raise forbidden(f"This API key lacks the scope {scope}.")


def authenticate(db: Database, authorization: str | None) -> Caller:
    """The caller behind an Authorization header. Raises ApiError 401."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Send Authorization: Bearer with an API key or a device token.")
    hashed = secret_hash(token)
    key = db.one("SELECT * FROM api_keys WHERE token_hash = ?", hashed)
    if key:
        scopes = None if key["scopes"] is None else frozenset(json.loads(key["scopes"]))
        return Caller(key_id=key["id"], scopes=scopes)
    device = db.one("SELECT * FROM devices WHERE token_hash = ?", hashed)
    if device:
        return Caller(device_id=device["id"], end_user_id=device["end_user_id"])
    raise unauthorized("This credential is not valid, or not any more.")


def issue_key(db: Database, scopes: list[str] | None = None) -> str:
    """Make a secret key, or with `scopes` a restricted one; told once, stored as a hash."""
    key = new_secret("sk_test_" if scopes is None else "rk_test_")
    stored = None if scopes is None else json.dumps(sorted(scopes))
    db.insert("api_keys", token_hash=secret_hash(key), id=new_id("key"), scopes=stored)
    return key
