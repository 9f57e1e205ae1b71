"""Setting clips aside, and the clips that kill: rarely needed, loaded for the moment.

A clip that the full program died with three times is quarantined there (kills_device); here it
gets three tries more, because other code may not stumble over it.
"""

from rescue import const
from rescue.clips import SENDABLE

KILLS = "kills_device"
MOST_DEATHS = 6  # of both programs together
_PARKED = ("gone_in_cloud", "conflict", "probably_uploaded", "refused")
_SAID_CHARS = const(40)  # a record stays below 512 bytes


def set_aside(clip, code, said):
    """Keep it for a person, with the reason. Raises OSError."""
    said = "".join([c if " " <= c <= "~" and c != '"' else "?" for c in said])[:_SAID_CHARS]
    clip.save(state="parked" if code in _PARKED else "quarantined", why=code, said=said)


def count_death(clip):
    """One more death with clip in hand; returns how many. The last one sets it aside."""
    deaths = clip.record.get("deaths", 0) + 1
    if deaths >= MOST_DEATHS and clip.state in SENDABLE:
        clip.save(state="quarantined", why=KILLS, was=clip.state, deaths=deaths)
    else:
        clip.save(deaths=deaths)
    return deaths


def revive(clip):
    """Bring back a clip that killed the full program; False if it had its tries."""
    if clip.record.get("was") not in SENDABLE or clip.record.get("deaths", 0) >= MOST_DEATHS:
        return False
    clip.save(state=clip.record["was"], was=None, why=None)
    return True
