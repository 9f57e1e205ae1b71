"""Devices: registered by serial number, bound to a user with one token, heard by heartbeat."""

import datetime
import json
from typing import Annotated, Any, Literal

import msgspec

from tools.cloud.api.call import Answer, Call
from tools.cloud.api.errors import conflict, forbidden, invalid, not_found
from tools.cloud.api.recordings import Metadata, check_metadata
from tools.cloud.api.values import new_id, new_secret, now_iso, secret_hash, utc_now

_ONLINE_S = 15 * 60

Text32 = Annotated[str, msgspec.Meta(max_length=32)]
Text64 = Annotated[str, msgspec.Meta(max_length=64)]
Text255 = Annotated[str, msgspec.Meta(max_length=255)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class NewDevice(msgspec.Struct):
    serial_number: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    name: Text255 | None = None
    device_type: Text255 | None = None
    model: Text255 | None = None
    firmware_version: Text32 | None = None
    metadata: Metadata | None = None


class Binding(msgspec.Struct):
    end_user_id: str


class Heartbeat(msgspec.Struct, omit_defaults=True):
    battery_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    storage_used_mb: Count | None = None
    storage_total_mb: Count | None = None
    signal_strength_dbm: int | None = None
    firmware_version: Text32 | None = None
    device_name: Text64 | None = None
    device_state: (
        Literal[
            "idle",
            "recording",
            "syncing",
            "uploading",
            "charging",
            "lowBattery",
            "storageFull",
            "error",
        ]
        | None
    ) = None
    pending_recordings: Count | None = None
    flags: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    connection_type: list[Literal["wifi", "4g", "ble"]] | None = None
    diagnostics: dict[str, Any] | None = None


def register(call: Call) -> Answer:
    """201 with a new device, or 200 with the one that has this serial number already."""
    new, db = call.read(NewDevice), call.services.db
    metadata = check_metadata(new.metadata)
    with db.transaction():
        known = db.one("SELECT * FROM devices WHERE serial_number = ?", new.serial_number)
        if known:
            return Answer(200, view(known))
        now = now_iso()
        device_id = new_id("dev")
        columns = {**msgspec.structs.asdict(new), "metadata": metadata}
        db.insert("devices", id=device_id, created_at=now, updated_at=now, **columns)
        return Answer(201, view(_find(call, device_id)))


def get(call: Call) -> Answer:
    return Answer(200, view(_find(call, call.path["id"])))


def state(call: Call) -> Answer:
    """Online or not; recording as far as the last heartbeat tells."""
    device = _find(call, call.path["id"])
    beat = json.loads(device["heartbeat"] or "{}")
    active = beat.get("device_state") == "recording"
    recording = {"active": active, "recording_id": None, "started_at": None, "initiated_by": None}
    return Answer(200, {"online": _is_online(device), "recording": recording})


def bind(call: Call) -> Answer:
    """Join device and end user; the only moment at which the device's first token is told."""
    wanted, db = call.read(Binding), call.services.db
    with db.transaction():
        device = _find(call, call.path["id"])
        if device["end_user_id"]:
            raise conflict("The device is bound: unbind it first.", "device_already_bound")
        if not db.one("SELECT id FROM end_users WHERE id = ?", wanted.end_user_id):
            raise invalid("end_user_id names no end user.", "end_user_id")
        token = _new_token(call, device["id"], end_user_id=wanted.end_user_id)
        return Answer(200, {**view(_find(call, device["id"])), "device_token": token})


def unbind(call: Call) -> Answer:
    """Part them and kill the token; recordings keep their user. Nothing happens if unbound."""
    device = _find(call, call.path["id"])
    call.services.db.update(
        "devices", device["id"], end_user_id=None, token_hash=None, updated_at=now_iso()
    )
    return Answer(200, view(_find(call, device["id"])))


def refresh_token(call: Call) -> Answer:
    """Exchange the present token for another; the old one is dead at once."""
    if call.path["id"] == "me":
        raise not_found("device")  # unlike the heartbeat, no page names `me` here
    device = _find(call, _own_id(call))
    return Answer(200, {"device_token": _new_token(call, device["id"])})


def heartbeat(call: Call) -> Answer:
    device_id, db = _own_id(call), call.services.db
    device = _find(call, device_id)
    beat = call.read(Heartbeat)
    changes = {"heartbeat": msgspec.json.encode(beat).decode(), "last_heartbeat_at": now_iso()}
    if beat.firmware_version:
        changes["firmware_version"] = beat.firmware_version
    db.update("devices", device["id"], **changes)
    return Answer(200, {"status": "ok", **call.services.switches.heartbeat_extra})


def _own_id(call: Call) -> str:
    """The device of the path; a device may name only itself, as its id or as `me`."""
    named, own = call.path["id"], call.caller.device_id
    if own is None:
        return named
    if named not in (own, "me"):
        raise forbidden("A device token works for its own device only.")
    return own


def _new_token(call: Call, device_id: str, **columns: Any) -> str:
    token = new_secret("dtok_")
    call.services.db.update(
        "devices", device_id, token_hash=secret_hash(token), updated_at=now_iso(), **columns
    )
    return token


def _find(call: Call, device_id: str) -> dict[str, Any]:
    row = call.services.db.one("SELECT * FROM devices WHERE id = ?", device_id)
    if not row:
        raise not_found("device")
    return row


def _is_online(device: dict[str, Any]) -> bool:
    if not device["last_heartbeat_at"]:
        return False
    age = utc_now() - datetime.datetime.fromisoformat(device["last_heartbeat_at"])
    return age.total_seconds() < _ONLINE_S


def view(row: dict[str, Any]) -> dict[str, Any]:
    """The device object. Heartbeat facts stand in it as they were last told."""
    beat = json.loads(row["heartbeat"] or "{}")
    shown = {
        name: row[name]
        for name in (
            "id",
            "serial_number",
            "name",
            "device_type",
            "model",
            "firmware_version",
            "end_user_id",
            "last_heartbeat_at",
            "created_at",
            "updated_at",
        )
    }
    shown["status"] = "bound" if row["end_user_id"] else "unbound"
    shown["metadata"] = json.loads(row["metadata"])
    told = ("battery_percent", "storage_used_mb", "storage_total_mb", "signal_strength_dbm")
    for name in (*told, "device_state", "pending_recordings", "flags", "connection_type"):
        shown[name] = beat.get(name)
    return shown
