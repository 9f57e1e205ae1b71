"""Makes room where the medium is full: one clip for each call. Loaded only then, and let go of
again.

Sent clips go first: they are merely freed. Then, if `storage.evict` says so, one that is not sent:

    oldest            the first that may go
    quietest          the lowest RMS of its level report; a clip without one counts as loud
    lowest_priority   one that nobody asked for (wanted.py), the oldest of equals

among the oldest LOOKED_AT that may go, so that 20,000 waiting clips cost no more reads than these.
What stays there was worth more than each that went: the choice sharpens from call to call.

Never the clip that is recorded, never one that the lane has chosen or whose news from the cloud
no record could take yet, never one that is set aside or of another token epoch
(a person decides about these), never one whose bytes are at the cloud already.

Order: 1. the record says `evicted`, and with it the new totals   2. store.free: the totals are
durable in the secrets, then the files go. A cut between leaves a clip in state `evicted`: whoever
meets it (this, or the queue's walk through recovery) ends it, and the totals count it once.
"""

from device.compat import const, forget_module
from device.store.clip import CLOSED, CREATED, CREATING, DONE, EVICTED
from device.store.store import EVICTED_CLIPS, EVICTED_S

LOOKED_AT = const(16)  # some 10 block reads each, within what the ring bridges
_MET = const(64)  # clips of every kind that one call may meet
_MAY_GO = (CLOSED, CREATING, CREATED)
_LOUD = const(1 << 30)


def make_room(store, order, after, held, epoch, secrets, log, wanted_root=None):
    """Free one clip's room; returns (bytes, where the next call begins). 0 bytes: none may go.

    order: storage.evict, "never" frees sent clips alone; after: 0, or what the last call returned;
    held: numbers of clips that stay; wanted_root: where the list of wanted.py lies. Raises
    DeviceError (the medium's).
    """
    wanted = _wanted(wanted_root) if order == "lowest_priority" else ()
    best = None
    best_worth = first = seen = 0
    number = after
    for _ in range(_MET):
        clip = store.after(number)
        if clip is None:
            number = 0  # the next call begins anew
            break
        number = clip.number
        if clip.record is None or number == store.open_number or number in held:
            continue
        if clip.state in (DONE, EVICTED):
            # Of one that was evicted a cut may have come before its line (repair.py).
            say = log.error if clip.state == EVICTED else log.info
            say("clip %s clip=%d made room bytes=%d", clip.state, number, clip.record["bytes"])
            store.free(clip)
            return clip.record["bytes"], after
        if order == "never" or clip.state not in _MAY_GO or clip.record.get("epoch", 0) != epoch:
            continue
        worth = _loudness(clip.record) if order == "quietest" else int(number in wanted)
        if best is None or worth < best_worth:
            best, best_worth = clip, worth
        first = first or number
        seen += 1
        if seen == LOOKED_AT:
            break
    if best is None:
        return 0, number
    return _evict(store, best, order, secrets, log), first - 1


def _loudness(record):
    level = record.get("lev") or ()
    loud = [value for value in level[1:2] if isinstance(value, int)]
    return loud[0] if loud else _LOUD


def _wanted(root):
    from device.store import wanted

    try:
        return wanted.numbers_of(wanted.slots(root).read())
    except OSError:
        return ()
    finally:
        forget_module("device.store.wanted")


def _evict(store, clip, order, secrets, log):
    record = clip.record
    seconds = record["samples"] // record["hz"]
    clips = secrets.counter(EVICTED_CLIPS) + 1
    totals = [clips, secrets.counter(EVICTED_S) + seconds]
    store.save(clip, was=record["state"], state=EVICTED, gone=totals)
    log.error(
        "clip evicted clip=%d seconds=%d order=%s in_all=%d", clip.number, seconds, order, clips
    )
    store.free(clip)
    return record["bytes"]
