"""The cloud's dialect as values: builds request bodies, reads answers. Opens no socket.

Speaks generation S with D2's device-token rules and reads the older forms too (docs/cloud.md).
"""

import json

from device.compat import const
from device.dates import iso8601, parse_iso8601
from device.errors import Permanent, Transient, UrlRefused

PROOF = const(1)  # the cloud has the recording: free the flash
PENDING = const(2)  # still hashing: the same request again (425)
INTEGRITY = const(3)  # the object is not what was sent: upload again
NOT_PENDING = const(4)  # refused as no longer pending: perhaps an earlier answer was lost

_ACCEPTED_STATUSES = ("uploaded", "processing", "completed")
_NEVER_TO_STORAGE = ("authorization", "cookie", "host", "content-length", "transfer-encoding")
_MAX_HEADERS = const(16)
# What a record may know beside the facts of every clip, and what metadata calls it. gaps: [first
# sample, length, lost]; skips: [sample, length left out before it].
_OPTIONAL_FACTS = (
    ("lost", "lost_samples"),
    ("gaps", "gaps"),
    ("skips", "left_out"),
    ("cut", "cut"),
    ("snr", "snr_db"),
    ("mic", "microphone"),
    ("ppm", "sample_clock_ppm"),
    ("orid", "replaces_recording"),
)
_LEVELS = ("peak_dbfs_x10", "rms_dbfs_x10", "floor_dbfs_x10", "clipped_samples", "active_s")


def create_body(clip, device_id, store_id, start, streaming=False):
    """The body of POST /recordings as bytes.

    start: (Unix ms, uncertainty in ms) of the first sample, None if unknown. streaming: it opens
    the flow of chunks. A clip that is still being recorded does not know its length and end yet.

    No device_id and no end_user_id field: both follow from the token. What is known of time and
    place in the take also goes into metadata, where the newest clients keep it.
    """
    record = clip.record
    is_open = record.get("state") == "open"
    left_out = sum([skip[1] for skip in record.get("skips", ())])
    duration_ms = (record["samples"] + left_out) * 1000 // record["hz"]
    metadata = {
        "device_recording_uuid": "%s-%s-%d" % (device_id, store_id, clip.number),
        "clip": clip.number,
        "take": record["take"],
        "index": record["index"],
        "first_sample": record["first"],
        "sample_rate_hz": record["hz"],
        "codec": record["codec"],
        "boot": record["boot"],
        "uptime_ms": record["up"],
    }
    if not is_open:
        metadata["last"] = bool(record.get("last"))
        metadata["samples"] = record["samples"]
    for name, meaning in _OPTIONAL_FACTS:
        if record.get(name):
            metadata[meaning] = record[name]
    if record.get("lev"):
        for name, value in zip(_LEVELS, record["lev"]):  # noqa: B905  MicroPython has no strict
            metadata[name] = value
    body = {"name": clip_name(record), "source": "device", "metadata": metadata}
    if streaming:
        body["streaming"] = True
    if start is not None:
        start_unix_ms, metadata["start_uncertainty_ms"] = start
        body["started_at"] = metadata["started_at"] = iso8601(start_unix_ms)
        if not is_open:
            body["ended_at"] = metadata["ended_at"] = iso8601(start_unix_ms + duration_ms)
    elif record.get("nb"):
        metadata["not_before"] = iso8601(1000 * record["nb"])
    return json.dumps(body).encode()


def clip_name(record):
    """What people see in lists, so that a take can be told and joined: take, part, end."""
    end = ", end" if record.get("last") else ""
    return "take %d, part %d%s" % (record["take"], record["index"] + 1, end)


def upload_url_body(content_type, size_bytes, with_type=True):
    """with_type=False is the form for clouds that refuse the field `type` (400)."""
    body = {"content_type": content_type, "file_size_bytes": size_bytes}
    if with_type:
        body["type"] = "audio"
    return json.dumps(body).encode()


def complete_body(sha256_hex):
    """Hash only: a replay that also carries the size was answered 409 by the live cloud."""
    return json.dumps({"content_sha256": sha256_hex}).encode()


