"""Which device token goes on the wire: the one in force, or a new one that is not proved yet.

A refresh (transfer/refresh.py) leaves the new token beside the old one. Whichever the cloud
accepts stays; neither is given up before the other was accepted, so a crash or a lost answer at
any step leaves one that works, if there is one at all.

    secrets   token      in force          token_next   new, not used with success yet
              cloud_id   what the cloud calls this device
"""

from device.compat import is_graphic


class Tokens:
    """secrets: port. Read anew whenever its version says so: a token may come over the cable at
    any moment.
    """

    def __init__(self, secrets):
        self._secrets = secrets
        self._version = None  # of the secrets, as read last
        self._read = ("", "")
        self._refused = None  # the last one that was refused: another is tried first

    def current(self):
        """The token to send, "" if there is none."""
        new, old = self._both()
        if new and (new != self._refused or not old):
            return new
        return old

    def accepted(self, token):
        """The cloud took token."""
        new, _ = self._both()
        if not new:
            return
        if token == new:
            self._secrets.set("token", new)
        self._secrets.set("token_next", "")

    def refused(self, token):
        """The cloud refused token. True if another one is worth a try at once."""
        self._refused = token
        other = self.current()
        return bool(other) and other != token

    def belong_to(self, device):
        """The cloud called us so (None: it did not say): a refresh needs to know."""
        if device and device != self._secrets.get("cloud_id"):
            self._secrets.set("cloud_id", device)

    def _both(self):
        version = self._secrets.version
        if version != self._version:
            new = clean_token(self._secrets.get("token_next"))
            self._read = (new, clean_token(self._secrets.get("token")))
            self._version = version
        return self._read


def clean_token(text):
    """The token as it goes on the wire, "" if there is none that could.

    Editors and cables leave a byte order mark, line ends, blanks or a "Bearer " around it.
    """
    token = (text or "").lstrip("\ufeff").strip()
    if token.lower().startswith("bearer "):
        token = token[7:].strip()
    return token if is_graphic(token) else ""
