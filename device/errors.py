"""The taxonomy of errors: who can act?

    DeviceError
      Transient      the same call may succeed later; the whole lane waits
        UrlRefused   this upload URL is of no use; another one may be
      Permanent      this clip never will: it is set aside, the next one goes on
      NeedsOperator  no clip will until somebody acts: the lane waits, every clip is kept
      Fatal          this program can no longer be trusted: the supervisor resets

Errors are translated once, at the boundary (hal, api). Above it nobody sees an OSError of the
network. `code` is a key of reasons.py, `detail` numbers and names, never a secret or a URL.
"""


class DeviceError(Exception):
    def __init__(self, code, detail=""):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self):
        return "%s (%s)" % (self.code, self.detail) if self.detail else self.code


class Transient(DeviceError):
    """retry_after_s: what the server asked for, already bounded; None if it said nothing."""

    def __init__(self, code, detail="", retry_after_s=None):
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class UrlRefused(Transient):
    pass


class Permanent(DeviceError):
    pass


class NeedsOperator(DeviceError):
    """A sibling of Permanent, not its child: what sets clips aside must not catch it."""


class Fatal(DeviceError):
    pass
