"""The one place that chooses between machine code and plain Python for what I2S delivers."""

try:
    from device.hal.esp32.unpack_viper import filled, mark, unpack
except (ImportError, SyntaxError, ValueError):
    # As in codec/flac_hot.py: CPython, or a build without native code for this machine.
    from device.hal.esp32.unpack_plain import filled, mark, unpack  # noqa: F401
