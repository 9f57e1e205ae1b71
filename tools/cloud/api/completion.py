"""upload-complete: from here a recording counts as delivered, proved by what storage holds."""

import dataclasses
import datetime
from typing import Annotated, Any

import msgspec

from tools.cloud.api import transcriptions
from tools.cloud.api.call import Answer, Call, Services
from tools.cloud.api.errors import ApiError, conflict, refused
from tools.cloud.api.recordings import DELIVERED, find, media_of, view
from tools.cloud.api.values import now_iso

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Evidence(msgspec.Struct):
    """What the caller says of the bytes that it has put. d1 and d2 know no such body: ignored."""

    content_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None
    file_size_bytes: Positive | None = None
    duration_seconds: Positive | None = None


def complete(call: Call) -> Answer:
    services = call.services
    evidence = call.read(Evidence) if services.generation == "s" else Evidence()
    recording = find(call, call.path["id"])
    if recording["status"] in DELIVERED:
        return _repeated(services, recording, evidence)
    media = _stored_media(services, recording["id"])
    if not media:
        if services.switches.complete_without_object == "refuse":
            raise conflict("No file has been uploaded for this recording.")
        services.db.update("recordings", recording["id"], **_delivered(recording, evidence))
        return _shown(call, recording["id"])
    if evidence.content_sha256 and _is_still_verifying(services, recording, evidence):
        raise ApiError(425, "upload_verification_pending", "The upload is still being verified.")
    for medium in media:
        facts = services.store.measure(medium["object_key"])
        services.db.update("media", medium["id"], **dataclasses.asdict(facts))
        medium.update(dataclasses.asdict(facts))
    medium = next((medium for medium in media if medium["type"] == "audio"), media[0])
    if not _agrees(evidence, medium):
        return _failed(call, recording["id"])
    _deliver(services, recording, evidence, medium)
    if services.switches.auto_transcribe:
        transcriptions.queue(services, recording["id"], language=None)
    return _shown(call, recording["id"])


def _repeated(services: Services, recording: dict[str, Any], evidence: Evidence) -> Answer:
    """A complete for what is complete: the same answer again, or a refusal."""
    switches = services.switches
    if services.generation != "s":
        raise refused(switches.wrong_state_status, "The recording must be pending.")
    if evidence.file_size_bytes and switches.repeated_size_conflicts:
        raise conflict("The upload was completed with other evidence.")
    if evidence.content_sha256 and evidence.content_sha256 != recording["content_sha256"]:
        raise conflict("The upload was completed with other evidence.")
    if switches.repeated_complete_status != 200:
        raise refused(switches.repeated_complete_status, "The recording must be pending.")
    return Answer(200, view(services, recording))


def _stored_media(services: Services, recording_id: str) -> list[dict[str, Any]]:
    """The media whose objects are really in storage, newest first; unused URLs do not count."""
    media = media_of(services, recording_id)
    return [medium for medium in media if services.store.exists(medium["object_key"])]


def _is_still_verifying(services: Services, recording: dict[str, Any], evidence: Evidence) -> bool:
    """Count one poll. Raises ApiError 409 if the evidence changed since the first."""
    declared = recording["declared_sha256"]
    if declared and declared != evidence.content_sha256:
        raise conflict("Another hash is being verified for this recording.")
    polls = recording["verification_polls"] + 1
    services.db.update(
        "recordings",
        recording["id"],
        declared_sha256=evidence.content_sha256,
        verification_polls=polls,
    )
    return polls <= services.switches.verification_polls


def _agrees(evidence: Evidence, medium: dict[str, Any]) -> bool:
    """Whether what storage holds is what was declared, as far as something was."""
    size_bytes = evidence.file_size_bytes or medium["declared_size_bytes"]
    if size_bytes and size_bytes != medium["size_bytes"]:
        return False
    return evidence.content_sha256 in (None, medium["sha256"])


def _failed(call: Call, recording_id: str) -> Answer:
    services = call.services
    services.db.update(
        "recordings",
        recording_id,
        status="integrity_failure",
        declared_sha256=None,
        verification_polls=0,
        updated_at=now_iso(),
    )
    if services.switches.mismatch_answer == "200":
        return _shown(call, recording_id)
    raise conflict("The stored bytes are not the declared ones.", "integrity_failure")


def _deliver(
    services: Services,
    recording: dict[str, Any],
    evidence: Evidence,
    medium: dict[str, Any],
) -> None:
    facts = {"mime_type": medium["content_type"], "file_size_bytes": medium["size_bytes"]}
    if evidence.content_sha256:
        facts["content_sha256"] = medium["sha256"]
        facts["content_sha256_verified_at"] = now_iso()
    facts |= _delivered(recording, evidence)
    services.db.update("recordings", recording["id"], **facts)


def _delivered(recording: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    now = now_iso()
    return {
        "status": "uploaded",
        "uploaded_at": now,
        "updated_at": now,
        "duration_ms": _duration_ms(recording, evidence),
    }


def _duration_ms(recording: dict[str, Any], evidence: Evidence) -> int | None:
    """As declared, else from the two instants, which newer clients put inside metadata."""
    if evidence.duration_seconds:
        return evidence.duration_seconds * 1000
    inner = msgspec.json.decode(recording["metadata"])
    begin = recording["started_at"] or inner.get("started_at")
    end = recording["ended_at"] or inner.get("ended_at")
    try:
        span = datetime.datetime.fromisoformat(end) - datetime.datetime.fromisoformat(begin)
    except (TypeError, ValueError):
        return None
    return round(span.total_seconds() * 1000)


def _shown(call: Call, recording_id: str) -> Answer:
    return Answer(200, view(call.services, find(call, recording_id)))
