"""store.clip and store.store: records, numbers, opening, closing, freeing (invariants S2, S9)."""

import os
from binascii import crc32

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import DeviceError, Fatal, NeedsOperator, Transient
from device.store import clip as clip_module
from device.store import paths, slots, writer
from device.store.clip import CLOSED, COMPLETING, DONE, EVICTED, OPEN, is_valid

FACTS = {"codec": "wav", "hz": 16000, "take": 0, "index": 0, "first": 0, "boot": 1, "up": 5}


def record(**changes):
    return {**FACTS, "n": 7, "state": CLOSED, "samples": 9, "bytes": 62, "crc": 1, **changes}


def test_a_record_of_ours_is_valid():
    for state in clip_module.STATES:
        assert is_valid(record(state=state, gone=[1, 30]), 7)
    assert is_valid(record(rid="r" * 64, facts=[1, 2], why="damaged", new_field={}), 7)


@pytest.mark.parametrize(
    "changes",
    [{"n": 8}, {"n": "7"}, {"state": "sending"}, {"state": None}, {"hz": 0}, {"hz": -1}]
    + [{"hz": "16000"}, {"samples": None}, {"bytes": -1}, {"crc": 1.5}, {"take": []}]
    + [{"codec": ""}, {"codec": "../x"}, {"codec": 7}, {"codec": "toolong"}, {"codec": "a/b"}]
    + [
        {"state": "evicted"},
        {"state": "evicted", "gone": [1]},
        {"state": "evicted", "gone": ["1", 2]},
    ]
    + [{"rid": 7}, {"rid": "r" * 65}, {"rid": None}, {"up": -1}, {"first": None}, {"boot": "1"}],
)
def test_a_record_of_another_shape_is_not(changes):
    assert not is_valid(record(**changes), 7)


@pytest.mark.parametrize("name", ["n", "state", "codec", "hz", "samples", "bytes", "crc", "take"])
def test_a_record_without_a_field_is_not(name):
    value = record()
    del value[name]
    assert not is_valid(value, 7)


@given(st.dictionaries(st.sampled_from(sorted(record())), st.integers() | st.text() | st.none()))
def test_validation_never_raises(value):
    is_valid(value, 7)


def test_open_close_walk_free(tmp_path):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 1000, index=0)
    assert clip.record["take"] == clip.number == 1 and store.waiting == 1
    (found, data) = store.after(0), open(clip.audio_path, "rb").read()
    assert found.record == clip.record and found.state == CLOSED
    assert len(data) == found.record["bytes"] == 2044
    assert crc32(data[44:]) == found.record["crc"]
    assert store.after(1) is None
    store.write_body(clip, b"key\nbody")
    assert store.read_body(clip, 100) == b"key\nbody" and store.read_body(found, 3) == b"key"
    store.save(clip, state=DONE)
    store.free(clip)
    assert store.waiting == 0 and store.after(0) is None
    assert not [name for name in fakes.tree(tmp_path) if "." in name]


def test_the_record_stands_before_the_audio(tmp_path, monkeypatch):
    store = fakes.make_store(tmp_path)
    seen = []
    real = writer.ClipWriter.__init__

    def spy(self, storage, path, rate_hz):
        seen.append((store.after(0).state, os.path.exists(path)))
        real(self, storage, path, rate_hz)

    monkeypatch.setattr(writer.ClipWriter, "__init__", spy)
    store.open(dict(FACTS, epoch=3))
    assert seen == [(OPEN, False)]
    assert store.after(0).record["epoch"] == 3


@pytest.mark.parametrize("state", [s for s in clip_module.STATES if s not in (DONE, EVICTED)])
def test_nothing_is_freed_without_proof(tmp_path, state):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 100)
    store.save(clip, state=state)
    with pytest.raises(Fatal):
        store.free(clip)
    assert os.path.exists(clip.audio_path) and store.after(0).state == state


