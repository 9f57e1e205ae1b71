"""Recordings: create, get, list, delete, and how they look in each generation.

Statuses: pending -> uploaded | integrity_failure; integrity_failure -> uploaded (after a repair);
streaming -> uploaded | integrity_failure (chunks, then finalize: streaming.py).
In d1 and d2 transcription moves the recording on: uploaded -> processing -> completed | failed; in
s that state lives on the transcription and the recording stays uploaded.
"""

import datetime
import json
from typing import Annotated, Any, Literal

import msgspec

from tools.cloud.api.call import Answer, Call, Services
from tools.cloud.api.errors import invalid, not_found
from tools.cloud.api.values import iso, new_id, now_iso

Instant = Annotated[datetime.datetime, msgspec.Meta(tz=True)]
Metadata = dict[str, Any]

STATUSES = (
    "pending",
    "streaming",
    "uploaded",
    "processing",
    "completed",
    "failed",
    "integrity_failure",
)
DELIVERED = ("uploaded", "processing", "completed", "failed")

_METADATA_LIMIT_BYTES = 4096
_PLAIN_FILES = ("app_import", "api_upload")  # sources that may come without a device


class NewRecording(msgspec.Struct):
    device_id: str | None = None
    end_user_id: str | None = None
    name: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    recorded_at: Instant | None = None
    source: Literal["device", "app_import", "api_upload"] | None = None
    upload_method: Literal["ble", "wifi_direct", "4g_direct", "import", "unknown"] | None = None
    streaming: bool = False
    metadata: Metadata | None = None


def create(call: Call) -> Answer:
    new = call.read(NewRecording)
    if new.streaming and call.services.switches.chunk_flow == "refused":
        raise invalid("Streaming recordings are not served: upload whole files.", "streaming")
    metadata = check_metadata(new.metadata)
    device_id, end_user_id = _owner(call, new)
    now, recording_id = now_iso(), new_id("rec")
    call.services.db.insert(
        "recordings",
        id=recording_id,
        device_id=device_id,
        end_user_id=end_user_id,
        name=new.name,
        status="streaming" if new.streaming else "pending",
        source=new.source or "device",
        upload_method=new.upload_method,
        metadata=metadata,
        started_at=iso(new.started_at),
        ended_at=iso(new.ended_at),
        recorded_at=iso(new.recorded_at),
        created_at=now,
        updated_at=now,
    )
    if new.streaming:
        call.services.db.insert("streams", id=recording_id)
    return Answer(201, view(call.services, find(call, recording_id)))


def _owner(call: Call, new: NewRecording) -> tuple[str | None, str]:
    """Device and end user: a device token's own whatever was sent; else as the generation asks."""
    if call.caller.device_id:
        return call.caller.device_id, call.caller.end_user_id
    db, generation = call.services.db, call.services.generation
    if not new.device_id and not (generation == "s" and new.source in _PLAIN_FILES):
        raise invalid("device_id is required with an API key.", "device_id")
    device = None
    if new.device_id:
        device = db.one("SELECT * FROM devices WHERE id = ?", new.device_id)
        if not device:
            raise invalid("device_id names no device.", "device_id")
    end_user_id = new.end_user_id
    if not end_user_id and generation == "d1":
        end_user_id = device["end_user_id"]
    if not end_user_id:
        raise invalid("end_user_id is required with an API key.", "end_user_id")
    if not db.one("SELECT id FROM end_users WHERE id = ?", end_user_id):
        raise invalid("end_user_id names no end user.", "end_user_id")
    return new.device_id, end_user_id


def get(call: Call) -> Answer:
    return Answer(200, view(call.services, find(call, call.path["id"])))


def list_all(call: Call) -> Answer:
    """Newest first; filters device_id, end_user_id, status."""
    sql, values = "SELECT * FROM recordings WHERE 1", []
    for name in ("device_id", "end_user_id", "status"):
        if name in call.query:
            sql += f" AND {name} = ?"
            values.append(call.query[name])
    if "status" in call.query and call.query["status"] not in STATUSES:
        raise invalid("status is not one of the statuses of a recording.", "status")
    return call.list_answer(sql, values, lambda row: view(call.services, row))


def delete(call: Call) -> Answer:
    """The recording, its media and their objects are gone."""
    recording = find(call, call.path["id"])
    for medium in media_of(call.services, recording["id"]):
        call.services.store.delete(medium["object_key"])
    for chunk in chunks_of(call.services, recording["id"]):
        call.services.store.delete(chunk["object_key"])
    call.services.db.run("DELETE FROM recordings WHERE id = ?", recording["id"])
    return Answer(204)


def find(call: Call, recording_id: str) -> dict[str, Any]:
    """The row, if this caller may know of it. Raises ApiError 404.

    A device sees its own recordings of its present binding only.
    """
    row = call.services.db.one("SELECT * FROM recordings WHERE id = ?", recording_id)
    caller = call.caller
    if row and caller.device_id:
        if (row["device_id"], row["end_user_id"]) != (caller.device_id, caller.end_user_id):
            row = None
    if not row:
        raise not_found("recording")
    return row


def media_of(services: Services, recording_id: str) -> list[dict[str, Any]]:
    """All media rows, newest first."""
    sql = "SELECT * FROM media WHERE recording_id = ? ORDER BY rowid DESC"
    return services.db.all(sql, recording_id)


def chunks_of(services: Services, recording_id: str) -> list[dict[str, Any]]:
    """The chunks that URLs were given for, in order."""
    sql = "SELECT * FROM chunks WHERE stream_id = ? ORDER BY number"
    return services.db.all(sql, recording_id)


def check_metadata(metadata: Metadata | None) -> str:
    text = json.dumps(metadata or {})
    if len(text) > _METADATA_LIMIT_BYTES:
        raise invalid(f"metadata is larger than {_METADATA_LIMIT_BYTES} bytes.", "metadata")
    return text


def view(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    """A recording as the generation's pages show it; each adds to the one before."""
    names = ["id", "device_id", "end_user_id", "status", "duration_ms", "started_at", "ended_at"]
    names += ["transcription_id", "created_at"]
    shown = {name: row[name] for name in names}
    shown["metadata"] = json.loads(row["metadata"])
    generation = services.generation
    if generation in ("d1", "s"):
        shown["file_size_bytes"] = _size(services, row["file_size_bytes"])
        shown["mime_type"] = row["mime_type"]
        shown["uploaded_at"] = row["uploaded_at"]
    if generation in ("d2", "s"):
        shown["name"] = row["name"]
        shown["media"] = [_medium(m) for m in media_of(services, row["id"]) if m["sha256"]]
    if generation == "s":
        for name in ("source", "upload_method", "recorded_at", "content_sha256"):
            shown[name] = row[name]
        shown["content_sha256_verified_at"] = row["content_sha256_verified_at"]
        shown["updated_at"] = row["updated_at"]
    return shown


def _medium(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "type": row["type"],
        "content_type": row["content_type"],
        "file_size_bytes": row["size_bytes"],
        "captured_at": row["captured_at"],
        "created_at": row["created_at"],
    }


def _size(services: Services, size_bytes: int | None) -> int | str | None:
    form = services.switches.size_form
    if size_bytes is None or form == "null":
        return None
    return size_bytes if form == "number" else str(size_bytes)
