# Ends a provisioning that was cut after its commit, and counts the boot. Nothing else yet: rescue
# mode is decided here once the rescue program exists.
import os
import sys


def open_secrets():
    if sys.platform == "esp32":
        from device.hal.esp32.board import open_secrets
    else:
        from device.hal.sim.board import open_secrets
    return open_secrets()


def is_provisioned_anew():
    try:
        os.stat("incoming/commit")
        return True
    except OSError:
        return False


try:
    if is_provisioned_anew():
        from incoming.apply import apply

        apply(open_secrets)
    secrets = open_secrets()
    secrets.raise_counter("boot", secrets.counter("boot") + 1)
except Exception:  # noqa: BLE001, S110  whatever it met, the board boots
    pass  # main.py meets the same fault, and says why
