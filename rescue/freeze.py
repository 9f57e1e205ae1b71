"""closed → creating: what create will send becomes durable, so that every attempt sends the same.

The body is the one that device/api/dialect.py (create_body) makes: a test holds them equal.
"""

import json
import os
import time
from binascii import crc32

from rescue import const
from rescue.clips import read_slots
from rescue.ends import ASIDE, End

_OPTIONAL = (
    ("lost", "lost_samples"),
    ("gaps", "gaps"),
    ("skips", "left_out"),
    ("cut", "cut"),
    ("snr", "snr_db"),
    ("mic", "microphone"),
    ("ppm", "sample_clock_ppm"),
)
_LEVELS = ("peak_dbfs_x10", "rms_dbfs_x10", "floor_dbfs_x10", "clipped_samples", "active_s")
_2000_UNIX_S = const(946684800)


def step(program, clip):
    """Key and body lie beside the clip, then its record says so. Raises End, OSError."""
    record = clip.record
    try:
        size = os.stat(clip.audio_path)[6]
    except OSError:
        size = -1
    if size < record["bytes"]:
        raise End(ASIDE, "file_missing", "file_bytes=%d" % size)
    if record["samples"] < record["hz"] and not record["index"]:
        raise End(ASIDE, "too_short", "samples=%d" % record["samples"])
    boots = read_slots("boots2", program.root + "/state/boots")[1]
    device_id, store_id = program.ids
    body = create_body(record, device_id, store_id, start_of(record, boots))
    frozen = b"rec-%s-%s-%d\n" % (device_id.encode(), store_id.encode(), clip.number) + body
    with open(clip.stem + ".b", "wb") as f:
        f.write(frozen)
        f.flush()  # on MicroPython this is the sync
    clip.save(state="creating", body=crc32(frozen))


def create_body(record, device_id, store_id, start):
    """The body of POST /recordings as bytes. start: (Unix ms, uncertainty in ms) or None."""
    number = record["n"]
    left_out = sum([skip[1] for skip in record.get("skips", ())])
    metadata = {
        "device_recording_uuid": "%s-%s-%d" % (device_id, store_id, number),
        "clip": number,
        "take": record["take"],
        "index": record["index"],
        "last": bool(record.get("last")),
        "first_sample": record["first"],
        "samples": record["samples"],
        "sample_rate_hz": record["hz"],
        "codec": record["codec"],
        "boot": record["boot"],
        "uptime_ms": record["up"],
    }
    for name, meaning in _OPTIONAL:
        if record.get(name):
            metadata[meaning] = record[name]
    for i, value in enumerate(record.get("lev", ())[: len(_LEVELS)]):
        metadata[_LEVELS[i]] = value
    end = ", end" if record.get("last") else ""
    name = "take %d, part %d%s" % (record["take"], record["index"] + 1, end)
    body = {"name": name, "source": "device", "metadata": metadata}
    if start is not None:
        duration_ms = (record["samples"] + left_out) * 1000 // record["hz"]
        metadata["start_uncertainty_ms"] = start[1]
        body["started_at"] = metadata["started_at"] = iso8601(start[0])
        body["ended_at"] = metadata["ended_at"] = iso8601(start[0] + duration_ms)
    elif record.get("nb"):
        metadata["not_before"] = iso8601(1000 * record["nb"])
    return json.dumps(body).encode()


def start_of(record, boots):
    """(Unix ms, uncertainty in ms) of a clip's first sample, or None; boots: the table of
    device/link/clock.py, boot -> [offset, uptime of the last witness, drift, uncertainty].
    """
    entry = boots.get(str(record["boot"]))
    if isinstance(entry, list) and [isinstance(value, int) for value in entry] == [True] * 4:
        offset_ms, sync_up_ms, drift_ppb, uncertainty_ms = entry
        since_ms = record["up"] - sync_up_ms
        uncertainty_ms += abs(since_ms) * (20 if drift_ppb else 100) // 1_000_000
        return offset_ms + record["up"] + drift_ppb * since_ms // 1_000_000_000, uncertainty_ms
    start, doubt = record.get("start"), record.get("doubt")
    if isinstance(start, int):
        return start, doubt if isinstance(doubt, int) else 1_500
    return None


def iso8601(unix_ms):
    """UTC text of Unix milliseconds."""
    unix_s, ms = divmod(unix_ms, 1000)
    if time.gmtime(0)[0] == 2000:  # what the ESP32's port counts from
        unix_s -= _2000_UNIX_S
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % time.gmtime(unix_s)[:6]
    return text + (".%03dZ" % ms if ms else "Z")
