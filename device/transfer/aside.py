"""What the record of a clip that does not go by itself any more says. Loaded when it is set aside.

Parked: a person can let it go again (`requeue`). Quarantined: it cannot be sent as it is.
"""

from device.compat import const
from device.reasons import CLIP, is_reason
from device.store.clip import PARKED, QUARANTINED

_PARKED_REASONS = ("gone_in_cloud", "conflict", "probably_uploaded", "refused")
_SAID_CHARS = const(40)  # a record stays below 512 bytes


def verdict(e):
    """(state, why, said) for a clip that ended with e, a Permanent; said: what the cloud said."""
    why = e.code if is_reason(CLIP, e.code) else "refused"
    state = PARKED if why in _PARKED_REASONS else QUARANTINED
    return state, why, printable(e.detail)[:_SAID_CHARS]


def printable(text):
    """text with "?" for all that is not plain ASCII: what others said goes into records and
    logs.
    """
    return "".join(letter if " " <= letter <= "~" and letter != '"' else "?" for letter in text)
