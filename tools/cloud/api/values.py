"""Small values that all of the API's modules make: identifiers, secrets, instants."""

import datetime
import hashlib
import secrets


def new_id(prefix: str) -> str:
    """A fresh identifier such as rec_5f0c… with 64 random bits."""
    return f"{prefix}_{secrets.token_hex(8)}"


def new_secret(prefix: str) -> str:
    """A fresh bearer token or key; only its hash may be stored."""
    return prefix + secrets.token_urlsafe(30)


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def iso(instant: datetime.datetime | None) -> str | None:
    """ISO 8601 in UTC with Z, as far as milliseconds where there are any."""
    if instant is None:
        return None
    instant = instant.astimezone(datetime.UTC)
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.isoformat(timespec=precision).replace("+00:00", "Z")


def now_iso() -> str:
    return iso(utc_now().replace(microsecond=0))
