"""store.ledger hears what the rescue program delivered: each clip counts once wherever the power
goes, and a note waits until the medium has taken what it says.
"""

import asyncio
import json
import os
import pathlib
import shutil

import fakes
import pytest
from test_store_ledger import BOOT, clip, make, told

from device.store import slots
from rescue.clips import note


def noted_by_rescue(root, *clips):
    for record in clips:
        assert note(root, {**record, "rid": "rec_1", "sha": "0" * 64})


def hear_rescue(root, ledger):
    asyncio.run(ledger.hear_rescue(root))


class PowerCut(BaseException):
    pass


def cut_power_at(monkeypatch, change):
    """Power goes at the change-th file that is to be written or removed."""
    left = [change]

    def count(do, is_change, *arguments):
        left[0] -= is_change
        if not left[0]:
            raise PowerCut
        return do(*arguments)

    def opener(path, mode="r"):
        return count(open, "w" in mode, path, mode)

    remove = os.remove
    monkeypatch.setattr(slots, "open", opener, raising=False)
    monkeypatch.setattr(os, "remove", lambda path: count(remove, True, path))


def test_what_rescue_delivered_is_confirmed_once_wherever_the_power_goes(root, monkeypatch):
    """More clips than the book has exact runs of; every seventh change."""
    clips = [clip(0, 30, skips=[[1000, 30 * 100]]), *(clip(100 + 40 * i, 20) for i in range(200))]
    expected = {"recorded": 4030, "confirmed": 4030, "not_scheduled": 30}
    noted_by_rescue(root, *clips)
    notes = pathlib.Path(root, "state/rescued").read_bytes()
    change, is_whole = 1, False
    while not is_whole:
        shutil.rmtree(root)
        os.makedirs(root + "/state")
        pathlib.Path(root, "state/rescued").write_bytes(notes)
        with monkeypatch.context() as power:
            cut_power_at(power, change)
            try:
                hear_rescue(root, make(root, boot=BOOT + 1))
                is_whole = True
            except PowerCut:
                pass
        hear_rescue(root, make(root, boot=BOOT + 2))
        told(root, **expected)
        assert os.listdir(root + "/state") == ["book"], f"cut at change {change}"
        change += 7
    assert change > 150


def test_notes_stay_until_the_medium_takes_what_they_say(root, monkeypatch):
    noted_by_rescue(root, clip(0, 30))
    with monkeypatch.context() as refusing:
        refusing.setattr(slots, "open", fakes.failing_open(28, times=99), raising=False)
        hear_rescue(root, make(root, boot=BOOT + 1))
    assert os.path.exists(root + "/state/rescued")
    hear_rescue(root, make(root, boot=BOOT + 2))
    told(root, recorded=30, confirmed=30)


@pytest.mark.parametrize(
    "line",
    [
        b'{"boot":7,"up":',
        b"\xff\xfe",
        b"[7,0,100,100]",
        b'{"boot":7,"up":0,"hz":0,"samples":100}',
        b'{"boot":7,"up":-5,"hz":100,"samples":100}',
        b'{"boot":7,"up":0,"hz":100,"samples":"many"}',
        b'{"boot":7,"up":0,"hz":100,"samples":100,"skips":[7]}',
        b'{"boot":7,"up":0,"hz":100,"samples":100,"skips":[[1,-2]]}',
        b'{"boot":7,"up":0,"hz":100,"samples":100,"gaps":7}',
        b"[" * 2000,
    ],
)
def test_a_note_that_is_spoilt_is_left_out(root, line):
    noted_by_rescue(root, clip(0, 30))
    with open(root + "/state/rescued", "ab") as f:
        f.write(line)
    noted_by_rescue(root, clip(100, 20))
    hear_rescue(root, make(root, boot=BOOT + 1))
    told(root, recorded=50, confirmed=50)
    assert not os.path.exists(root + "/state/rescued")


def test_notes_wait_where_memory_is_short(root, monkeypatch):
    def refuse(*_):
        raise MemoryError

    noted_by_rescue(root, clip(0, 30))
    with monkeypatch.context() as short:
        short.setattr(json, "loads", refuse)
        hear_rescue(root, make(root, boot=BOOT + 1))
    hear_rescue(root, make(root, boot=BOOT + 2))
    told(root, recorded=30, confirmed=30)


def test_notes_have_an_end_and_a_full_medium_is_no_fault(root):
    path = pathlib.Path(root, "state/rescued")
    path.write_bytes(b"\n" * 65537)
    noted_by_rescue(root, clip(0, 30))
    assert path.stat().st_size == 65537
    path.unlink()
    path.mkdir()  # what opens no file
    assert not note(root, clip(0, 30))
    hear_rescue(root, make(root, boot=BOOT + 1))
    told(root)
