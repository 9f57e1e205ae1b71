"""What came of the last update: one note on the board's own flash, and how it is told.

    update0, update1   alternating (store/slots.py): one dict of texts
    id                 which file it was: its size and the start of its signature
    was                the version that ran then
    kind, version      "" where the signature was not reached
    code               "" for what was installed, else a key of reasons.UPDATE
    said               False if the card took no text

Whether an installed release has proved itself is not noted: the boot record says so.
"""

from device import reasons
from device.store.slots import Slots
from rescue import boot_record

_MAGIC = "update1"
_BASE = "update"
INSTALLED = "installed"
ON_TRIAL = "on_trial"
PROVED = "proved"
TAKEN_BACK = "taken_back"
REPLACED = "replaced"  # by another release since, over the cable
REFUSED = "refused"


def read(folder=""):
    """The last note, or None."""
    try:
        value = Slots(_MAGIC, folder + _BASE).read()
    except OSError:
        return None
    return value if value and _is_note(value) else None


def _is_note(value):
    for name in ("id", "was", "kind", "version", "code"):
        if not isinstance(value.get(name), str):
            return False
    return not value["code"] or reasons.is_reason(reasons.UPDATE, value["code"])


def write(value, folder=""):
    """Keep a note, if it says something new. Never raises: an update must not fail for it."""
    slots = Slots(_MAGIC, folder + _BASE)
    try:
        if slots.read() != value:
            slots.write(value)
    except OSError:
        pass


def outcome(note, running_version, folder=""):
    """What became of the bundle of a note: one of INSTALLED … REFUSED."""
    if note["code"]:
        return REFUSED
    if note["kind"] != "release":
        return INSTALLED
    if boot_record.read(folder)[2] != boot_record.NONE:
        return ON_TRIAL
    if note["version"] == running_version:
        return PROVED
    return TAKEN_BACK if note["was"] == running_version else REPLACED


def as_dict(running_version, folder=""):
    """The status document's part on updates."""
    _, release, trial, starts = boot_record.read(folder)
    part = {"release": release, "trial": trial, "starts": starts}
    note = read(folder)
    if note:
        part["last"] = last = {name: note[name] for name in ("kind", "version")}
        last["outcome"] = outcome(note, running_version, folder)
        if note["code"]:
            last["code"] = note["code"]
            last["ends_when"] = reasons.ends_when(reasons.UPDATE, note["code"])
    return part