def read_created(response):
    """The recording id of a create answer; Transient(bad_answer) if it holds none that is
    usable.
    """
    rid = response.json().get("id")
    if not isinstance(rid, str) or not 1 <= len(rid) <= 64:
        raise Transient("bad_answer", "create without id")
    if not _is_id(rid):
        raise Transient("bad_answer", "create with a strange id")
    return rid


def read_device(response):
    """What a create answer calls this device, or None."""
    device = response.json().get("device_id")
    return device if isinstance(device, str) and len(device) <= 64 and _is_id(device) else None


def _is_id(text):
    """True for letters, digits, "_" and "-" alone: it becomes part of a path."""
    for letter in text:
        if not ("a" <= letter <= "z" or "A" <= letter <= "Z" or "0" <= letter <= "9"):
            if letter not in "_-":
                return False
    return bool(text)


def read_upload_url(response, asked_type):
    """(url, headers, expires_unix_s) of an upload-url answer.

    headers: exactly what is to be sent with the PUT, as a list of (name, value): `headers` if it
    is there, else `content_type`, else the type that was asked for. expires_unix_s: None if not
    given. Raises Transient(bad_answer) or UrlRefused for what cannot be sent as given.
    """
    answer = response.json()
    url = answer.get("upload_url")
    if not isinstance(url, str) or not url:
        raise Transient("bad_answer", "no upload_url")
    given = answer.get("headers")
    if not isinstance(given, dict):
        content_type = answer.get("content_type")
        given = {"Content-Type": content_type if isinstance(content_type, str) else asked_type}
    headers = []
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise UrlRefused("url_refused", "header that is no text")
        if name.lower() in _NEVER_TO_STORAGE:
            continue
        if len(headers) == _MAX_HEADERS or not _is_token(name) or not _is_printable(value):
            raise UrlRefused("url_refused", "header that cannot be sent")
        headers.append((name, value))
    expires = answer.get("expires_at")
    return url, headers, parse_iso8601(expires) if isinstance(expires, str) else None


def read_completed(response, rid, sha256_hex):
    """PROOF, PENDING, INTEGRITY, NOT_PENDING, or None where api.verdict has to judge the status.

    Raises Transient(bad_answer, portal) for a 2xx of another form, Permanent(conflict) for another
    hash: neither is proof.
    """
    status = response.status_code
    if status == 425:
        return PENDING
    if status in (400, 409):
        code = error_code(response)
        if code == "integrity_failure":
            return INTEGRITY
        return None if code is None else NOT_PENDING
    if status >= 300:
        return None
    answer = response.json()
    if answer.get("id") != rid:
        raise Transient("bad_answer", "complete for another id")
    state = answer.get("status")
    if state == "integrity_failure":
        return INTEGRITY
    if state not in _ACCEPTED_STATUSES:
        raise Transient("bad_answer", "complete with status %s" % plain(str(state)))
    echoed = answer.get("content_sha256")
    if isinstance(echoed, str) and echoed.lower() != sha256_hex:
        # Only an explicit integrity_failure may cost a second upload: somebody must look.
        raise Permanent("conflict", "the cloud names another hash")
    return PROOF


def error_code(response):
    """The stable code of an error answer in any of the envelopes seen (at most 40 characters).

    "" for a JSON object without one; None for anything else: then it is not the API that speaks.
    """
    try:
        answer = response.json()
    except Transient:
        return None
    error = answer.get("error", answer)
    if isinstance(error, str):
        return plain(error)
    if isinstance(error, dict):
        for name in ("code", "type", "status"):
            code = error.get(name)
            if isinstance(code, str):
                return plain(code)
    status = answer.get("status")
    return plain(status) if isinstance(status, str) else ""


def plain(text):
    """What somebody else said, as it may stand in one line of a log: 40 printable characters."""
    text = text[:40]
    return text if _is_printable(text) else "unprintable"


def _is_token(text):
    """A header name (RFC 9110 5.6.2), of which the letters, digits, "-" and "_" are enough."""
    for letter in text.lower():
        if letter not in "abcdefghijklmnopqrstuvwxyz0123456789-_":
            return False
    return True


def _is_printable(text):
    for letter in text:
        if not " " <= letter <= "~":
            return False
    return True
