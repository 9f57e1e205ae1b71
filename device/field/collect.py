"""Gets clips ready to be carried away by a laptop, and marks those that were.

Three calls of one pull, each repeatable:
  "offer"   key and create body are frozen as the lane does it, so that whoever creates the
            recording (this board, one laptop or two) sends the same bytes under the same key.
            Answers what the file will be: true header, size, SHA-256.
  "mark"    the laptop holds the clip, verified: parked(collected), and the lane leaves it alone.
            A cut before leaves the clip in the queue, and then the frozen key protects it.
  The third, "receipt", is a module of its own.
"""

import gc
from binascii import hexlify

from device import codec
from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import check_device, open_store, pick, quiet_log
from device.identity import seeded_bits, store_id
from device.link.clock import BOOTS, Clock
from device.store.clip import ASIDE, CHUNKS, CLOSED, COMPLETING, DONE, EVICTED, OPEN, PARKED
from device.store.slots import Slots
from device.transfer.source import ClipSource
from device.transfer.whole_file import WholeFile

_BODY_MAX_BYTES = 2048
_PIECE_BYTES = 1024


def run(board, args):
    """args: do ("offer", "mark"), device, numbers; offer also again (those collected before)."""
    check_device(board, args)
    store = open_store(board)
    if args["do"] == "mark":
        return _mark(store, args)
    return _offer(board, store, args)


def _offer(board, store, args):
    secrets, device_id = board.secrets, board.system.device_id
    clock = Clock(board.clock, secrets.counter("boot"), quiet_log(board))
    clock.attach(Slots(BOOTS, store.root + "/state/boots"))
    store_name = store_id(secrets, seeded_bits(device_id, secrets.counter("boot")))
    strategy = WholeFile(store, None, clock, device_id, store_name, quiet_log(board))
    for clip in pick(store, args):
        reason = _why_not(clip, args.get("again"))
        if reason:
            progress(left={"n": clip.number, "why": reason})
            continue
        try:
            if clip.state == CLOSED:
                strategy.freeze(clip)
            progress(offer=_facts(store, clip))
        except DeviceError as e:
            progress(left={"n": clip.number, "why": e.code})
        gc.collect()
    return {"device": device_id, "store_id": store_name, "epoch": secrets.counter("epoch")}


def _why_not(clip, again):
    """Why a clip is not to be carried away, or None."""
    if clip.record is None:
        return "record_unreadable"
    if clip.state in (OPEN, DONE, EVICTED):
        return clip.state
    if clip.record.get("via") == CHUNKS and COMPLETING in (clip.state, clip.record.get("was")):
        return "completing"  # all of it is in the cloud as chunks: the recorder ends what it began
    if clip.record.get("why") == "collected":
        return None if again else "collected"
    return clip.record.get("why", "damaged") if clip.state in ASIDE else None


def _facts(store, clip):
    record = clip.record
    stored = codec.format_of(record["codec"], record["hz"])
    source = ClipSource(clip, stored)
    header = bytearray(96)
    header = header[: stored.upload_header(record["samples"], record.get("facts") or [], header)]
    pass_over(source)
    frozen = store.read_body(clip, _BODY_MAX_BYTES) or b"\n"
    key, _, body = frozen.partition(b"\n")
    return {
        "n": clip.number,
        "path": clip.audio_path,
        "header": hexlify(bytes(header)).decode(),
        "bytes": record["bytes"],
        "sha256": source.sha256_hex,
        "intact": source.is_intact(),
        "codec": record["codec"],
        "type": stored.content_type,
        "key": key.decode(),
        "body": body.decode(),
        "rid": record.get("rid"),
        "epoch": record.get("epoch", 0),
        "state": record.get("was", clip.state),
    }


def pass_over(source):
    """Read a clip as an upload would, so that its hashes are known. Raises DeviceError."""
    piece = memoryview(bytearray(_PIECE_BYTES))
    try:
        source.rewind()
        left = source.length
        while left > 0:
            n = source.readinto(piece[: min(left, _PIECE_BYTES)])
            if not n:
                break
            left -= n
    except OSError as e:
        raise DeviceError("damaged", "errno=%s" % e.errno)
    finally:
        source.close()


def _mark(store, args):
    marked = 0
    for clip in pick(store, args):
        if _why_not(clip, False):
            continue
        store.save(clip, state=PARKED, why="collected", was=clip.state)
        marked += 1
    return {"marked": marked}
