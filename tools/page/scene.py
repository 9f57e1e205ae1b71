"""One picture of the bench as plain JSON values: what the page and the terminal show.

    run       phase, keep, proof …                power, light, level_dbfs, heard_s, total_s
    says      code, title, ends_when, again_in_s  what the recorder says, lane or recorder
    status    the status document                 log     its last lines
    clips     every clip, oldest first: number, stage, progress, record, why, wire
    knobs     name, is_on, said, why_not          cloud   recordings with object, hash, words

Where a clip is (`stage`) comes from its record on the flash, and from the request that is on the
wire for it. Nothing secret: the wire log keeps no token, no signature and no query.
"""

import re
from typing import Any

from tools.cloud.wirelog import redact
from tools.page.words import title

STAGES = ("record", "wait", "create", "url", "put", "complete", "cloud")
_OF_STATE = {
    "open": "record",
    "closed": "wait",
    "creating": "create",
    "created": "url",
    "stored": "complete",
    "completing": "complete",
    "done": "complete",
    "parked": "aside",
    "quarantined": "aside",
}
_OF_ROUTE = {
    "create": "create",
    "upload_url": "url",
    "chunk_url": "url",
    "put": "put",
    "complete": "complete",
    "finalize": "complete",
}
_FINE = ("sending", "nothing_to_send", "starting", "idle", "recording", "armed", "dozing")
_RECORDING = re.compile(r"/(rec_\w+)/")
_WIRE_SHOWN = 14
_SLOW_AFTER_S = 1.0
_SLOW_BYTES_PER_S = 25_000


def codes(status: dict | None, requests: list, now_s: float) -> set[str]:
    """Every code that the recorder shows now, and what its deeds show: way_4g, slow (an upload
    takes its time), asked_again (after an answer that was lost), power_off. now_s: of the log.
    """
    if status is None:
        return {"power_off"}
    found = {status["queue"]["code"], status["recorder"]["code"]}
    if status["clock"]["state"] == "unknown":
        found.add("time_unknown")
    link = status["link"]
    if link.get("up") and link.get("way") == "4g":
        found.add("way_4g")
    lost = set()
    for request in requests[-6:]:
        lasted_s = (request.ended_s or now_s) - request.began_s
        if request.route == "put" and lasted_s > _SLOW_AFTER_S:
            if request.body_bytes < _SLOW_BYTES_PER_S * lasted_s:
                found.add("slow")
        if request.fault == "drop_answer":
            lost.add(request.path)
        elif request.path in lost:
            found.add("asked_again")
    return found


def clip_of(request, of_recording: dict[str, int]) -> int:
    """The number of the clip that a request was for, 0 if it was for none.

    of_recording: recording id -> clip; a create that was answered is added to it, so requests
    come in order.
    """
    if request.route == "create":
        number = ((request.body_json or {}).get("metadata") or {}).get("clip", 0)
        rid = (request.answer_json or {}).get("id")
        if number and rid:
            of_recording[rid] = number
        return number
    found = _RECORDING.search(request.path)
    return of_recording.get(found[1], 0) if found else 0


def compose(watch, bench, knobs) -> dict[str, Any]:
    """The picture, of what the watch knows now."""
    status = watch.status
    has_power = bench.board.is_running()
    heard = watch.heard_samples / bench.rate_hz
    return redact(
        {
            "run": watch.run,
            "power": has_power,
            "light": (status or {}).get("indicator") if has_power else None,
            "level_dbfs": watch.level_dbfs,
            "heard_s": round(heard, 1),
            "total_s": bench.total_s,
            "source": bench.room.source if bench.room else "file",
            "says": says(status, has_power),
            "status": status,
            "log": watch.log[-18:],
            "clips": clips(watch, bench),
            "knobs": shown_knobs(knobs),
            "cloud": watch.recordings,
        }
    )


def says(status: dict | None, has_power: bool) -> dict[str, Any]:
    """What the recorder says, in one sentence and what would change it."""
    if not has_power:
        ends_when = "the power is put on again; nothing that was closed is lost"
        return {"code": "power_off", "tone": "off", "title": title("power_off"),
                "ends_when": ends_when}  # fmt: skip
    if status is None:
        return {"code": "no_answer", "tone": "wait", "title": title("no_answer"),
                "ends_when": "the start-up is through"}  # fmt: skip
    recorder, queue = status["recorder"], status["queue"]
    # What troubles it comes first, then what it does; where both are at rest, the recorder speaks.
    is_at_rest = queue["code"] in ("nothing_to_send", "starting")
    is_recorder = recorder["code"] not in _FINE or is_at_rest
    if queue["code"] == "sending" and recorder["code"] == "recording":
        is_recorder = True
    part = recorder if is_recorder else queue
    code = part["code"]
    said = {
        "code": code,
        "tone": _tone(code, status.get("indicator")),
        "title": title(code),
        "ends_when": part.get("ends_when", ""),
        "detail": part.get("detail", ""),
    }
    if "again_in_s" in part:
        said["again_in_s"] = part["again_in_s"]
    also = queue if is_recorder else recorder
    if also["code"] not in ("nothing_to_send", "starting", "idle"):
        said["also"] = title(also["code"])
    if status["clock"]["state"] == "unknown" and code != "clock_wait":
        said["clock"] = title("time_unknown")
    return said


def _tone(code: str, light: str | None) -> str:
    if code in _FINE:
        return {"recording": "record", "sending": "send"}.get(code, "fine")
    return "act" if light == "error" else "wait"


