# Counts the boot. Nothing else yet: rescue mode is decided here once the rescue program exists.
import sys

try:
    if sys.platform == "esp32":
        from device.hal.esp32.board import open_secrets
    else:
        from device.hal.sim.board import open_secrets
    _secrets = open_secrets()
    _secrets.raise_counter("boot", _secrets.counter("boot") + 1)
except (ImportError, OSError, ValueError) as e:
    sys.print_exception(e) if hasattr(sys, "print_exception") else None
