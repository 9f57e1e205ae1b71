"""A bundle in the root of the card: looked at once, when the recorder starts and nothing records.

    bota-recorder.bundle   put there by a person; it stays, and is not looked at twice
    bota-recorder.txt      what came of it, for that person; who removes it asks for another try

What was installed or is beyond repair is noted on the board's own flash too (note.py), so that a
card that cannot be written does not bring the same update at each start. A refusal never resets
the board, and what is installed is not installed again: it cannot loop.
"""

import os

from device import reasons
from device.compat import file_size
from device.update import install, note

NAME = "bota-recorder.bundle"
SAID = "bota-recorder.txt"
_LIMIT_MS = 120_000  # for the largest file of a release; a second or two is usual
_PASSING = ("no_key", "on_trial", "no_room", "low_memory")  # another start may end otherwise


def run(board, folder="", arch=None):
    """Look at the bundle of the board's storage. Returns True if it was installed: the board is to
    start anew. Takes some seconds for a release; nothing else runs meanwhile.
    """
    path = board.storage.root + "/" + NAME
    text_path = board.storage.root + "/" + SAID
    version = board.system.firmware_version
    noted = note.read(folder)
    is_known = noted and noted["id"] == install.identity_of(path)
    if is_known and noted["code"] not in _PASSING:
        if not noted["said"]:
            return False
        if file_size(text_path) >= 0:
            _say(text_path, _text(noted, "", version, folder))
            return False
    board.indicator.show("held")
    board.watchdog.start(_LIMIT_MS)

    def tell(name):
        board.watchdog.feed()

    noted, detail = install.attempt(path, version, tell, folder, arch)
    noted["said"] = _say(text_path, _text(noted, detail, version, folder))
    note.write(noted, folder)
    board.system.log_sink(
        "%s update version=%s %s %s"
        % (
            "W" if noted["code"] else "I",
            noted["version"] or "?",
            noted["code"] or "installed",
            detail,
        )
    )
    return not noted["code"]


def _text(noted, detail, version, folder):
    """What a person reads on the card."""
    code = noted["code"]
    became = note.outcome(noted, version, folder)
    name = "%s %s" % (noted["kind"] or "bundle", noted["version"] or "of unknown version")
    lines = [NAME + ": " + name, "This recorder runs version %s." % version, ""]
    if code:
        lines.append("Refused: %s%s." % (code, " (%s)" % detail if detail else ""))
        lines.append("What would help: %s." % reasons.ends_when(reasons.UPDATE, code))
        lines.append("To have it looked at again: remove this text, keep the bundle.")
    elif became == note.PROVED:
        lines.append("Installed, and it has proved itself. The bundle can be removed.")
    elif became == note.INSTALLED:
        lines.append("Installed: these roots are trusted now. The bundle can be removed.")
    elif became == note.TAKEN_BACK:
        lines.append("Installed and tried, but it did not prove itself: the old version runs.")
        lines.append("To have it tried again: remove this text, keep the bundle.")
    elif became == note.REPLACED:
        lines.append("Installed, and replaced over the cable since. The bundle can be removed.")
    else:
        lines.append("Installed. The recorder tries it now; this text is brought up to date when")
        lines.append("it starts the next time after that.")
    return "\n".join(lines) + "\n"


def _say(path, text):
    """Write the text if it is news; False if the card does not take it."""
    data = text.encode()
    try:
        if file_size(path) == len(data):
            with open(path, "rb") as f:
                if f.read() == data:
                    return True
        if file_size(path) >= 0:
            os.remove(path)
        with open(path, "wb") as f:
            f.write(data)
        return True
    except OSError:
        return False
