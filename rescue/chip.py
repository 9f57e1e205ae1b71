"""The chip of this board: why it started, its watchdog, its reset. Loaded before anything else, so
it is small and there is one file a platform.

    cause()          as System.reset_cause(); "planned" where the reset before was marked so
    in_hand()        numbers of the clips that the start before had in hand when it died
    mark(text)       such numbers, or in words why a reset is planned: kept through a reset, not
                     through a power cut
    guard(limit_ms)  start the watchdog, or set it anew;  feed()
    reset()          does not return
    device_id, say(text)
"""

import sys


def open_chip():
    if sys.platform == "esp32":
        from rescue.esp32_chip import Chip
    else:
        from rescue.sim_chip import Chip
    return Chip()


def numbers_in(marked):
    """Clip numbers of what mark() kept (text or bytes): [] for anything else."""
    words = marked.split()
    for word in words:
        if not word.isdigit() or len(word) > 9:
            return []
    return [int(word) for word in words]


def is_reason(marked):
    """True if it says why a reset was planned."""
    return bool(marked) and not numbers_in(marked)
