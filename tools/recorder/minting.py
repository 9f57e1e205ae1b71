"""A device token from the cloud: register, bind, receive dtok_ (contract sections 9 and 10).

A token is told once, when a device is bound. A board that is bound but has no token therefore has
lost it for good (somebody pulled the cable): it is unbound and bound again, which kills the other.
"""

import dataclasses
import logging
import ssl

import httpx

from tools.recorder.errors import ToolError
from tools.recorder.inputs import device_token
from tools.recorder.secret import Secret

_TIMEOUT_S = 20.0
KEPT = "kept"


@dataclasses.dataclass
class Minted:
    """token None: the board keeps the one it has. bound_to: "dev_… eu_…". did: in words."""

    token: Secret | None
    bound_to: str
    did: str


def open_client(api_url: str, key: Secret, ca_file: str | None = None) -> httpx.Client:
    """A client with the operator's key; TLS verified, against ca_file where one is named."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if not api_url.startswith("https://"):
        raise ToolError(f"{api_url}: the operator's key goes over https only.")
    return httpx.Client(
        base_url=api_url.rstrip("/").removesuffix("/v1") + "/v1",
        headers={"Authorization": f"Bearer {key.reveal()}"},
        verify=ssl.create_default_context(cafile=ca_file),
        timeout=_TIMEOUT_S,
    )


def mint(
    client: httpx.Client,
    serial_number: str,
    end_user: str,
    board_has_token: bool,
    board_bound_to: str,
    rebind: bool = False,
) -> Minted:
    """Register the board and bind it to end_user (eu_…). Raises ToolError.

    A board that is bound to another user is left alone unless rebind says otherwise.
    """
    device = _post(client, "/devices", {"serial_number": serial_number})
    device_id, bound = device["id"], device.get("end_user_id")
    bound_to = f"{device_id} {end_user}"
    if bound and bound != end_user and not rebind:
        raise ToolError(
            f"{serial_number} is bound to another user ({bound}) in the cloud. Is it the right "
            "board? --rebind takes it away from that user; its old token dies."
        )
    if bound == end_user and board_has_token and board_bound_to == bound_to and not rebind:
        return Minted(None, bound_to, KEPT)
    if bound:
        _post(client, f"/devices/{device_id}/unbind", None)
    answer = _post(client, f"/devices/{device_id}/bind", {"end_user_id": end_user})
    token = device_token(str(answer.get("device_token") or ""))
    return Minted(token, bound_to, "bound again: the token before is dead" if bound else "bound")


def _post(client: httpx.Client, path: str, body: dict | None) -> dict:
    try:
        answer = client.post(path, json=body) if body is not None else client.post(path)
    except httpx.HTTPError as error:
        raise ToolError(
            f"The cloud was not reached ({type(error).__name__} at {client.base_url.host}{path}). "
            "Check the laptop's network, then repeat the command."
        ) from None
    if answer.is_success:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
        raise ToolError(f"{path}: the cloud's answer is no JSON object.")
    hints = {
        401: "The operator's key is not accepted: check it.",
        403: "The operator's key may not do this: it needs devices:write.",
        404: "Is the user's id right?",
        429: "The cloud asks to slow down: wait a minute, then repeat the command.",
    }
    raise ToolError(
        f"The cloud answered {answer.status_code} to {path}. "
        + hints.get(answer.status_code, f"It said: {_error_text(answer)}")
    )


def _error_text(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        return str(error.get("message") if isinstance(error, dict) else error)[:200]
    except (ValueError, KeyError, TypeError):
        return "nothing we understand"
