"""The true header of a stored clip, which the upload puts in the place of the open one.

Formats and sources: device/codec/wav.py and flac_format.py; a test holds them equal.
"""

from rescue import const
from rescue.ends import ASIDE, End

_WAV_BYTES = const(44)
_FLAC_BYTES = const(42)
_BLOCK_SAMPLES = const(1024)
_FRAME_BYTES = (11, 2066)  # the least and the most that a frame of FLAC takes


def true_header(record):
    """The header as bytes, of the length of the stored one. Raises End if the record cannot be
    true: a file of that size holds other samples.
    """
    rate_hz, samples, size = record["hz"], record["samples"], record["bytes"]
    if record["codec"] == "wav":
        if size != _WAV_BYTES + samples * 2:
            raise End(ASIDE, "damaged", "samples and bytes disagree")
        return (
            b"RIFF"
            + (size - 8).to_bytes(4, "little")
            + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
            + rate_hz.to_bytes(4, "little")
            + (rate_hz * 2).to_bytes(4, "little")
            + b"\x02\0\x10\0data"
            + (samples * 2).to_bytes(4, "little")
        )
    frames = (samples + _BLOCK_SAMPLES - 1) // _BLOCK_SAMPLES
    if not _FRAME_BYTES[0] * frames <= size - _FLAC_BYTES <= _FRAME_BYTES[1] * frames:
        raise End(ASIDE, "damaged", "samples and bytes disagree")
    least, most = record.get("facts") or (0, 0)
    one_channel_of_16_bits = 15 << 36
    return (
        b"fLaC\x80\0\0\x22\x04\0\x04\0"
        + least.to_bytes(3, "big")
        + most.to_bytes(3, "big")
        + (rate_hz << 44 | one_channel_of_16_bits | samples).to_bytes(8, "big")
        + bytes(16)
    )