def clips(watch, bench) -> list[dict[str, Any]]:
    """Every clip that is known of, on the flash or already gone from it."""
    wire: dict[int, list] = {}
    of_recording: dict[str, int] = {}
    for request in watch.requests:
        number = clip_of(request, of_recording)
        if number:
            wire.setdefault(number, []).append(request)
    delivered = {r["clip"]: r for r in watch.recordings if r["status"] not in _UNFINISHED}
    in_hand = ((watch.status or {}).get("queue") or {}).get("in_hand", 0)
    numbers = sorted({*watch.clips, *wire, *delivered})
    return [
        _clip(number, watch.clips.get(number), wire.get(number, []), delivered.get(number),
              number == in_hand, bench, watch)
        for number in numbers if isinstance(number, int)
    ]  # fmt: skip


_UNFINISHED = ("pending", "streaming")


def _clip(number, on_flash, wire, recording, is_in_hand, bench, watch) -> dict[str, Any]:
    record = (on_flash or {}).get("record") or {}
    size = max(record.get("bytes", 0), (on_flash or {}).get("file_bytes", 0))
    stage = _stage(record, on_flash, wire, recording, is_in_hand)
    found = {
        "number": number,
        "stage": stage,
        "in_hand": is_in_hand,
        "take": record.get("take") or (recording or {}).get("take", 0),
        "part": record.get("index", (recording or {}).get("part", 1) - 1) + 1,
        "seconds": _seconds(record, recording, watch, bench, stage),
        "bytes": size or (recording or {}).get("bytes") or 0,
        "progress": _progress(stage, wire, size, record, watch, bench),
        "state": record.get("state", "freed" if recording else "unreadable"),
        "record": record or None,
        "recording": (recording or {}).get("id") or record.get("rid"),
        "wire": [_exchange(request) for request in wire[-_WIRE_SHOWN:]],
    }
    if record.get("why"):
        found["why"] = {"code": record["why"], "title": title(record["why"])}
        found["said"] = record.get("said", "")
    return found


def _stage(record, on_flash, wire, recording, is_in_hand) -> str:
    if on_flash is None:
        return "cloud" if recording else _OF_ROUTE.get(wire[-1].route, "wait") if wire else "wait"
    stage = _OF_STATE.get(record.get("state"), "aside" if record else "record")
    if stage != "aside" and is_in_hand and wire and wire[-1].ended_s is None:
        stage = _OF_ROUTE.get(wire[-1].route, stage)
    return stage


def _seconds(record, recording, watch, bench, stage) -> float:
    if record.get("samples"):
        return round(record["samples"] / record["hz"], 1)
    if stage == "record":
        done = ((watch.status or {}).get("recorder") or {}).get("take_samples", 0)
        return round(max(0, done - record.get("first", 0)) / bench.rate_hz, 1)
    return round((recording or {}).get("seconds") or 0, 1)


def _progress(stage, wire, size, record, watch, bench) -> float:
    """0 to 1: of a clip's length while it is recorded, of its bytes while they leave."""
    if stage == "record":
        return min(1.0, _seconds(record, None, watch, bench, stage) / bench.clip_length_s)
    if stage == "put" and size:
        request = next((r for r in reversed(wire) if r.route == "put"), None)
        return round(min(1.0, request.body_bytes / size), 3) if request else 0.0
    return 1.0 if stage == "cloud" else 0.0


def _exchange(request) -> dict[str, Any]:
    return {
        "at_s": round(request.began_s, 2),
        "route": request.route,
        "bytes": request.body_bytes,
        "status": request.answer_status if request.answer_complete else None,
        "open": request.ended_s is None,
        "fault": request.fault or "",
    }


def shown_knobs(knobs) -> list[dict[str, Any]]:
    from tools.page.knobs import KNOBS

    shown = []
    for knob in KNOBS:
        state = knobs.states[knob.name]
        shown.append(
            {
                "name": knob.name,
                "group": knob.group,
                "label": knob.label,
                "hint": knob.hint,
                "kind": knob.kind,
                "is_on": state.is_on,
                "said": [{"code": code, "title": title(code)} for code in state.said],
                "why_not": knobs.why_not(knob),
            }
        )
    return shown


def recording(cloud, operator, row: dict) -> dict[str, Any]:
    """One of the cloud's recordings, with the object in storage and its words."""
    metadata = row["metadata"] or {}
    keys = cloud.object_keys(row["id"])
    shown = {
        "id": row["id"],
        "status": row["status"],
        "clip": metadata.get("clip", 0),
        "take": metadata.get("take", 0),
        "part": metadata.get("index", 0) + 1,
        "seconds": (row.get("duration_ms") or 0) / 1000,
        "bytes": int(row.get("file_size_bytes") or 0),
        "mime_type": row.get("mime_type") or "",
        "started_at": row.get("started_at"),
        "sha256": row.get("content_sha256"),
        "verified_at": row.get("content_sha256_verified_at"),
        "object": keys[0] if keys else "",
        "chunks": len(cloud.chunk_keys(row["id"])),
        "words": "",
        "transcript_due": False,
    }
    tid = row.get("transcription_id")
    if tid:
        answer = operator.get(f"/transcriptions/{tid}").json()
        shown["words"] = answer.get("full_text") or answer.get("text") or ""
        shown["transcript_due"] = answer.get("status") in ("pending", "processing")
    return shown
