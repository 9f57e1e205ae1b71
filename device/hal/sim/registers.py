"""What the parts of a virtual board show to the outside, as small files in the board's folder.

A board behind a serial port has no loop while a technician holds it, so its watchdog and its light
cannot speak over the control channel alone. Like registers, the files outlive a soft reset.
"""

import json
import os


class Registers:
    """folder: where the files lie; each event is one file that holds its values."""

    def __init__(self, folder):
        self._folder = folder + "/registers"
        try:
            os.mkdir(self._folder)
        except OSError:
            pass  # it is there already

    def event(self, name, **values):
        with open(self._folder + "/" + name, "w") as f:
            f.write(json.dumps(values))
