"""Counts with which clip in hand the program died, and sets aside what kills it. Loaded at a start
that finds a mark, then let go of.

Three deaths quarantine a clip (kills_device; `was` keeps its state). It may be wronged: something
else can die while it is in hand. So the rescue program, which comes if the deaths go on, tries it
again with other code (rescue/aside.py), and `requeue` brings it back.
"""

from device.compat import const, is_digits
from device.errors import DeviceError
from device.store.clip import ASIDE, DONE, QUARANTINED

_MOST_DEATHS = const(3)


def blame(store, marked, log):
    """marked: what in_hand.py had marked when the start before ended. Never raises: a medium that
    fails has its own reason.
    """
    for word in marked.split():
        if not is_digits(word) or len(word) > 9:
            continue
        clip = store.clip(int(word))
        try:
            if not clip.load() or clip.state == DONE or clip.state in ASIDE:
                continue
            deaths = clip.record.get("deaths", 0) + 1
            log.error("the program died with a clip in hand clip=%s times=%d", word, deaths)
            if deaths < _MOST_DEATHS:
                store.save(clip, deaths=deaths)
                continue
            was = clip.state
            store.save(clip, state=QUARANTINED, why="kills_device", was=was, deaths=deaths)
            log.error("clip set aside clip=%s reason=kills_device", word)
        except (OSError, DeviceError) as e:
            log.error("deaths are not counted clip=%s %s", word, e)
