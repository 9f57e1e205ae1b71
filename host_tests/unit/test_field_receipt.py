"""device.field.receipt and requeue on CPython: each crash point, and whose word counts."""

import hashlib
from binascii import crc32
from types import SimpleNamespace

import fakes
import pytest

from device.codec.wav import WavCodec
from device.field import collect, receipt, requeue
from device.store import ledger_book
from device.store.clip import DONE, PARKED
from device.store.store import ClipStore
from device.transfer.source import ClipSource


class Power(BaseException):
    """The power goes."""


@pytest.fixture
def board(tmp_path, capsys):
    secrets = fakes.Secrets()
    secrets.set("store_id", "0a0b0c0d")
    store = fakes.make_store(tmp_path, secrets)
    system = SimpleNamespace(device_id="dev-9", log_sink=[].append)
    return SimpleNamespace(
        system=system, secrets=secrets, storage=store._storage, clock=fakes.ClockPort()
    )


def add(board, samples=20_000):
    store = ClipStore(board.storage, board.secrets)
    store.prepare()
    return fakes.add_clip(store, samples)


def load(board, number):
    clip = ClipStore(board.storage, board.secrets).clip(number)
    return clip if clip.load() else None


def receipt_of(clip):
    source = ClipSource(clip, WavCodec(16000))
    data = bytearray(source.length)
    source.rewind()
    view, offset = memoryview(data), 0
    while offset < len(data):
        offset += source.readinto(view[offset:])
    source.close()
    sha256 = hashlib.sha256(data).hexdigest()
    return {"device": "dev-9", "store_id": "0a0b0c0d", "n": clip.number, "bytes": len(data),
            "sha256": sha256, "rid": "rec_1"}  # fmt: skip


def settle(board, *receipts):
    return receipt.run(board, {"device": "dev-9", "receipts": list(receipts)})["freed"]


def test_a_cut_after_the_commit_leaves_a_clip_that_is_only_freed(board, monkeypatch):
    clip = add(board)
    proof = receipt_of(clip)

    def cut(self, clip):
        raise Power

    with monkeypatch.context() as power:
        power.setattr(ClipStore, "free", cut)
        with pytest.raises(Power):
            settle(board, proof)
    assert load(board, clip.number).state == DONE
    assert settle(board, proof) == 1
    assert load(board, clip.number) is None and settle(board, proof) == 0
    assert ledger_book.totals(board.storage.root)["confirmed"] == 1  # of 1.25 s


def test_a_cut_before_the_commit_changes_nothing(board, monkeypatch):
    clip = add(board)
    before = dict(load(board, clip.number).record)
    proof = receipt_of(clip)

    def cut(self, clip, **changes):
        raise Power

    with monkeypatch.context() as power:
        power.setattr(ClipStore, "save", cut)
        with pytest.raises(Power):
            settle(board, proof)
    assert load(board, clip.number).record == before


def test_damaged_audio_is_never_freed_by_a_receipt(board):
    clip = add(board)
    proof = receipt_of(clip)
    with open(clip.audio_path, "r+b") as f:
        f.seek(500)
        f.write(b"\xff\xff")
    assert settle(board, proof) == 0 and load(board, clip.number) is not None


def test_receipts_are_hostile_until_they_fit(board):
    clip = add(board)
    proof = receipt_of(clip)
    for name, value in (
        ("n", "1"), ("n", 0), ("n", 10**9), ("sha256", None), ("sha256", "0" * 63),
        ("rid", None), ("rid", "x" * 65), ("bytes", str(proof["bytes"])), ("device", None),
        ("store_id", ""),
    ):  # fmt: skip
        assert settle(board, proof | {name: value}) == 0, (name, value)
    assert load(board, clip.number) is not None
    assert settle(board, proof) == 1


def test_what_was_stored_is_only_completed_again(board):
    clip = add(board)
    frozen = b"key\n{}"
    store = ClipStore(board.storage, board.secrets)
    store.write_body(clip, frozen)
    clip.save(state=PARKED, why="probably_uploaded", rid="rec_1", sha="0" * 64, late=1,
              body=crc32(frozen))  # fmt: skip
    args = {"device": "dev-9", "numbers": None, "other_epoch": True}
    assert requeue.run(board, args) == {"moved": 1}
    record = load(board, clip.number).record
    assert record["state"] == "completing" and "late" not in record and record["rid"] == "rec_1"
    clip = load(board, clip.number)
    clip.save(state=PARKED, why="integrity_failure", tries=3)
    requeue.run(board, args)
    record = load(board, clip.number).record
    assert record["state"] == "created" and record["tries"] == 0


def requeued(board, number, **flags):
    args = {"device": "dev-9", "numbers": None, "other_epoch": True, **flags}
    assert requeue.run(board, args) == {"moved": 1}
    return load(board, number).record


def test_what_went_as_chunks_is_only_finalized_again(board):
    clip = add(board)
    facts = {"via": "chunks", "rid": "rec_1", "parts": 3, "md5": "0f" * 16, "sha": "0" * 64}
    clip.save(state=PARKED, why="probably_uploaded", late=1, **facts)
    record = requeued(board, clip.number)
    assert record["state"] == "completing" and "late" not in record
    assert {name: record[name] for name in facts} == facts
    load(board, clip.number).save(state=PARKED, why="probably_uploaded")
    record = requeued(board, clip.number, again=True)
    assert (record["state"], record["via"], record["orid"]) == ("closed", "whole", "rec_1")
    assert not {"rid", "parts", "md5", "sha"} & set(record)


def test_chunks_of_a_recording_that_is_gone_are_begun_anew_as_a_whole(board):
    clip = add(board)
    clip.progress().write({"c": 1, "b": 65536, "r": "rec_1", "n": 1, "s": 65536})
    clip.save(state=PARKED, why="gone_in_cloud")
    record = requeued(board, clip.number, new_recording=True)
    assert (record["state"], record["via"], record["orid"]) == ("closed", "whole", "rec_1")
    assert clip.progress().read() is None


def test_what_is_all_in_the_cloud_as_chunks_is_not_carried_away(board):
    clip = add(board)
    clip.save(state="completing", via="chunks", rid="rec_1", parts=3)
    args = {"do": "mark", "device": "dev-9", "numbers": None}
    assert collect.run(board, args) == {"marked": 0}
    clip.save(via="whole")
    assert collect.run(board, args) == {"marked": 1}