def test_freeing_goes_on_where_a_cut_left_it(tmp_path, monkeypatch):
    """Cut after each removal: what is left is either `done` with less, or nothing."""
    real = os.remove
    for cut in range(4):
        folder = tmp_path / str(cut)
        folder.mkdir()
        store = fakes.make_store(folder)
        clip = fakes.add_clip(store, 100)
        store.write_body(clip, b"body")
        store.save(clip, state=DONE)
        left = [cut]

        def remove(path, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(path)

        with monkeypatch.context() as patch:
            patch.setattr("os.remove", remove)
            try:
                store.free(clip)
            except KeyboardInterrupt:
                pass
        again = fakes.make_store(folder)
        found = again.after(0)
        if found is not None:
            assert found.state == DONE
            again.free(found)
        assert not [name for name in fakes.tree(folder) if "." in name]


def test_numbers_grow_though_the_counter_is_lost(tmp_path):
    store = fakes.make_store(tmp_path, fakes.Secrets(clip=40))
    assert fakes.add_clip(store, 10).number == 41
    lost = fakes.make_store(tmp_path, fakes.Secrets())
    assert fakes.add_clip(lost, 10).number == 42


def test_numbers_are_not_used_again_after_freeing_all(tmp_path):
    secrets = fakes.Secrets()
    store = fakes.make_store(tmp_path, secrets)
    clip = fakes.add_clip(store, 10)
    store.save(clip, state=DONE)
    store.free(clip)
    assert fakes.add_clip(fakes.make_store(tmp_path, secrets), 10).number == 2


def test_the_counter_is_raised_before_the_number_is_used(tmp_path, monkeypatch):
    secrets = fakes.Secrets()
    store = fakes.make_store(tmp_path, secrets)
    monkeypatch.setattr(slots, "open", fakes.failing_open(5), raising=False)
    with pytest.raises(NeedsOperator):
        store.open(dict(FACTS))
    assert secrets.counter("clip") == 1
    assert store.open(dict(FACTS))[0].number == 2


def test_numbers_end_with_a_fatal_error_not_with_an_old_clip(tmp_path):
    store = fakes.make_store(tmp_path, fakes.Secrets(clip=paths.MAX_NUMBER))
    with pytest.raises(Fatal):
        store.open(dict(FACTS))


def test_an_existing_audio_file_is_never_written_over(tmp_path):
    store = fakes.make_store(tmp_path)
    paths.make_folders(store.root, 1)
    with open(paths.stem(store.root, 1) + ".wav", "wb") as f:
        f.write(b"someone's voice")
    # Found by the walk: the next number is another one.
    again = fakes.make_store(tmp_path)
    assert fakes.add_clip(again, 10).number == 2
    assert open(paths.stem(store.root, 1) + ".wav", "rb").read() == b"someone's voice"


@pytest.mark.parametrize(
    "number, kind", [(28, Transient), (5, NeedsOperator), (30, NeedsOperator)]
)
def test_errors_of_the_medium_are_translated(tmp_path, monkeypatch, number, kind):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 10)
    codes = {Transient: "storage_full", NeedsOperator: "storage_failed"}
    opener = fakes.failing_open(number, -1, mode="")
    from device.store import store as store_module

    monkeypatch.setattr(slots, "open", opener, raising=False)
    monkeypatch.setattr(store_module, "open", opener, raising=False)
    for call in (
        lambda: store.open(dict(FACTS)),
        lambda: store.save(clip, state=COMPLETING),
        lambda: store.write_body(clip, b"x"),
    ):
        with pytest.raises(DeviceError) as error:
            call()
        assert (type(error.value), error.value.code) == (kind, codes[kind])
    assert clip.state == CLOSED, "in memory as on flash"


@pytest.mark.parametrize("module", [slots, writer])
def test_an_open_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, module):
    store = fakes.make_store(tmp_path)

    class Full:
        def __init__(self, f):
            self._f = f

        def __enter__(self):
            return self

        def __exit__(self, *details):
            self._f.close()

        def write(self, data):
            raise OSError(28, "fake")

        def close(self):
            self._f.close()

    if module is slots:
        monkeypatch.setattr(slots, "open", lambda *how: Full(open(*how)), raising=False)
    else:
        monkeypatch.setattr(writer, "open", fakes.failing_open(28), raising=False)
    with pytest.raises(Transient):
        store.open(dict(FACTS))
    assert not [name for name in fakes.tree(tmp_path) if "." in name]


def test_waiting_counts_while_the_census_runs(tmp_path):
    store = fakes.make_store(tmp_path)
    for _ in range(20):
        fakes.add_clip(store, 10)
    again = fakes.make_store(tmp_path)
    census = paths.leaves(again.root, again.highest)
    assert again.waiting == 0
    again.count_leaf(*next(census))  # 1 to 7
    for number in (1, 9):  # one that was counted and one that was not
        clip = again.after(number - 1)
        again.save(clip, state=DONE)
        again.free(clip)
    fakes.add_clip(again, 10)
    for leaf in census:
        again.count_leaf(*leaf)
    assert again.waiting == 20 - 2 + 1


def test_a_recorder_that_delivers_at_once_leaves_no_folders(tmp_path):
    store = fakes.make_store(tmp_path)
    for _ in range(80):
        clip = fakes.add_clip(store, 10)
        store.save(clip, state=DONE)
        store.free(clip)
    assert len(fakes.tree(tmp_path)) <= 2 + 4, "clips, state, and the way to the newest leaf"
