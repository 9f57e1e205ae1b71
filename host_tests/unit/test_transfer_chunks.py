"""transfer.chunked and .finalize: what a cut costs, and what proof is."""

import hashlib
import json

import fakes
import pytest
from fake_chunks import ChunkCloud

from device.api import chunks
from device.errors import NeedsOperator, Permanent, Transient
from device.link.clock import Clock
from device.store.clip import CHUNKS, CLOSED, COMPLETING, DONE, WHOLE
from device.transfer.choice import Strategies
from device.transfer.chunked import Chunked
from device.transfer.whole_file import WholeFile

CHUNK = 4096
SAMPLES = 20_000  # a file of 40,044 bytes: ten chunks
TOTAL = 10
LOST = Transient("connection_lost")


class Power(BaseException):
    """The power goes in the middle of a call."""


class Bench:
    """A folder with closed clips; attempt() is the lane's, reboot() makes all objects anew."""

    def __init__(self, folder, time, samples=SAMPLES, setting=CHUNKS, **script):
        self.folder = folder
        self.time = time
        self.setting = setting
        self.secrets = fakes.Secrets()
        self.cloud = ChunkCloud(folder, **script)
        self.reboot()
        self.clip = fakes.add_clip(self.store, samples)

    def reboot(self):
        self.store = fakes.make_store(self.folder, self.secrets)
        self.log, self.lines = fakes.make_log()
        self.clock = Clock(fakes.ClockPort(), 1, self.log)
        self.clock.witness(fakes.T0 * 1000, 20, "ntp")
        makers = (self.store, self.cloud, self.clock, "dev-9", "0a0b0c0d")
        self.whole = WholeFile(*makers, self.log)
        chunked = Chunked(*makers, CHUNK, self.whole.note_put, self.log)
        parts = (self.store, self.whole, chunked, self.setting, True)
        self.strategies = Strategies(*parts, lambda: 0, self.log)

    def attempt(self):
        """Steps until the clip is done or one raises: that error, or None."""
        try:
            for _ in range(100):
                clip = self.store.after(0)
                if clip.state == DONE:
                    return None
                fakes.run(self.strategies.advance(clip), self.time)
        except (Transient, Permanent, NeedsOperator, Power) as e:
            return e
        raise AssertionError("it does not come to an end")

    def record(self):
        return fakes.make_store(self.folder).after(0).record

    def stored(self):
        with open(self.clip.audio_path, "rb") as f:
            return f.read()


@pytest.fixture
def bench(tmp_path, time):
    def make(**script):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return Bench(folder, time, **script)

    return make


def test_the_whole_way(bench):
    b = bench()
    assert b.attempt() is None
    names = b.cloud.names()
    assert names == ["create"] + TOTAL * ["chunk_url", "put_chunk"] + 2 * ["finalize"]
    data = b.stored()
    assert b.cloud.stitched("rec_1s") == data, "the stored file, header and all"
    record = b.record()
    assert (record["via"], record["rid"], record["parts"]) == (CHUNKS, "rec_1s", TOTAL)
    assert record["sha"] == hashlib.sha256(data).hexdigest()
    md5 = hashlib.md5(data).hexdigest()
    assert [call[2] for call in b.cloud.calls[-2:]] == 2 * [("rec_1s", TOTAL, 1250, md5)]
    # The record is as capture left it until all is confirmed: others find a closed clip.
    assert {state for name, state, _ in b.cloud.calls if name != "finalize"} == {CLOSED}
    assert {state for name, state, _ in b.cloud.calls if name == "finalize"} == {COMPLETING}
    b.store.free(b.store.after(0))
    assert [name for name in fakes.tree(b.folder) if "." in name] == []


def test_the_body_opens_a_stream_and_states_the_facts(bench):
    b = bench()
    b.attempt()
    ((key, body),) = [call[2] for call in b.cloud.calls if call[0] == "create"]
    body = json.loads(body)
    assert key == "rec-dev-9-0a0b0c0d-1-s"
    assert body["streaming"] is True and body["metadata"]["samples"] == SAMPLES
    assert body["metadata"]["last"] is True


CALLS = {"create": 1, "chunk_url": TOTAL, "put_chunk": TOTAL, "finalize": 2}
CASES = [(call, n) for call, times in CALLS.items() for n in range(times)]


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("fault", [LOST, Power(), NeedsOperator("auth_refused")])
@pytest.mark.parametrize(("call", "nth"), CASES)
def test_a_fault_at_any_call_repeats_that_call_alone(bench, call, nth, fault, reboot):
    def well(sent):
        return b.cloud._judge(sent) if call == "finalize" else answers[call](sent)

    answers = {
        "create": lambda sent: "rec_1s",
        "chunk_url": lambda sent: ("https://b.example/rec_1s/%d?9" % sent[1], [], None),
        "put_chunk": lambda sent: None,
    }
    b = bench(**{call: nth * [well] + [fault]})
    assert b.attempt() is fault
    if reboot:
        b.reboot()
    assert b.attempt() is None
    names = b.cloud.names()
    again = {"finalize": nth}  # two in a row are the proof: those before count no more
    assert names.count(call) == CALLS[call] + 1 + (again.get(call, 0))
    assert names.count("create") == 1 + (call == "create")
    assert names.count("put_chunk") == TOTAL + (call == "put_chunk")
    assert b.cloud.stitched("rec_1s") == b.stored()
    assert len(b.cloud.keys) == 1


