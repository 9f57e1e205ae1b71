"""Transcriptions: asked for here, made by a worker (transcriber.py), read here.

Statuses: pending -> processing -> completed | failed.
"""

from typing import Annotated, Any

import msgspec

from tools.cloud.api.call import Answer, Call, Services
from tools.cloud.api.errors import not_found, refused
from tools.cloud.api.recordings import DELIVERED, find
from tools.cloud.api.values import new_id, now_iso

Language = Annotated[str, msgspec.Meta(min_length=2, max_length=16)]


class Wish(msgspec.Struct):
    """POST /recordings/{id}/transcribe (d1, d2). Whoever provides it, it understands English."""

    language: Language | None = None
    diarization: bool = False
    provider: str | None = None


class NewTranscription(msgspec.Struct):
    """POST /transcriptions (s)."""

    recording_id: str
    language: Language | None = None


def transcribe(call: Call) -> Answer:
    return _start(call, call.path["id"], call.read(Wish).language)


def create(call: Call) -> Answer:
    new = call.read(NewTranscription)
    return _start(call, new.recording_id, new.language)


def get(call: Call) -> Answer:
    services = call.services
    row = services.db.one("SELECT * FROM transcriptions WHERE id = ?", call.path["id"])
    if not row:
        raise not_found("transcription")
    return Answer(200, view(services, row))


def _start(call: Call, recording_id: str, language: str | None) -> Answer:
    recording = find(call, recording_id)
    if recording["status"] not in DELIVERED:
        message = f"The recording is {recording['status']}: there is nothing to transcribe yet."
        raise refused(call.services.switches.wrong_state_status, message)
    return Answer(201, view(call.services, queue(call.services, recording_id, language)))


def queue(services: Services, recording_id: str, language: str | None) -> dict[str, Any]:
    """Note a new transcription and hand it to the worker; the new row."""
    now, transcription_id = now_iso(), new_id("txn")
    row = {"id": transcription_id, "recording_id": recording_id, "status": "pending"}
    with services.db.transaction():
        services.db.insert("transcriptions", **row, language=language or "en", created_at=now)
        changes = {"transcription_id": transcription_id, "updated_at": now}
        if services.generation != "s":
            changes["status"] = "processing"
        services.db.update("recordings", recording_id, **changes)
    services.transcribe(transcription_id)
    return services.db.one("SELECT * FROM transcriptions WHERE id = ?", transcription_id)


def view(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    error = None
    if row["error_code"]:
        error = {"code": row["error_code"], "message": row["error_message"]}
    text_name = "full_text" if services.generation == "s" else "text"
    names = ("id", "recording_id", "status", "language", "created_at", "completed_at")
    return {**{name: row[name] for name in names}, text_name: row["text"], "error": error}
