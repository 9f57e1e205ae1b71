"""Every refusal of the API, and the envelope it travels in."""

import secrets
from typing import Any

import msgspec


class ApiError(Exception):
    """A refusal: HTTP status, stable code, a sentence; `field` names the parameter at fault."""

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


def invalid(message: str, field: str | None = None) -> ApiError:
    return ApiError(400, "invalid_request", message, field=field)


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message)


def forbidden(message: str) -> ApiError:
    return ApiError(403, "unauthorized", message)


def not_found(what: str) -> ApiError:
    return ApiError(404, "not_found", f"There is no such {what}.")


def conflict(message: str, code: str = "resource_already_exists") -> ApiError:
    return ApiError(409, code, message)


def refused(status: int, message: str) -> ApiError:
    """A wrong-state refusal with whichever status the switches ask for."""
    return conflict(message) if status == 409 else invalid(message)


def envelope(error: ApiError, generation: str, form: str) -> bytes:
    """The error's body. `form` is a value of Switches.error_form."""
    if form == "none":
        return b""
    if form == "text":
        return msgspec.json.encode({"error": error.message})
    inner: dict[str, Any] = {form: error.code, "message": error.message}
    if error.field:
        inner["details"] = {"field": error.field, "reason": error.message}
    if generation != "d1" and form == "code":
        inner["param"] = error.field
        inner["request_id"] = "req_" + secrets.token_hex(8)
    return msgspec.json.encode({"error": inner})
