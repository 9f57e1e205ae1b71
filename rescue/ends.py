"""How work on a clip may end badly. One class, because each class costs the heap 600 bytes.

kind: who can do something about it (device/errors.py has more)

    LATER      the same may succeed later: everyone waits
    FRESH      this upload URL is of no use, another one may be: else as LATER
    ASIDE      this clip never will: it is kept, and the next one goes on
    SOMEBODY   none will until a person acts: everyone waits long, every clip is kept
"""

LATER, FRESH, ASIDE, SOMEBODY = range(4)


class End(Exception):
    """code: as in device/reasons.py; detail: numbers and names, never a secret or a URL; wait_s:
    what the server asked for.
    """

    def __init__(self, kind, code, detail="", wait_s=0):
        self.kind = kind
        self.code = code
        self.detail = detail
        self.wait_s = wait_s
