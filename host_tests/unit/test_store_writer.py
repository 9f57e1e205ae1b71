"""store.writer and store.medium: where bytes become durable, and room (field cases B13, B26)."""

from binascii import crc32

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import NeedsOperator, Transient
from device.hal.sim import flash
from device.hal.sim.flash import FlashStorage
from device.store import writer
from device.store.medium import Quota
from device.store.writer import ClipWriter

RATE_HZ = 16000


class Littlefs(fakes.Storage):
    """Fills blocks as littlefs does: block i > 0 begins with ctz(i) + 1 pointers."""

    def block_fill_bytes(self, index):
        return 4096 if index == 0 else 4096 - 4 * ((index & -index).bit_length())


@pytest.fixture
def syncs(monkeypatch):
    """Sizes of the file at each sync."""
    sizes = []
    real = writer.sync_file

    def sync(f):
        real(f)
        sizes.append(f.tell())

    monkeypatch.setattr(writer, "sync_file", sync)
    return sizes


def fills(storage, size_bytes):
    found, total, index = [], 0, 0
    while (total := total + storage.block_fill_bytes(index)) <= size_bytes:
        found.append(total)
        index += 1
    return found


def test_it_syncs_where_the_medium_fills_a_block(tmp_path, syncs):
    storage = Littlefs(tmp_path)
    out = ClipWriter(storage, str(tmp_path / "a.wav"), 48_000)
    out.write_header(bytes(44))
    for _ in range(200):
        out.write(memoryview(bytes(2048)), 1024)
    assert syncs == fills(storage, 44 + 200 * 2048)
    assert len(syncs) == 100 and syncs[:3] == [4096, 8188, 12276]


@given(st.lists(st.integers(1, 9000), max_size=30), st.sampled_from([8000, 16000, 48000]))
def test_a_cut_costs_less_than_a_second_wherever_it_comes(tmp_path_factory, pieces, rate_hz):
    folder = tmp_path_factory.mktemp("w")
    storage = Littlefs(folder)
    synced = [0]
    real = writer.sync_file
    writer.sync_file = lambda f: (real(f), synced.append(f.tell()))
    try:
        out = ClipWriter(storage, str(folder / "a.wav"), rate_hz)
        out.write_header(bytes(44))
        total, data = 44, b""
        for samples in pieces:
            piece = fakes.pcm(samples, len(data))
            out.write(memoryview(piece), samples)
            data += piece
            total += len(piece)
            unsynced = (total - synced[-1]) // 2
            assert unsynced < rate_hz // 2 or unsynced * 2 < 44
            assert set(fills(storage, total)) <= set(synced), "every filled block is synced"
        out.close()
    finally:
        writer.sync_file = real
    assert (out.size_bytes, out.crc) == (total, crc32(data))
    assert (folder / "a.wav").read_bytes() == bytes(44) + data
    assert synced[-1] == total


def test_slow_audio_is_synced_by_time(tmp_path, syncs):
    """Little data (as a good codec makes of silence): half a second passes before a block."""
    out = ClipWriter(Littlefs(tmp_path), str(tmp_path / "a.wav"), RATE_HZ)
    for n in range(1, 40):
        out.write(memoryview(bytes(10)), 1024)
        assert len(syncs) == n // 8


def test_the_header_is_outside_the_running_crc(tmp_path):
    out = ClipWriter(Littlefs(tmp_path), str(tmp_path / "a.wav"), RATE_HZ)
    out.write_header(b"RIFF")
    out.write(memoryview(b"abc"), 1)
    out.close()
    assert (out.crc, out.size_bytes) == (crc32(b"abc"), 7)


class Medium:
    """A file whose write (or close) fails at the given call."""

    def __init__(self, f, fail_at, number=28, method="write"):
        self._f = f
        self._left = fail_at
        self._number = number
        self._method = method

    def _count(self, method):
        if method == self._method:
            self._left -= 1
            if self._left < 0:
                raise OSError(self._number, "fake")

    def write(self, data):
        self._count("write")
        return self._f.write(data)

    def flush(self):
        self._count("flush")
        self._f.flush()

    def close(self):
        self._f.close()
        self._count("close")

    def fileno(self):
        return self._f.fileno()


@pytest.mark.parametrize("method", ["write", "flush", "close"])
@pytest.mark.parametrize(
    "number, kind, code",
    [(28, Transient, "storage_full"), (5, NeedsOperator, "storage_failed")],
)
def test_a_failing_medium_is_a_device_error(tmp_path, monkeypatch, method, number, kind, code):
    fail_at = 0 if method == "close" else 1
    medium = lambda *how: Medium(open(*how), fail_at, number, method)  # noqa: E731
    monkeypatch.setattr(writer, "open", medium, raising=False)
    with pytest.raises(kind) as error:
        out = ClipWriter(fakes.Storage(tmp_path), str(tmp_path / "a.wav"), RATE_HZ)
        for _ in range(20):
            out.write(memoryview(bytes(2048)), 1024)
        out.close()
    assert error.value.code == code
    out.abandon()
    out.abandon()


