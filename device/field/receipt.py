"""Frees clips against receipts: the proof that the cloud holds them came over the cable.

A receipt counts only if device, store, number, size and SHA-256 are those of the clip on board;
the hash is made here, from the flash, never taken from anybody. The one commit point is the
record's state `done`, as for the lane's own proof. A cut
  before it    leaves the clip as it was: the same receipt again
  after it     leaves a clip that is `done`: the lane frees it and never sends it
"""

import gc

from device import codec
from device.errors import DeviceError
from device.field.collect import pass_over
from device.field.entry import progress
from device.field.opened import check_device, open_store, quiet_log
from device.link.clock import BOOTS, Clock
from device.store.clip import DONE, EVICTED, OPEN
from device.store.ledger import Ledger
from device.store.slots import Slots
from device.transfer.source import ClipSource


def run(board, args):
    """args: device, receipts (list of dicts: device, store_id, n, bytes, sha256, rid)."""
    check_device(board, args)
    store = open_store(board)
    boot = board.secrets.counter("boot")
    clock = Clock(board.clock, boot, quiet_log(board))
    clock.attach(Slots(BOOTS, store.root + "/state/boots"))
    store.ledger = Ledger(store.steady_root, boot, clock, quiet_log(board))
    freed = 0
    for receipt in args["receipts"]:
        try:
            outcome = _settle(board, store, receipt)
        except DeviceError as e:
            outcome = e.code
        freed += outcome == "freed"
        progress(receipt={"n": receipt.get("n"), "outcome": outcome})
        gc.collect()
    return {"freed": freed}


def _settle(board, store, receipt):
    """ "freed", "gone" (freed before), or why not."""
    number, sha256, rid = receipt.get("n"), receipt.get("sha256"), receipt.get("rid")
    if not isinstance(number, int) or number < 1 or not isinstance(sha256, str):
        return "no_receipt"
    if not isinstance(rid, str) or not 1 <= len(rid) <= 64 or len(sha256) != 64:
        return "no_receipt"
    if receipt.get("device") != board.system.device_id:
        return "other_device"
    if receipt.get("store_id") != board.secrets.get("store_id"):
        return "other_store"
    clip = store.clip(number)
    try:
        has_record = clip.load()
    except OSError:
        return "record_unreadable"
    if not has_record:
        found = store.after(number - 1)
        return "record_unreadable" if found and found.number == number else "gone"
    if clip.state in (OPEN, EVICTED):
        return clip.state
    if clip.state != DONE:
        if receipt.get("bytes") != clip.record["bytes"]:
            return "wrong_size"
        if _sha256_of(clip) != sha256:
            return "wrong_hash"
        store.save(clip, state=DONE, sha=sha256, rid=rid)
    store.free(clip)
    return "freed"


def _sha256_of(clip):
    try:
        stored = codec.format_of(clip.record["codec"], clip.record["hz"])
    except ValueError:
        raise DeviceError("damaged", "codec")
    source = ClipSource(clip, stored)
    pass_over(source)
    return source.sha256_hex if source.is_intact() else None
