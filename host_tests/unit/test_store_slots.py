"""store.slots: a value in two files that survives a cut at every byte (field case B10)."""

import os

import fakes
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.store import slots
from device.store.slots import MAX_BYTES, Slots, encode, parse

OLD = {"state": "created", "n": 7}
NEW = {"state": "stored", "n": 7, "sha": "9b" * 32}


def fresh(folder):
    return Slots("clip1", str(folder) + "/a.r")


def test_a_change_is_read_back_and_leaves_one_file(tmp_path):
    value = fresh(tmp_path)
    assert value.read() is None
    for n in range(5):
        value.write({"n": n})
        assert fresh(tmp_path).read() == {"n": n}
        assert len(os.listdir(tmp_path)) == 1
    value.remove()
    assert os.listdir(tmp_path) == []
    value.remove()


def test_torn_at_every_byte_the_old_value_stands(tmp_path):
    fresh(tmp_path).write(OLD)
    whole = encode("clip1", 2, NEW)
    for cut in range(len(whole)):
        with open(tmp_path / "a.r0", "wb") as f:
            f.write(whole[:cut])
        value = fresh(tmp_path)
        assert value.read() == OLD, cut
        assert os.listdir(tmp_path)
    value.write(NEW)
    assert fresh(tmp_path).read() == NEW
    assert os.listdir(tmp_path) == ["a.r0"]


def test_torn_at_every_byte_over_an_older_longer_value(tmp_path):
    """The sector of the slot held a value before: the tail of it may still stand there."""
    fresh(tmp_path).write(OLD)
    whole = encode("clip1", 2, NEW)
    before = encode("clip1", 0, {"x": "y" * 300})
    for cut in range(len(whole)):
        (tmp_path / "a.r0").write_bytes(whole[:cut] + before[cut:])
        assert fresh(tmp_path).read() == OLD, cut


@pytest.mark.parametrize("first, second", [(1, 2), (2, 3), (9, 10), (99, 100)])
def test_both_valid_the_newest_wins(tmp_path, first, second):
    for sequence, value in ((first, OLD), (second, NEW)):
        (tmp_path / ("a.r%d" % (sequence & 1))).write_bytes(encode("clip1", sequence, value))
    value = fresh(tmp_path)
    assert value.read() == NEW
    value.write({"next": 1})
    assert fresh(tmp_path).read() == {"next": 1}
    assert os.listdir(tmp_path) == ["a.r%d" % (second + 1 & 1)]


def test_every_flipped_bit_is_noticed(tmp_path):
    fresh(tmp_path).write(OLD)
    whole = encode("clip1", 2, NEW)
    for place in range(len(whole)):
        for bit in (1, 0x20, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            (tmp_path / "a.r0").write_bytes(damaged)
            assert fresh(tmp_path).read() == OLD, (place, bit)


@pytest.mark.parametrize("data", [b"", bytes(64), bytes(4096), b"\xff" * 512, b"\xc3", b"\n" * 9])
def test_nul_and_erased_files_are_no_values(tmp_path, data):
    for slot in "01":
        (tmp_path / ("a.r" + slot)).write_bytes(data)
    assert fresh(tmp_path).read() is None
    fresh(tmp_path).write(OLD)
    assert fresh(tmp_path).read() == OLD


def test_another_version_is_left_alone(tmp_path):
    (tmp_path / "a.r1").write_bytes(encode("clip2", 1, OLD))
    assert fresh(tmp_path).read() is None
    assert (tmp_path / "a.r1").exists()


@given(st.binary(max_size=200))
@example(b"clip1 1 00000000 {}\n")
@example(b"clip1 1 00000000 {}")
def test_any_bytes_are_a_value_or_none(data):
    assert parse("clip1", data) is None


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.integers(1, 10**9), st.dictionaries(st.text(max_size=9), PLAIN, max_size=6))
def test_what_is_encoded_is_parsed(sequence, value):
    assert parse("clip1", encode("clip1", sequence, value)) == (sequence, value)


@pytest.mark.parametrize("number", [28, 5])
def test_a_failing_medium_leaves_the_old_value(tmp_path, monkeypatch, number):
    fresh(tmp_path).write(OLD)
    value = fresh(tmp_path)
    value.read()
    monkeypatch.setattr(slots, "open", fakes.failing_open(number), raising=False)
    with pytest.raises(OSError):
        value.write(NEW)
    assert fresh(tmp_path).read() == OLD
    value.write(NEW)
    assert fresh(tmp_path).read() == NEW


def test_a_removal_that_fails_leaves_the_new_value(tmp_path, monkeypatch):
    fresh(tmp_path).write(OLD)
    value = fresh(tmp_path)
    value.read()
    with monkeypatch.context() as patch:

        def refuse(path):
            raise OSError(28, "fake")

        patch.setattr("os.remove", refuse)
        value.write(NEW)  # it is durable, so it must not look as if it were not
    assert len(os.listdir(tmp_path)) == 2
    assert fresh(tmp_path).read() == NEW
    value.write(OLD)
    assert fresh(tmp_path).read() == OLD and len(os.listdir(tmp_path)) == 1


def ordinary_record():
    """A clip that was refused at its completion: nothing in it is unusual."""
    record = {"n": 12_345, "state": "parked", "codec": "flac", "hz": 16000, "take": 12_340}
    record.update(index=5, first=38_400_000, boot=321, up=3_600_000, epoch=1, samples=7_680_000)
    record.update(bytes=9_369_644, crc=0xFFFFFFFF, last=1, facts=[14, 2100])
    record.update(start=fakes.T0 * 1000, body=0xFFFFFFFF, rid="rec_" + "Z" * 22, sha="9b" * 32)
    record.update(why="refused", said="status=422 " + "x" * 29)
    return record


def worst_record():
    """A clip that went through everything, with long but possible values."""
    record = ordinary_record()
    record.update(n=0x0FFFFFFF, take=0x0FFFFFFF, index=999, first=999 * 8_388_608, hz=48000)
    record.update(state="quarantined", boot=99_999, up=10**10, epoch=99, snr=30, rid="r" * 64)
    record.update(lost=10**6, cut=1, tries=2, late=1, why="probably_uploaded")
    return record


def test_an_ordinary_record_can_be_written(tmp_path):
    fresh(tmp_path).write(ordinary_record())
    assert fresh(tmp_path).read() == ordinary_record()


def test_the_longest_record_can_be_read_again(tmp_path):
    fresh(tmp_path).write(worst_record())
    assert fresh(tmp_path).read() == worst_record()


def test_an_ordinary_record_costs_no_erase():
    assert len(encode("clip1", 10**6, ordinary_record())) <= MAX_BYTES


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    fresh(tmp_path).write(OLD)
    value = fresh(tmp_path)
    value.read()
    try:
        value.write({"x": "y" * 2000})
    except (OSError, ValueError):
        pass
    assert fresh(tmp_path).read() is not None


def test_reading_twice_gives_the_value_twice(tmp_path):
    fresh(tmp_path).write(OLD)
    value = fresh(tmp_path)
    assert (value.read(), value.read()) == (OLD, OLD)