@pytest.mark.parametrize("fail_at", [0, 1, 2, 3, 4, 5, 6])
def test_after_a_failed_write_it_says_so_and_counts_what_is_on_flash(
    tmp_path, monkeypatch, fail_at
):
    medium = lambda *how: Medium(open(*how, 0), fail_at)  # noqa: E731
    monkeypatch.setattr(writer, "open", medium, raising=False)
    out = ClipWriter(fakes.Storage(tmp_path), str(tmp_path / "a.wav"), RATE_HZ)
    assert not out.has_failed
    with pytest.raises(Transient):
        out.write_header(bytes(44))
        for _ in range(20):
            out.write(memoryview(fakes.pcm(1024)), 1024)
    data = (tmp_path / "a.wav").read_bytes()
    assert out.has_failed and out.size_bytes == len(data)
    assert out.crc == crc32(data[44:])


def make_quota(storage, reserve=1000):
    log, lines = fakes.make_log()
    return Quota(storage, reserve, log), lines


def test_recording_stops_at_the_reserve_before_the_medium_is_full(tmp_path):
    storage = fakes.Storage(tmp_path)
    storage.free = 5000
    quota, _ = make_quota(storage)
    quota.refresh()
    spent = 0
    with pytest.raises(Transient) as error:
        while True:
            quota.check()
            quota.spend(64)
            spent += 64
            storage.free -= 64
    assert error.value.code == "storage_full"
    assert 4000 <= spent <= 4064, "the reserve is kept but for one piece"


def test_room_that_came_meanwhile_is_seen_before_anything_is_given_up(tmp_path):
    """The lane frees clips while a long one is recorded: the count knew nothing of them, and an
    unsent clip was evicted, or the take ended, beside plenty of room.
    """
    storage = fakes.Storage(tmp_path)
    storage.free = 1100
    quota, _ = make_quota(storage)
    quota.refresh()
    given_up = []
    quota.make_room = lambda: given_up.append(1) or 0
    quota.spend(200)
    storage.free = 900 + 5000
    quota.check()
    assert not given_up
    quota.spend(5000)
    storage.free = 900
    with pytest.raises(Transient):
        quota.check()
    assert given_up == [1]


def test_nothing_is_given_up_while_the_medium_does_not_say_its_room(tmp_path):
    storage = fakes.Storage(tmp_path)
    storage.free = 1100
    quota, _ = make_quota(storage)
    quota.refresh()
    quota.spend(200)

    def fails():
        raise OSError(5)

    storage.free_bytes = fails
    given_up = []
    quota.make_room = lambda: given_up.append(1) or 150
    with pytest.raises(NeedsOperator):
        quota.check()
    assert not given_up


def test_room_again_and_it_goes_on(tmp_path):
    storage = fakes.Storage(tmp_path)
    storage.free = 0
    quota, _ = make_quota(storage)
    quota.refresh()
    with pytest.raises(Transient):
        quota.check()
    storage.free = 5000
    quota.refresh()
    quota.check()


def test_before_the_first_clip_it_asks_by_itself(tmp_path):
    """A board that had just started told the cloud and the technician that it was full."""
    storage = fakes.Storage(tmp_path)
    storage.free = 5000
    quota, _ = make_quota(storage)
    assert quota.as_dict()["free_kb"] == 4


def test_a_medium_that_does_not_answer_has_no_room(tmp_path):
    storage = fakes.Storage(tmp_path)

    def fails():
        raise OSError(5)

    storage.free_bytes = fails
    quota, _ = make_quota(storage)
    assert quota.as_dict()["free_kb"] == 0
    with pytest.raises(NeedsOperator):
        quota.check()


def test_warnings_come_once_a_level(tmp_path):
    storage = fakes.Storage(tmp_path)
    quota, lines = make_quota(storage)
    total = storage.total_bytes()
    for used_pct in (10, 79, 81, 85, 91, 92, 96, 99, 50, 81):
        storage.free = total * (100 - used_pct) // 100
        quota.refresh()
    assert len(lines) == 4 and all("storage fills" in line for line in lines)
    storage.free = total // 2
    quota.refresh()
    assert quota.as_dict() == {"total_kb": 65536, "free_kb": 32768, "used_pct": 50}


def test_a_medium_that_does_not_answer_needs_somebody(tmp_path, monkeypatch):
    def fail():
        raise OSError(5, "fake")

    storage = fakes.Storage(tmp_path)
    quota, _ = make_quota(storage)
    monkeypatch.setattr(storage, "free_bytes", fail)
    with pytest.raises(NeedsOperator) as error:
        quota.refresh()
    assert error.value.code == "storage_failed"


@pytest.mark.parametrize("free", [4294967204, 257, 2**63])
def test_a_free_count_above_the_block_count_is_no_room(tmp_path, monkeypatch, free):
    """B26: while a file is open littlefs can count below zero, seen as a huge number."""
    storage = FlashStorage(str(tmp_path), 1024)
    monkeypatch.setattr(flash, "IS_MICROPYTHON", True)
    monkeypatch.setattr("os.statvfs", lambda path: (4096, 4096, 256, free, 0, 0, 0, 0, 0, 255))
    assert storage.free_bytes() == 0
    monkeypatch.setattr("os.statvfs", lambda path: (4096, 4096, 256, 256, 0, 0, 0, 0, 0, 255))
    assert storage.free_bytes() == storage.total_bytes() == 256 * 4096
