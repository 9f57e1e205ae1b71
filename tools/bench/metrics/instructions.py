"""M1: instructions that one MiB costs from file to socket over verified TLS, beside other clients.

Two lengths of upload, so that start-up and handshake cancel. "sha256": what is sent is hashed on
the way; the recorder also checks the CRC-32 that capture kept.
"""

from tools.bench import callgrind
from tools.bench.rows import Row
from tools.bench.upload import AIOHTTP, DEVICE, MIB, RAW, REQUESTS, STREAMS, need_micropython

_MOST_OF_RAW = 1.05


def measure(session):
    callgrind.needed()
    need_micropython()
    uploads = session.uploads
    others = [RAW, STREAMS] if session.quick else [RAW, STREAMS, REQUESTS, AIOHTTP]
    clients = [DEVICE, *uploads.present(others)]
    hashes = ("-",) if session.quick else ("-", "sha256")

    def count(client, hashed, size_bytes):
        session.say(f"{client.name}, {size_bytes // 1024} KiB{_hashed(hashed)}")
        word = "clip" if client is DEVICE and hashed != "-" else hashed
        return uploads.instructions(client, size_bytes, "https", word)

    counts = {
        (client, hashed, size): count(client, hashed, size)
        for hashed in hashes
        for client in clients
        for size in _sizes(client, session.quick)
    }
    rows = []
    for hashed in hashes:
        slopes = {}
        for client in clients:
            short, long = _sizes(client, session.quick)
            more = counts[client, hashed, long] - counts[client, hashed, short]
            slopes[client] = more * MIB / (long - short)
        rows += _rows(slopes, hashed)
    missing = [why for c in others if (why := uploads.why_not(c))]
    if missing:
        rows[0].note = "; ".join(missing)
    return rows


def _sizes(client, is_quick):
    """aiohttp wants memory for three times the body, and time to look for it."""
    return (MIB // 4, 3 * MIB // 4) if is_quick or client is AIOHTTP else (MIB // 2, 3 * MIB // 2)


def _rows(slopes, hashed):
    raw = slopes[RAW]
    ratios = {c.name: slope / raw for c, slope in slopes.items() if c is not DEVICE}
    millions = {c.name: slope / 1e6 for c, slope in slopes.items() if c is not DEVICE}
    value = slopes[DEVICE]
    return [
        Row(
            "M1",
            f"instructions over raw socket{_hashed(hashed)}",
            value / raw,
            most=_MOST_OF_RAW if hashed == "-" else None,
            spread=2 * callgrind.SPREAD * value / raw,
            baselines=ratios,
        ),
        Row(
            "M1",
            f"millions of instructions a MiB{_hashed(hashed)}",
            value / 1e6,
            spread=callgrind.SPREAD * value / 1e6,
            baselines=millions,
        ),
    ]


def _hashed(hashed):
    return "" if hashed == "-" else ", with SHA-256"
