"""The end of a clip that went as chunks: finalize until the cloud proves it, or begin anew.

    completing → done     finalize was accepted, and the same request once more
    completing → closed   the cloud could not make a recording of it: whole, in a new one

A crash anywhere in between asks again from the start, with the same bytes: all of them are in the
record.
"""

from device.api import chunks
from device.compat import const
from device.errors import Permanent, Transient
from device.store.clip import CLOSED, DONE, WHOLE
from device.transfer.whole_file import poll

_PROOFS = const(2)  # the answer, and that of the identical request after it
_OF_THE_OLD_ONE = ("rid", "sha", "md5", "parts", "body", "tries", "late")


async def prove(store, calls, clip, alive, log):
    """Take clip from `completing` to `done`, or back to `closed` for the whole file.

    Raises Permanent(conflict, probably_uploaded, gone_in_cloud), Transient, NeedsOperator.
    """
    record = clip.record
    duration_ms = record["samples"] * 1000 // record["hz"]

    async def ask():
        outcome = await calls.finalize(record["rid"], record["parts"], duration_ms, record["md5"])
        return None if outcome == chunks.STITCHING else outcome

    for _ in range(_PROOFS):
        outcome = await poll(ask, alive)
        if outcome != chunks.ACCEPTED:
            break
    if outcome == chunks.ACCEPTED:
        store.save(clip, state=DONE)
    elif outcome == chunks.FAILED:
        log.warning("chunks failed clip=%d recording=%s", clip.number, record["rid"])
        begin_anew(store, clip, WHOLE, record["rid"])
    else:
        # An earlier answer may have been lost: once more later, then somebody must look.
        if record.get("late"):
            raise Permanent("probably_uploaded", "finalize")
        store.save(clip, late=1)
        raise Transient("bad_answer", "finalize refused, asked again later")


def begin_anew(store, clip, via, rid):
    """Back to `closed`, to go in a new recording; rid, the given up one, stays in the record."""
    record = dict(clip.record)
    for name in _OF_THE_OLD_ONE:
        record.pop(name, None)
    if rid:
        record["orid"] = rid
    clip.record = record
    store.save(clip, state=CLOSED, via=via)
    try:
        store.forget_progress(clip)
    except OSError:
        pass  # nobody reads it any more, and freeing takes it away
