"""Brings clips that were set aside back to the lane, at the step that is safe for each.

    had                               goes back to
    collected over the cable          the state it was collected in
    died with in hand                 the state it had
    no frozen create body             closed       everything from the start
    body, no recording id             creating     the same bytes under the same key
    recording id, no stored hash      created      the same recording, a fresh URL
    recording id and stored hash      completing   only complete is asked again
    integrity_failure, or args again  created      the bytes go up again, same recording
    all of it in the cloud as chunks  completing   finalize is asked again
    chunks, and args again            closed       the whole file, in a new recording

Flags, each a decision of a person: other_epoch (whose clip it is changed or is unknown: it will
go to the user whom the recorder is bound to now), rebuild (its facts come from the audio as it
lies there now), new_recording (the cloud deleted the old one).
"""

import asyncio
from binascii import crc32

from device import codec
from device.compat import file_size
from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import check_device, open_store, pick
from device.store.clip import (
    ASIDE,
    CHUNKS,
    CLOSED,
    COMPLETING,
    CREATED,
    CREATING,
    OPEN,
    WHOLE,
)

_BODY_MAX_BYTES = 2048
_WORK_BYTES = 2304
_NEVER = ("too_short", "file_missing")
_DROPPED = ("why", "said", "was", "late", "deaths", "reads")
_DROPPED_TOO = ("rid", "sha", "body", "md5", "parts")


def run(board, args):
    """args: device, numbers (None: all), why (None: any), the flags, dry_run."""
    check_device(board, args)
    store = open_store(board)
    epoch = board.secrets.counter("epoch")
    moved = 0
    for clip in pick(store, args):
        try:
            changes = _plan(store, clip, epoch, args)
        except DeviceError as e:
            progress(left={"n": clip.number, "why": e.code})
            continue
        if changes is None:
            continue
        progress(moved={"n": clip.number, "why": clip.record.get("why"), "to": changes["state"]})
        if not args.get("dry_run"):
            for name in _DROPPED + (_DROPPED_TOO if changes["state"] == CLOSED else ()):
                clip.record.pop(name, None)
            store.save(clip, **changes)
            if changes.get("via") == WHOLE:
                try:
                    store.forget_progress(clip)
                except OSError:
                    pass  # freeing takes it away
        moved += 1
    return {"moved": moved}


def _plan(store, clip, epoch, args):
    """The changes that bring clip back, or None if it is no case for us. Raises DeviceError."""
    record = clip.record
    if record is None:
        raise DeviceError("record_unreadable")
    is_other = record.get("epoch", 0) != epoch
    if clip.state not in ASIDE:
        if clip.state == OPEN or not is_other:
            return None
        if not args.get("other_epoch"):
            raise DeviceError("other_epoch")
        return {"state": clip.state, "epoch": epoch}
    why = record.get("why")
    if args.get("why") and args["why"] != why:
        return None
    if why in _NEVER:
        raise DeviceError(why)
    changes = {"state": _step(store, clip, why, args), "tries": 0}
    if changes["state"] == CLOSED and why != "collected":
        changes.update(_as_whole(clip))
    if why == "damaged":
        if not args.get("rebuild"):
            raise DeviceError("damaged")
        changes.update(_rebuilt(clip))
    if is_other:
        if not args.get("other_epoch"):
            raise DeviceError("other_epoch")
        changes["epoch"] = epoch
    return changes


def _as_whole(clip):
    """What a clip that was begun in chunks needs to begin anew. Raises DeviceError."""
    try:
        begun = clip.progress().read()
    except OSError:
        raise DeviceError("record_unreadable")
    if not begun and clip.record.get("via") != CHUNKS:
        return {}
    rid = clip.record.get("rid") or (begun or {}).get("r")
    return {"via": WHOLE, "orid": rid} if rid else {"via": WHOLE}


def _step(store, clip, why, args):
    record = clip.record
    if why in ("collected", "kills_device"):
        return record.get("was", CLOSED)
    if why == "gone_in_cloud":
        if not args.get("new_recording"):
            raise DeviceError("gone_in_cloud")
        return CLOSED
    if record.get("via") == CHUNKS:
        return COMPLETING if record.get("parts") and not args.get("again") else CLOSED
    frozen = store.read_body(clip, _BODY_MAX_BYTES)
    if frozen is None or crc32(frozen) != record.get("body"):
        return CREATED if record.get("rid") else CLOSED
    if not record.get("rid"):
        return CREATING
    if not record.get("sha") or why in ("integrity_failure", "damaged") or args.get("again"):
        return CREATED
    return COMPLETING


def _rebuilt(clip):
    """Size, samples and CRC of the audio as it lies on the flash now. Raises DeviceError."""
    record = clip.record
    size = file_size(clip.audio_path)
    work = memoryview(bytearray(_WORK_BYTES))
    try:
        stored = codec.format_of(record["codec"], record["hz"])
        with open(clip.audio_path, "rb") as f:
            good_bytes, samples, crc, facts = asyncio.run(stored.scan(f, size, work))
    except (OSError, ValueError):
        raise DeviceError("damaged", "its audio cannot be read")
    if not samples:
        raise DeviceError("damaged", "its audio holds nothing")
    return {"bytes": good_bytes, "samples": samples, "crc": crc, "facts": facts, "cut": 1}
