"""How work on a clip may end badly, by who can do something about it (device/errors.py has more)."""


class End(Exception):
    """code: as in device/reasons.py; detail: numbers and names, never a secret or a URL."""

    def __init__(self, code, detail="", wait_s=None):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.wait_s = wait_s  # what the server asked for


class Later(End):
    """The same may succeed later: everyone waits."""


class Fresh(Later):
    """This upload URL is of no use; another one may be."""


class Aside(End):
    """This clip never will: it is kept, and the next one goes on."""


class Somebody(End):
    """None will until a person acts: everyone waits long, every clip is kept."""
