# Counts the boot. Nothing else yet: rescue mode is decided here once the rescue program exists.
import sys

try:
    if sys.platform == "esp32":
        from device.hal.esp32.board import open_secrets
    else:
        from device.hal.sim.board import open_secrets
    secrets = open_secrets()
    secrets.raise_counter("boot", secrets.counter("boot") + 1)
except (ImportError, OSError, ValueError, MemoryError):
    pass  # the board boots all the same: main.py meets the same fault, and says why
