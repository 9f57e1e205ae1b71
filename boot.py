# Puts the release that shall run first in the path, and ends a provisioning that was cut. Whatever
# it meets, the board boots: each step is guarded, and without rescue/ a release still runs.
import os
import sys


def choose():
    try:
        from rescue.choice import choose

        choose()
    except Exception:  # noqa: BLE001  any way of being broken; the full program still has its chance
        for folder in ("b", "a"):
            if folder in os.listdir() and folder not in sys.path:
                sys.path.insert(0, folder)


def open_secrets():
    try:
        if sys.platform == "esp32":
            from rescue.esp32_secrets import Secrets
        else:
            from rescue.sim_secrets import Secrets
        return Secrets()
    except Exception:  # noqa: BLE001  as above
        if sys.platform == "esp32":
            from device.hal.esp32.board import open_secrets
        else:
            from device.hal.sim.board import open_secrets
        return open_secrets()


try:
    choose()
    if "incoming" in os.listdir() and "commit" in os.listdir("incoming"):
        from incoming.apply import apply

        apply(open_secrets)
        choose()  # it may have brought another release
except Exception:  # noqa: BLE001, S110  e.g. no memory, a broken plan
    pass  # main.py meets the same fault, and says why

# boot.py and main.py share one namespace on a board: what is left here stays in the heap.
del choose, open_secrets
