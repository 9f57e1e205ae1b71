"""The true header of a stored clip, which the upload puts in the place of the open one.

Formats and sources: device/codec/wav.py and flac_format.py; a test holds them equal.
"""

_LENGTHS = {"wav": 44, "flac": 42}
CONTENT_TYPES = {"wav": "audio/wav", "flac": "audio/flac"}


def true_header(record):
    """The header as bytes, of the length of the stored one."""
    rate_hz, samples = record["hz"], record["samples"]
    if record["codec"] == "wav":
        size = samples * 2
        return (
            b"RIFF"
            + _little(size + _LENGTHS["wav"] - 8, 4)
            + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
            + _little(rate_hz, 4)
            + _little(rate_hz * 2, 4)
            + b"\x02\0\x10\0data"
            + _little(size, 4)
        )
    least, most = record.get("facts") or (0, 0)
    facts = rate_hz << 44 | 15 << 36 | samples  # one channel, 16 bits
    return (
        b"fLaC\x80\0\0\x22\x04\0\x04\0"
        + least.to_bytes(3, "big")
        + most.to_bytes(3, "big")
        + facts.to_bytes(8, "big")
        + bytes(16)
    )


def fits(record):
    """True if a file of that size may hold so many samples."""
    size, samples = record["bytes"], record["samples"]
    if record["codec"] == "wav":
        return size == _LENGTHS["wav"] + samples * 2
    frames = (samples + 1023) // 1024
    return _LENGTHS["flac"] + 11 * frames <= size <= _LENGTHS["flac"] + frames * 2066


def _little(value, size):
    return value.to_bytes(size, "little")
