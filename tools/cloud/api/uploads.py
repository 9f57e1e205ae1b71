"""The way of the bytes: a pre-signed URL to put them to, and URLs to get them back."""

import datetime
from typing import Annotated, Any, Literal

import msgspec

from tools.cloud.api.call import Answer, Call
from tools.cloud.api.errors import ApiError, invalid, not_found, refused
from tools.cloud.api.recordings import Instant, find, media_of
from tools.cloud.api.values import iso, new_id, new_secret, now_iso, utc_now

_AUDIO_D1 = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
}
_AUDIO_D2 = {**_AUDIO_D1, "audio/opus": "opus"}
_AUDIO_S = {**_AUDIO_D2, "audio/aac": "aac"}
_PICTURES = {"image/jpeg": "jpg", "image/png": "png"}
_FILMS = {"video/mp4": "mp4"}

_CONTENT_TYPES = {
    "d1": {"audio": _AUDIO_D1},
    "d2": {"audio": _AUDIO_D2, "image": _PICTURES, "video": _FILMS},
    "s": {"audio": _AUDIO_S, "image": _PICTURES, "video": _FILMS},
}
_DEFAULT_AUDIO = "audio/opus"


class UploadWish(msgspec.Struct):
    type: Literal["audio", "image", "video"] | None = None
    content_type: str | None = None
    file_size_bytes: Annotated[int, msgspec.Meta(ge=1)] | None = None
    captured_at: Instant | None = None


class DownloadWish(msgspec.Struct):
    media_id: str | None = None


def upload_url(call: Call) -> Answer:
    """A URL for one PUT. A repeated call is the documented remedy for an expired one."""
    services, wish = call.services, call.read(UploadWish)
    recording = find(call, call.path["id"])
    kind, content_type, extension = content_type_of(services.generation, wish)
    if wish.file_size_bytes and wish.file_size_bytes > services.switches.largest_file_bytes:
        raise ApiError(413, "invalid_request", "The file is too large.", field="file_size_bytes")
    if recording["status"] not in ("pending", "integrity_failure"):
        message = f"The recording is {recording['status']}: it takes no more files."
        raise refused(services.switches.wrong_state_status, message)
    with services.db.transaction():
        medium = _make_medium(call, recording["id"], kind, content_type, extension, wish)
        # Another file is on its way: what was declared of the one before counts no more.
        services.db.update(
            "recordings", recording["id"], declared_sha256=None, verification_polls=0
        )
    life_s = services.switches.url_life_s
    url = services.store.sign_put(medium["object_key"], content_type, life_s)
    expires_at = iso((utc_now() + datetime.timedelta(seconds=life_s)).replace(microsecond=0))
    answer: dict[str, Any] = {"upload_url": url, "expires_at": expires_at}
    if services.generation == "s":
        answer["content_type"] = content_type
        answer["upload_token"] = new_secret("up_")
    else:
        answer["headers"] = {"Content-Type": content_type}
    if services.generation == "d2":
        answer["media_id"] = medium["id"]
    return Answer(200, answer)


def content_type_of(generation: str, wish: UploadWish) -> tuple[str, str, str]:
    """Type, content type and file name extension that the wish comes down to."""
    if generation == "d2" and not wish.type:
        raise invalid("type is required.", "type")
    kind = wish.type if wish.type and generation != "d1" else "audio"
    known = _CONTENT_TYPES[generation][kind]
    content_type = wish.content_type
    if content_type is None and generation != "d1" and kind == "audio":
        content_type = _DEFAULT_AUDIO
    if content_type not in known:
        allowed = ", ".join(known)
        raise invalid(f"content_type must be one of {allowed}.", "content_type")
    return kind, content_type, known[content_type]


def _make_medium(
    call: Call, recording_id: str, kind: str, content_type: str, extension: str, wish: UploadWish
) -> dict[str, Any]:
    services = call.services
    facts = {
        "type": kind,
        "content_type": content_type,
        "declared_size_bytes": wish.file_size_bytes,
        "captured_at": iso(wish.captured_at),
    }
    earlier = media_of(services, recording_id)
    if services.switches.second_url == "same_object" and earlier:
        services.db.update("media", earlier[0]["id"], size_bytes=None, sha256=None, **facts)
        return {**earlier[0], **facts}
    media_id = new_id("med")
    key = f"{services.project}/{recording_id}/{media_id}/{kind}.{extension}"
    row = {"id": media_id, "recording_id": recording_id, "object_key": key, **facts}
    services.db.insert("media", created_at=now_iso(), **row)
    return row


def download_url_d2(call: Call) -> Answer:
    medium, url = _signed_download(call, call.read(DownloadWish).media_id)
    life_s = call.services.switches.url_life_s
    expires_at = iso((utc_now() + datetime.timedelta(seconds=life_s)).replace(microsecond=0))
    return Answer(200, {"media_id": medium["id"], "download_url": url, "expires_at": expires_at})


def download_url_s(call: Call) -> Answer:
    medium, url = _signed_download(call, None)
    answer = {
        "download_url": url,
        "expires_in": call.services.switches.url_life_s,
        "content_type": medium["content_type"],
        "file_size_bytes": medium["size_bytes"],
    }
    return Answer(200, answer)


def _signed_download(call: Call, media_id: str | None) -> tuple[dict[str, Any], str]:
    """The named medium, or the newest audio, that has been uploaded; and a URL to get it."""
    recording = find(call, call.path["id"])
    for medium in media_of(call.services, recording["id"]):
        wanted = medium["id"] == media_id if media_id else medium["type"] == "audio"
        if wanted and medium["sha256"]:
            life_s = call.services.switches.url_life_s
            return medium, call.services.store.sign_get(medium["object_key"], life_s)
    raise not_found("uploaded file")
