"""M4: what one wake of the whole recorder puts on the wire, with ten clips in it.

A fresh connection takes three round trips before its first request (TCP, and two of TLS 1.2).
The clips here are of 960 KB; what a clip of 240 KB in such a batch pays is derived: the same
fixed bytes, and 29 for each TLS record of its own.
"""

from tools.bench.rows import Row
from tools.bench.upload import need_micropython

CLIPS = 10
_SMALL_CLIP_BYTES = 240_000
_RECORD_BYTES, _RECORD_COST_BYTES = 4096, 29
_HANDSHAKE_TRIPS = 3


def measure(session):
    need_micropython()
    session.say(f"{CLIPS} clips in one wake")
    wire = session.recorders.wire(CLIPS)
    trips = wire.requests_a_clip + wire.handshakes * _HANDSHAKE_TRIPS / CLIPS
    rows = [
        Row("M4", "handshakes of a wake", wire.handshakes, most=2),
        Row("M4", "requests a clip, a round trip each", wire.requests_a_clip, most=4),
        Row("M4", f"round trips a clip, handshakes of {CLIPS} clips shared", trips),
        Row("M4", "API bytes sent a clip", wire.api_bytes_a_clip / 1024, "KiB", most=2),
    ]
    if not wire.up_bytes:
        return [*rows, Row("M4", "bytes on the wire", None, note="this system does not count")]
    extra = wire.up_bytes + wire.down_bytes - wire.audio_bytes
    records = wire.audio_bytes / _RECORD_BYTES * _RECORD_COST_BYTES
    small = (extra - records) / CLIPS + _SMALL_CLIP_BYTES / _RECORD_BYTES * _RECORD_COST_BYTES
    rows += [
        Row("M4", "wire over audio, clips of 960 KB", 100 * extra / wire.audio_bytes, "%"),
        Row(
            "M4",
            "wire over audio, a clip of 240 KB, both ways",
            100 * small / _SMALL_CLIP_BYTES,
            "%",
            most=2.5,
            note="derived",
        ),
        Row(
            "M4",
            "wire over audio, clips of 960 KB, up only",
            100 * (wire.up_bytes - wire.audio_bytes) / wire.audio_bytes,
            "%",
        ),
    ]
    return rows
