"""transfer.choice: whole or in chunks, what is measured for it, and the change between the two."""

import ast
import json
import pathlib
from binascii import crc32

import fakes
import pytest
from test_transfer_chunks import LOST, SAMPLES, Bench, Power

from device.api import chunks
from device.errors import Transient
from device.store.clip import CHUNKS, CLOSED, COMPLETING, CREATED, DONE, WHOLE
from device.transfer.choice import choose
from device.transfer.chunk_calls import NotOffered


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


REFUSALS = {
    "create": NotOffered("refused", "status=400"),
    "chunk_url": NotOffered("refused", "status=404"),
}


@pytest.mark.parametrize("call", REFUSALS)
def test_a_refusal_means_the_whole_file_in_a_recording_of_its_own(bench, call):
    b = bench(**{call: [REFUSALS[call]]})
    assert b.attempt() is None
    record = b.record()
    assert (record["via"], record["rid"]) == (WHOLE, "rec_1" if call == "create" else "rec_1w")
    assert record.get("orid") == (None if call == "create" else "rec_1s")
    assert b.cloud.objects[record["rid"]][44:] == b.stored()[44:]
    if call == "chunk_url":
        body = json.loads(b.cloud.keys["rec-dev-9-0a0b0c0d-1-w"])
        assert body["metadata"]["replaces_recording"] == "rec_1s"
    # Remembered for this boot: the next clip does not ask.
    b.store.free(b.store.after(0))
    fakes.add_clip(b.store, SAMPLES)
    before = len(b.cloud.calls)
    assert b.attempt() is None
    assert [call[0] for call in b.cloud.calls[before:]][:2] == ["create", "upload_url"]
    assert b.record().get("via") is None


def test_a_clip_that_goes_whole_because_another_was_refused_says_so(bench):
    """It has a recording already, which stays pending: nobody should have to guess why."""
    b = bench()
    fakes.run(b.strategies.advance(b.store.after(0)), b.time)
    b.strategies.offered = False  # as after a refusal of another clip's first chunk
    assert b.attempt() is None
    assert (b.record()["via"], b.record()["orid"]) == (WHOLE, "rec_1s")
    assert any("chunks given up clip=1 reason=refused" in line for line in b.lines)


@pytest.mark.parametrize("at", ["save", "progress"])
def test_the_power_goes_while_it_changes_over(bench, at, monkeypatch):
    b = bench(chunk_url=[REFUSALS["chunk_url"]])
    owner, name = (b.store, "save") if at == "save" else (b.store, "forget_progress")
    monkeypatch.setattr(owner, name, lambda *a, **k: (_ for _ in ()).throw(Power()))
    assert isinstance(b.attempt(), Power)
    b.reboot()
    assert b.attempt() is None
    way = "s" if at == "save" else "w"  # before the commit point it was never refused
    assert b.record()["rid"] == "rec_1" + way


def test_failed_stitching_means_the_whole_file_in_a_new_recording(bench):
    b = bench(finalize=[chunks.FAILED])
    assert b.attempt() is None
    record = b.record()
    assert (record["via"], record["rid"], record["orid"]) == (WHOLE, "rec_1w", "rec_1s")
    assert b.cloud.names()[-4:] == ["create", "upload_url", "put", "complete"]
    assert b.strategies.offered, "it was this clip's chunks, not the flow"


def test_a_file_that_was_cut_shorter_than_what_was_sent_goes_whole(bench):
    b = bench(put_chunk=5 * [None] + [LOST])
    assert b.attempt() is LOST
    clip = b.store.after(0)
    with open(clip.audio_path, "rb") as f:
        crc = crc32(f.read(16_044)[44:])
    clip.save(bytes=16_044, samples=8000, crc=crc, index=1)
    assert b.attempt() is None
    record = b.record()
    assert (record["via"], record["orid"], record["rid"]) == (WHOLE, "rec_1s", "rec_1w")


def test_earlier_settings_are_brought_to_their_end(bench):
    """In `completing` only finalize may be sent, whatever the settings say now."""
    b = bench(finalize=[LOST])
    assert b.attempt() is LOST and b.record()["state"] == COMPLETING
    b.reboot()
    b.whole._cloud = b.cloud

    async def post_through(store, calls, clip, alive, log):
        await real(store, b.cloud, clip, alive, log)

    from device.transfer import finalize

    real = finalize.prove
    finalize.prove = post_through
    try:
        clip = b.store.after(0)
        fakes.run(b.whole.advance(clip), b.time)
    finally:
        finalize.prove = real
    assert b.record()["state"] == DONE and "complete" not in b.cloud.names()


def test_whole_again_under_earlier_settings_takes_nothing_of_the_chunks(bench):
    b = bench(put_chunk=5 * [None] + [LOST])
    assert b.attempt() is LOST
    b.reboot()
    fakes.run(b.whole.advance(b.store.after(0)), b.time)
    record = b.record()
    assert (record["state"], record["rid"]) == (DONE, "rec_1")
    b.store.free(b.store.after(0))
    assert [name for name in fakes.tree(b.folder) if "." in name] == []


