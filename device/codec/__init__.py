"""Codecs behind one port; wav.py describes it. Only the codec that is used gets imported."""


def by_name(name, rate_hz, snr_db=0):
    """The codec that config.json or a clip's record names; raises ValueError for another name."""
    if name == "wav":
        from device.codec.wav import WavCodec

        return WavCodec(rate_hz, snr_db)
    raise ValueError("no codec is called " + name)


def rate_of(name, header):
    """Samples a second that the first 64 bytes of a stored file state, or 0 if they are
    damaged.
    """
    if name == "wav" and header[:4] == b"RIFF" and header[8:16] == b"WAVEfmt ":
        return int.from_bytes(header[24:28], "little")
    return 0