PERCENT = [1, *range(5, 100, 5), 99]


@pytest.mark.parametrize("kind", ["connection", "power"])
@pytest.mark.parametrize("percent", PERCENT)
def test_a_cut_costs_less_than_a_chunk_wherever_it_comes(bench, percent, kind):
    b = bench()
    size = len(b.stored())
    b.cloud.cut_after = [size * percent // 100]
    fault = LOST if kind == "connection" else Power()
    b.cloud.cut = lambda: fault
    assert b.attempt() is fault
    if kind == "power":
        b.reboot()
    assert b.attempt() is None
    assert 0 <= b.cloud.socket_bytes - size <= CHUNK
    assert b.cloud.stitched("rec_1s") == b.stored()


@pytest.mark.parametrize("percent", PERCENT)
def test_a_whole_file_pays_for_all_that_was_sent(bench, percent):
    """Stated honestly: S3 takes a PUT whole or not at all."""
    b = bench(setting=WHOLE)
    size = len(b.stored())
    b.cloud.cut_after = [size * percent // 100]
    assert b.attempt().code == "connection_lost" and b.attempt() is None
    assert b.cloud.socket_bytes - size == size * percent // 100


def test_the_chunk_size_is_that_of_the_beginning(bench):
    b = bench(put_chunk=[None, None, LOST])
    assert b.attempt() is LOST
    b.reboot()
    b.strategies._chunked.chunk_bytes = 3 * CHUNK
    assert b.attempt() is None
    sizes = [call[2][2] for call in b.cloud.calls if call[0] == "chunk_url"]
    assert set(sizes[:-1]) == {CHUNK}


def test_stitching_is_polled_and_bounded(bench):
    b = bench(finalize=5 * [chunks.STITCHING])
    assert b.attempt() is None and b.cloud.names().count("finalize") == 7
    b = bench(finalize=1000 * [chunks.STITCHING])
    began = b.time.seconds
    error = b.attempt()
    assert error.code == "verification_pending" and 100 < b.time.seconds - began < 140
    assert b.record()["state"] == COMPLETING


def test_one_acceptance_is_no_proof(bench):
    b = bench(finalize=[chunks.ACCEPTED, LOST])
    assert b.attempt() is LOST and b.record()["state"] == COMPLETING
    b.reboot()
    assert b.attempt() is None and b.cloud.names().count("finalize") == 4


def test_already_finalized_is_asked_once_more_and_then_somebody_looks(bench):
    b = bench(finalize=10 * [chunks.FINALIZED])
    assert b.attempt().code == "bad_answer"
    b.reboot()
    error = b.attempt()
    assert isinstance(error, Permanent) and error.code == "probably_uploaded"
    assert b.cloud.names().count("finalize") == 2 and not b.strategies.offered


def test_another_count_is_no_proof_and_no_loop(bench):
    b = bench(finalize=[Permanent("conflict", "chunks=9 of 10")])
    error = b.attempt()
    assert (error.code, b.record()["state"]) == ("conflict", COMPLETING)
    assert not b.strategies.offered


def test_a_clip_that_is_gone_in_the_cloud_is_not_made_anew(bench):
    b = bench(chunk_url=[lambda sent: ("https://b.example/rec_1s/1?1", [], None)])
    gone = Permanent("gone_in_cloud", "status=404")
    b.cloud.script["chunk_url"].append(gone)
    assert b.attempt() is gone and list(b.cloud.recordings) == ["rec_1s"]


def test_what_was_damaged_since_is_noticed_before_finalize(bench):
    b = bench(put_chunk=9 * [None] + [LOST])
    assert b.attempt() is LOST
    with open(b.clip.audio_path, "r+b") as f:
        f.seek(1000)
        f.write(b"????")
    error = b.attempt()
    assert isinstance(error, Permanent) and error.code == "damaged"
    assert "finalize" not in b.cloud.names()


@pytest.mark.parametrize("file", ["create body", "progress"])
def test_the_medium_refuses_what_the_cloud_has_done(bench, file, monkeypatch):
    """A full medium must not make it do it twice: it is saved when there is room."""
    from device.store import slots, store

    b = bench()
    match = ".c" if file == "create body" else ".p"
    opener = fakes.failing_open(28, times=1, match=match)
    module = slots if file == "progress" else store
    monkeypatch.setattr(module, "open", opener, raising=False)
    assert b.attempt().code == "storage_full" and opener.state["seen"]
    assert b.attempt() is None
    assert b.cloud.names().count("put_chunk") == TOTAL and len(b.cloud.keys) == 1
