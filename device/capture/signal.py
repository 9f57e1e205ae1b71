"""The one place that chooses between machine code and plain Python for loops over samples."""

try:
    from device.capture.signal_viper import condition, measure
except (ImportError, SyntaxError, ValueError):
    # As in codec/flac_hot.py: CPython, or a build without native code for this machine.
    from device.capture.signal_plain import condition, measure  # noqa: F401
