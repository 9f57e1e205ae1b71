"""M4: what one wake of the whole recorder puts on the wire, with ten clips in it; beside it a
recorder written with the frozen `requests`, which opens a connection for each request.

A fresh connection takes three round trips before its first request (TCP, and two of TLS 1.2).
The recorder's clips are of 960 KB here; what a clip of 240 KB in such a batch pays is derived: the
same fixed bytes, and 29 for each TLS record of its own.
"""

from tools.bench.rows import Row
from tools.bench.upload import REQUESTS, need_micropython

CLIPS = 10
_SMALL_CLIP_BYTES = 240_000
_RECORD_BYTES, _RECORD_COST_BYTES = 4096, 29
_HANDSHAKE_TRIPS = 3
_MOST_OVERHEAD_PCT = 2.5
# Signatures of TLS and numbers in JSON are a few bytes longer or shorter.
_SPREAD_PCT, _SPREAD_KIB = 0.02, 0.01


def measure(session):
    need_micropython()
    session.say(f"{CLIPS} clips in one wake")
    wire = session.recorders.wire(CLIPS)
    session.say(f"{CLIPS} clips by requests")
    others = session.recorders.wire_of_requests(CLIPS, _SMALL_CLIP_BYTES)

    def row(what, unit, figure_of, most=None):
        beside = {REQUESTS.name: figure_of(others)}
        return Row("M4", what, figure_of(wire), unit, most=most, baselines=beside)

    api = wire.api_bytes_a_clip / 1024
    rows = [
        row("handshakes of a wake", "", lambda w: w.handshakes, 2),
        row("requests a clip, a round trip each", "", lambda w: w.requests_a_clip, 4),
        row(f"round trips a clip, those of handshakes shared by {CLIPS}", "", _trips),
        Row("M4", "API bytes sent a clip", api, "KiB", most=2, spread=_SPREAD_KIB),
    ]
    if not wire.up_bytes:
        return [*rows, Row("M4", "bytes on the wire", None, note="this system does not count")]
    for what, most in (("both ways", _MOST_OVERHEAD_PCT), ("up only", None)):
        is_up = most is None
        value = _small_overhead_pct(wire, is_up)
        measured = {REQUESTS.name: 100 * _extra(others, is_up) / others.audio_bytes}
        name = f"wire over audio, a clip of 240 KB, {what}"
        small = Row("M4", name, value, "%", most=most, spread=_SPREAD_PCT, note="derived")
        small.baselines = measured
        rows.append(small)
    whole = 100 * _extra(wire, False) / wire.audio_bytes
    name = "wire over audio, clips of 960 KB, both ways"
    return [*rows, Row("M4", name, whole, "%", spread=_SPREAD_PCT)]


def _trips(wire):
    return wire.requests_a_clip + wire.handshakes * _HANDSHAKE_TRIPS / CLIPS


def _extra(wire, is_up):
    """Bytes of TCP payload beyond the audio's own."""
    return wire.up_bytes - wire.audio_bytes + (0 if is_up else wire.down_bytes)


def _small_overhead_pct(wire, is_up):
    records = wire.audio_bytes / _RECORD_BYTES * _RECORD_COST_BYTES
    fixed = (_extra(wire, is_up) - records) / CLIPS
    small = fixed + _SMALL_CLIP_BYTES / _RECORD_BYTES * _RECORD_COST_BYTES
    return 100 * small / _SMALL_CLIP_BYTES
