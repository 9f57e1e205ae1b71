"""Codecs behind one port; wav.py describes it. Only the codec that is used gets imported."""

NAMES = ("flac", "wav")


def encoder_of(name, rate_hz, snr_db=0):
    """The encoder for new clips, with all its buffers. Raises ValueError for what it cannot do."""
    if name == "flac":
        from device.codec.flac import FlacEncoder

        return FlacEncoder(rate_hz, snr_db)
    return format_of(name, rate_hz)


def format_of(name, rate_hz):
    """What uploads and repairs clips of a codec, without buffers. Raises ValueError."""
    if name == "wav":
        from device.codec.wav import WavCodec

        return WavCodec(rate_hz)
    if name == "flac":
        from device.codec.flac_format import FlacFormat

        return FlacFormat(rate_hz)
    raise ValueError("no codec is called " + name)


def rate_of(name, header):
    """Samples a second that the first 64 bytes of a stored file state; 0 if they are damaged, or
    tell of anything but 16-bit mono.
    """
    if name == "flac":
        from device.codec import flac_format

        return flac_format.rate_of(header)
    is_wav = name == "wav" and header[:4] == b"RIFF" and header[8:16] == b"WAVEfmt "
    if is_wav and header[20:24] == b"\1\0\1\0" and header[34:36] == b"\x10\0":
        return int.from_bytes(header[24:28], "little")
    return 0
