"""The one place that chooses between machine code and plain Python for the encoder's loops."""

try:
    from device.codec import flac_lpc_viper as lpc
    from device.codec import flac_viper as pack
except (ImportError, SyntaxError, ValueError):
    # CPython has no module micropython; a build without native code refuses the decorator
    # (SyntaxError) or the .mpy's architecture (ValueError).
    from device.codec import flac_lpc_plain as lpc  # noqa: F401
    from device.codec import flac_plain as pack  # noqa: F401
