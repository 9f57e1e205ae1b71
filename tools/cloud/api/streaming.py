"""Recordings that come as chunks: a URL for each, then finalize stitches them into one object.

    streaming -> uploaded             every chunk is there, and their MD5 is the declared one
    streaming -> integrity_failure    they cannot be stitched, or their MD5 is another

The public pages name finalize with its fields, not its error codes, and not the route of a
chunk's URL: here it is modelled on upload-url.
"""

import datetime
import re
from typing import Annotated, Any

import msgspec

from tools.cloud.api import transcriptions
from tools.cloud.api.call import Answer, Call, Services
from tools.cloud.api.errors import conflict, invalid, not_found, refused
from tools.cloud.api.recordings import chunks_of, find
from tools.cloud.api.uploads import UploadWish, content_type_of
from tools.cloud.api.values import iso, new_id, now_iso, utc_now

_MOST_CHUNKS = 10_000
_NUMBER = re.compile(r"[1-9]\d{0,4}")


class Finalize(msgspec.Struct):
    total_chunks: Annotated[int, msgspec.Meta(ge=1, le=_MOST_CHUNKS)]
    final_duration_ms: Annotated[int, msgspec.Meta(ge=1)]
    checksum_md5: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")] | None = None


def chunk_url(call: Call) -> Answer:
    """A URL for the PUT of one chunk. Asked for again it is the same object, with a fresh URL."""
    services = call.services
    if services.switches.chunk_flow == "no_route":
        raise not_found("route")
    wish, recording = call.read(UploadWish), find(call, call.path["id"])
    number = _number(call.path["number"])
    kind, content_type, extension = content_type_of(services.generation, wish)
    if kind != "audio":
        raise invalid("Chunks are audio.", "type")
    if recording["status"] != "streaming":
        message = f"The recording is {recording['status']}: it takes no chunks."
        raise refused(services.switches.wrong_state_status, message)
    key = f"{services.project}/{recording['id']}/chunks/{number:06d}.{extension}"
    services.db.run(
        "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?)",
        recording["id"],
        number,
        content_type,
        key,
    )
    life_s = services.switches.url_life_s
    expires_at = iso((utc_now() + datetime.timedelta(seconds=life_s)).replace(microsecond=0))
    answer: dict[str, Any] = {"expires_at": expires_at, "content_type": content_type}
    if services.switches.chunk_flow != "no_url":
        answer["upload_url"] = services.store.sign_put(key, content_type, life_s)
    return Answer(200, answer)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _MOST_CHUNKS:
        raise invalid(f"The number of a chunk is 1 to {_MOST_CHUNKS}.", "number")
    return int(text)


def finalize(call: Call) -> Answer:
    """Stitch the chunks. The same parameters again get the same answer, as it has become."""
    services, wish = call.services, call.read(Finalize)
    recording = find(call, call.path["id"])
    stream = services.db.one("SELECT * FROM streams WHERE id = ?", recording["id"])
    if not stream:
        raise conflict("It is not a streaming recording.", "not_streaming_recording")
    said = msgspec.json.encode(wish).decode()
    if stream["finalized"] is None:
        stored = [c for c in chunks_of(services, recording["id"]) if _exists(services, c)]
        if [chunk["number"] for chunk in stored] != list(range(1, wish.total_chunks + 1)):
            message = f"{len(stored)} chunks are stored, {wish.total_chunks} are declared."
            raise conflict(message, "chunk_count_mismatch")
        stream = {**stream, "finalized": said, "job_id": new_id("job")}
    elif stream["finalized"] != said:
        raise conflict("It was finalized with other parameters.", "already_finalized")
    elif recording["status"] == "uploaded" and services.switches.repeated_finalize == "refused":
        raise conflict("It is finalized already.", "already_finalized")
    status = recording["status"]
    if status == "streaming":
        status = _stitch(call, wish, stream)
    elif status == "integrity_failure":
        status = "failed"
    answer = {"id": recording["id"], "status": status, "stitching_job_id": stream["job_id"]}
    answer["chunks_received"] = wish.total_chunks
    auto = services.switches.auto_transcribe and status == "uploaded"
    answer["transcription_status"] = "queued" if auto else None
    return Answer(200, answer)


def _exists(services: Services, chunk: dict[str, Any]) -> bool:
    return services.store.exists(chunk["object_key"])


def _stitch(call: Call, wish: Finalize, stream: dict[str, Any]) -> str:
    """One step of the job: the status that finalize answers."""
    services, recording_id = call.services, stream["id"]
    polls = stream["polls"] + 1
    kept = {"finalized": stream["finalized"], "job_id": stream["job_id"], "polls": polls}
    services.db.update("streams", recording_id, **kept)
    if polls <= services.switches.stitching_polls:
        return "stitching"
    if services.switches.stitching_fails:
        services.db.update("recordings", recording_id, status="integrity_failure")
        return "failed"
    found = chunks_of(services, recording_id)[: wish.total_chunks]
    keys, content_type = [chunk["object_key"] for chunk in found], found[0]["content_type"]
    medium_id, extension = new_id("med"), keys[0].rpartition(".")[2]
    key = f"{services.project}/{recording_id}/{medium_id}/audio.{extension}"
    facts, md5 = services.store.join(keys, key, content_type)
    if wish.checksum_md5 not in (None, md5):
        services.store.delete(key)
        services.db.update("recordings", recording_id, status="integrity_failure")
        raise conflict("The chunks are not what was declared.", "checksum_mismatch")
    _deliver(services, recording_id, wish, (medium_id, key, content_type, facts))
    if services.switches.auto_transcribe:
        transcriptions.queue(services, recording_id, language=None)
    return "uploaded"


def _deliver(services: Services, recording_id: str, wish: Finalize, stitched: tuple) -> None:
    medium_id, key, content_type, facts = stitched
    now = now_iso()
    with services.db.transaction():
        services.db.insert(
            "media",
            id=medium_id,
            recording_id=recording_id,
            type="audio",
            content_type=content_type,
            object_key=key,
            size_bytes=facts.size_bytes,
            sha256=facts.sha256,
            created_at=now,
        )
        services.db.update(
            "recordings",
            recording_id,
            status="uploaded",
            duration_ms=wish.final_duration_ms,
            mime_type=content_type,
            file_size_bytes=facts.size_bytes,
            uploaded_at=now,
            updated_at=now,
        )
