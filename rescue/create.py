"""creating → created: POST /recordings with the frozen body and its key."""

from binascii import crc32

from rescue import const
from rescue.ends import ASIDE, LATER, End

_BODY_BYTES = const(2048)


def step(program, clip):
    """The record gets the recording's id. Raises End, OSError."""
    try:
        with open(clip.stem + ".b", "rb") as f:
            frozen = f.read(_BODY_BYTES)
    except OSError:
        frozen = b""
    if crc32(frozen) != clip.record.get("body"):
        raise End(ASIDE, "damaged", "create body")
    key, _, frozen = frozen.partition(b"\n")
    rid = program.api.post("/recordings", frozen, key.decode()).get("id")
    if not isinstance(rid, str) or not 1 <= len(rid) <= 64:
        raise End(LATER, "bad_answer", "create without id")
    for letter in rid.lower():
        if letter not in "abcdefghijklmnopqrstuvwxyz0123456789_-":
            raise End(LATER, "bad_answer", "create with a strange id")
    clip.save(state="created", rid=rid)