@pytest.mark.parametrize(
    ("setting", "offered", "size", "needed_s", "cuts", "way"),
    [
        (WHOLE, True, 100, 9999, 9, WHOLE),
        (CHUNKS, True, 100, None, 0, CHUNKS),
        (CHUNKS, True, 10, None, 0, WHOLE),  # one chunk: the whole file costs fewer requests
        (CHUNKS, True, 11, None, 0, CHUNKS),
        (CHUNKS, False, 100, 9999, 9, WHOLE),
        ("auto", True, 100, None, 0, WHOLE),
        ("auto", True, 100, 3300, 0, WHOLE),
        ("auto", True, 100, 3301, 0, CHUNKS),
        ("auto", True, 10, 3301, 0, WHOLE),
        ("auto", True, 100, 10, 1, WHOLE),
        ("auto", True, 100, 10, 2, CHUNKS),
        ("auto", False, 100, 3301, 2, WHOLE),
    ],
)
def test_the_choice(setting, offered, size, needed_s, cuts, way):
    assert choose(setting, offered, size, 10, needed_s, cuts) == way


def test_auto_changes_over_when_the_whole_file_is_cut_twice(bench):
    b = bench(setting="auto")
    b.cloud.cut_after = [30_000, 60_000]
    assert b.attempt() is not None and b.record()["state"] == CREATED
    assert b.attempt() is not None
    record = b.record()
    assert (record["state"], record["via"], record["orid"]) == (CLOSED, CHUNKS, "rec_1")
    assert b.attempt() is None and b.record()["rid"] == "rec_1s"


@pytest.mark.parametrize("code", ["url_refused", "server_error", "portal"])
def test_what_storage_answers_is_no_cut(bench, code):
    """All was sent, and refused: chunks would be as well, in a second recording."""
    b = bench(setting="auto", put=4 * [Transient(code)])
    for _ in range(4):
        assert b.attempt() is not None
    assert b.record()["state"] == CREATED and b.attempt() is None
    assert list(b.cloud.objects) == ["rec_1"]


def test_a_link_that_is_too_slow_is_foreseen(bench):
    """Two hours for the file and an hour for the URL: chunks where they are allowed."""
    b = bench(setting="auto", create=["rec_1"])
    clip = b.store.after(0)
    b.whole.freeze(clip)
    b.whole.rate_bytes_s = 5
    assert b.attempt() is None
    assert "put" not in b.cloud.names() and b.record()["via"] == CHUNKS


def test_without_chunks_the_slow_link_is_waited_out(bench):
    b = bench(setting=WHOLE)
    b.whole.rate_bytes_s = 5
    for _ in range(3):
        error = b.attempt()
        assert error.code == "link_too_slow" and "needs_s=8008 url_s=3600" in error.detail
    assert b.cloud.names() == ["create"] + 3 * ["upload_url"], "no byte is sent"
    b.whole.rate_bytes_s = None  # what joints do when another link is up
    assert b.attempt() is None


def test_a_measure_is_believed_for_six_hours(bench):
    b = bench(setting=WHOLE)
    b.cloud.put_ms = 1000
    began = 0
    b.whole.note_put(200_000, began, True)
    b.time.advance(1000)
    b.whole.note_put(100_000, began, True)
    assert b.whole.seconds_for(1_000_000) is not None
    b.time.advance(6 * 3600 * 1000 - 5000)
    assert b.whole.seconds_for(1_000_000) is not None
    b.time.advance(10_000)
    assert b.whole.seconds_for(1_000_000) is None


@pytest.mark.parametrize(
    ("size", "stored", "counts"),
    [(65_536, True, True), (65_535, True, False), (262_144, False, True), (262_143, False, False)],
)
def test_small_and_cut_puts_say_little_of_a_link(bench, size, stored, counts):
    b = bench()
    b.whole.note_put(size, 0, stored)
    assert (b.whole.rate_bytes_s is not None) == counts


def test_only_settings_that_ask_for_chunks_load_their_code():
    """What the recorder's steady state holds in RAM does not grow for those that never chunk."""
    names = ("chunked", "choice", "chunk_calls", "finalize", "stored", "api.chunks")
    own = {f"device/transfer/{name}.py" for name in names} | {"device/api/chunks.py"}
    root = pathlib.Path(__file__).parents[2]
    found = []
    for path in sorted((root / "device").rglob("*.py")):
        if str(path.relative_to(root)) in own:
            continue
        for node in ast.parse(path.read_text()).body:  # of the module itself, not of a function
            module = getattr(node, "module", None) or ""
            words = [module, *(alias.name for alias in getattr(node, "names", []))]
            if module.startswith("device") and any(w.endswith(names) for w in words):
                found.append(str(path))
    assert found == []
