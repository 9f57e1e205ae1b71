"""transfer.lane on a medium that is full, failing or damaged (field cases B07, B13)."""

import os

import fakes
import pytest
from test_transfer_lane import REFUSED, Bench

from device.errors import Permanent, Transient
from device.store.clip import PARKED


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


@pytest.fixture
def bad_flash(monkeypatch):
    """Call it, and from then on no record can be written (number: errno)."""
    from device.store import slots

    def break_it(number):
        monkeypatch.setattr(slots, "open", fakes.failing_open(number, -1), raising=False)

    return break_it


def test_setting_aside_on_a_full_medium_does_not_end_the_lane(bench, bad_flash):
    b = bench(clips=1)
    b.cloud.create = refuse_after(b, lambda: bad_flash(28))
    b.run(600)


def refuse_after(b, change):
    """A create that finds the flash broken when its answer comes."""

    async def create(body, key):
        b.cloud.calls.append(("create", None, (key, body)))
        change()
        raise REFUSED

    return create


def test_setting_aside_on_a_broken_medium_is_no_storm(bench, bad_flash):
    b = bench(clips=1)
    b.cloud.create = refuse_after(b, lambda: bad_flash(5))
    b.run(600)
    assert len(b.cloud.calls) < 20


def test_an_unreadable_queue_says_so(bench, monkeypatch):
    from device.store import paths

    b = bench()

    def fail(root, after, leaf):
        raise OSError(5, "fake")

    monkeypatch.setattr(paths, "next_number", fail)
    b.run(60)
    assert b.lane.reason.code == "storage_failed"


def test_a_damaged_file_does_not_clear_what_the_outage_had_built_up(bench):
    b = bench(clips=2, create=[Transient("server_error")] * 3)
    b.run(50)
    assert b.waits.failures == 2
    os.remove(b.clips[0].audio_path)
    b.store.save(b.store.after(0), state="closed")
    b.run(60)
    assert b.records()[1]["why"] == "file_missing"
    assert b.waits.failures == 3


def test_a_clip_with_a_full_record_is_set_aside_too(bench):
    b = bench()
    rid = "rec_" + "Z" * 22
    b.store.save(
        b.clips[0], n=1, index=5, first=38_400_000, start=fakes.T0 * 1000, facts=[14, 2100]
    )
    b.store.save(b.clips[0], state="completing", rid=rid, sha="9b" * 32, size=9_369_644)
    b.store.save(b.clips[0], body=0xFFFFFFFF, cut=1, lost=1024, up=3_600_000)

    async def complete(rid, sha256_hex):
        raise Permanent("refused", "status=422 backfill_lookback_exceeded_by_far")

    b.cloud.complete = complete
    b.run(10)
    assert b.records()[1]["state"] == PARKED
