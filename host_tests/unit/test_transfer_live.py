"""Chunks of the clip that is being recorded: lag, catch-up, end, nothing at all, whose turn."""

import asyncio
import json

import fakes
import pytest
from fake_chunks import ChunkCloud
from test_transfer_lane import Link

from device.api import chunks
from device.codec.wav import WavCodec
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import CHUNKS, QUARANTINED, WHOLE
from device.store.recovery import Recovery
from device.transfer.choice import Strategies
from device.transfer.chunked import Chunked
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

RATE_HZ = 8000
BLOCK = 512  # samples: 64 ms, 1 KiB
CHUNK = 65_536  # 4.1 s of WAV
LINK_MS = 16  # a KiB: four times as fast as what is recorded


class Bench:
    """The lane over a store that is being recorded into, block by block in virtual time."""

    def __init__(self, folder, time, clock_known=True, **script):
        self.folder = folder
        self.time = time
        self.cloud = ChunkCloud(folder, **script)
        self.cloud.put_ms = LINK_MS
        self.link = Link()
        self.secrets = fakes.Secrets()
        self.confirmed = []  # (virtual seconds, recording, chunk)
        self.epoch = 0
        self.boot(clock_known)

    def boot(self, clock_known=True):
        self.store = store = fakes.make_store(self.folder, self.secrets)
        log, self.lines = fakes.make_log()
        self.clock = Clock(fakes.ClockPort(), 1, log)
        if clock_known:
            self.clock.witness(fakes.T0 * 1000 + int(self.time.seconds * 1000), 20, "ntp")
        makers = (store, self.cloud, self.clock, "d", "s")
        whole = WholeFile(*makers, log)
        chunked = Chunked(*makers, CHUNK, whole.note_put, log)
        parts = (store, whole, chunked, CHUNKS, True, lambda: self.epoch)
        self.strategies = Strategies(*parts, log)
        self.recovery = Recovery(store, memoryview(bytearray(2048)), log, self.notify)
        backlog = self.backlog = Backlog(store, lambda: self.epoch, self.recovery.pend)
        waits = Waits(1, 8, self.clock, lambda bits: 0)
        parts = (store, backlog, waits, self.strategies, self.cloud, self.link, self.clock)
        self.lane = Lane(*parts, 600, log)
        store.follow = self.notify, CHUNK
        self.position = 0

    def notify(self):
        self.lane.notify()

    def seconds_of(self, rid):
        """When each chunk of a recording was confirmed."""
        return [at for at, name, _ in self.cloud.times if name == rid]

    async def record(self, seconds, index=0, end="close", take=0):
        """Record a clip in virtual time; end: close, fail (of the medium), discard."""
        codec = WavCodec(RATE_HZ)
        out = memoryview(bytearray(2 * BLOCK + 64))
        facts = {"codec": "wav", "hz": RATE_HZ, "take": take, "index": index, "boot": 1}
        clip, writer = self.store.open(dict(facts, first=self.position, up=1000, epoch=0))
        writer.write_header(out[: codec.write_header(out)])
        done, total = 0, int(seconds * RATE_HZ)
        while done < total:
            n = min(BLOCK, total - done)
            await asyncio.sleep(n / RATE_HZ)
            block = bytes(range(256)) * (2 * BLOCK // 256)
            writer.write(memoryview(block)[: 2 * n], n)
            done += n
        self.position += done
        if end == "fail":
            self.store.leave_open(writer)
            self.recovery.pend(clip.number)
        elif end == "discard":
            writer.close()
            self.store.opened, self.store.open_number = None, 0
            self.store.discard(clip)
        else:
            self.store.close(clip, writer, samples=done, facts=[], last=1)
            self.notify()
        return clip

    def run(self, script, seconds_after=60):
        """Run script(bench), a coroutine function, with lane and recovery; and on for a while."""

        async def main():
            names = (self.lane, self.recovery)
            tasks = [asyncio.create_task(part.run(lambda within_ms: None)) for part in names]
            await asyncio.sleep(0.01)
            found = await script()
            await asyncio.sleep(seconds_after)
            for task in tasks:
                fakes.stop(task)
            return found

        return fakes.run(main(), self.time)

    def left(self):
        return [name for name in fakes.tree(self.folder) if "." in name]


@pytest.fixture
def bench(tmp_path, time, monkeypatch):
    def make(**how):
        b = Bench(tmp_path, time, **how)
        real = b.cloud._call

        def call(name, number, sent, default):
            answer = real(name, number, sent, default)
            b.cloud.times.append((time.seconds, sent[0], name))
            return answer

        b.cloud.times = []
        monkeypatch.setattr(b.cloud, "_call", call)
        return b

    return make


def whole_seconds(b, rid):
    return [at for at, name, call in b.cloud.times if name == rid and call == "put_chunk"]


def test_the_last_chunk_follows_the_end_of_a_ten_minute_take_within_the_time_of_one(bench):
    """Virtual time: what the link needs for one chunk, and no more, after the last sample."""
    b = bench()
    ends = []

    async def script():
        for part in range(2):
            await b.record(300, part)
            ends.append(b.time.seconds)

    b.run(script)
    chunk_s = CHUNK / 1024 * LINK_MS / 1000
    for rid, end in zip(("rec_1s", "rec_2s"), ends, strict=True):
        times = whole_seconds(b, rid)
        assert len(times) == -(-(300 * RATE_HZ * 2 + 44) // CHUNK)
        assert sum(at > end for at in times) <= 2, "one on its way and what was left"
        assert times[-1] - end <= chunk_s + 0.1
        # Each chunk left when it was there: never more than one behind what was recorded.
        begin = end - 300
        for n, at in enumerate(times[:-1], 1):
            recorded_s = n * CHUNK / (2 * RATE_HZ)
            assert at - begin - recorded_s < chunk_s + 1
    assert b.lane.delivered == 2 and b.left() == []


def test_what_is_sent_while_open_is_what_the_file_becomes(bench, monkeypatch):
    b = bench()
    files = {}
    real = b.store.free

    def free(clip):
        with open(clip.audio_path, "rb") as f:
            files[clip.record["rid"]] = f.read()
        real(clip)

    monkeypatch.setattr(b.store, "free", free)
    b.run(lambda: b.record(33.3))
    assert b.cloud.stitched("rec_1s") == files["rec_1s"] and len(files["rec_1s"]) > 8 * CHUNK
    ((_, body),) = [call[2] for call in b.cloud.calls if call[0] == "create"]
    metadata = json.loads(body)["metadata"]
    assert "samples" not in metadata and "last" not in metadata and "ended_at" not in metadata
    assert json.loads(body)["streaming"] is True and "started_at" in json.loads(body)
    finalize = [call[2] for call in b.cloud.calls if call[0] == "finalize"]
    assert {sent[1:3] for sent in finalize} == {(9, 33_300)}


def test_nothing_at_all_makes_no_recording(bench):
    b = bench()
    b.run(lambda: b.record(0, end="discard"))
    assert b.cloud.calls == [] and b.left() == []


@pytest.mark.parametrize("rate_hz", [8000, 48_000])
def test_a_take_under_a_second_makes_no_recording(bench, rate_hz, monkeypatch):
    """At 48 kHz a chunk of 64 KiB is less than a second."""
    monkeypatch.setattr("test_transfer_live.RATE_HZ", rate_hz)
    b = bench()
    b.run(lambda: b.record(0.95))
    assert b.cloud.calls == []
    clip = b.store.after(0)
    assert (clip.state, clip.record["why"]) == (QUARANTINED, "too_short")


def test_it_lags_behind_a_link_that_is_away_and_catches_up(bench):
    b = bench()

    async def script():
        async def link():
            await asyncio.sleep(20)
            b.link.up = False
            await asyncio.sleep(60)
            b.link.up = True
            b.lane.link_returned()

        task = asyncio.create_task(link())
        await b.record(150)
        await task
        return b.time.seconds

    end = b.run(script)
    times = whole_seconds(b, "rec_1s")
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert max(gaps) > 50 and times[-1] - end < 2
    assert b.lane.delivered == 1


def test_older_clips_and_the_open_one_take_turns(bench):
    b = bench()
    for _ in range(6):
        fakes.add_clip(b.store, 40_000, RATE_HZ)  # 80 KB: two chunks

    async def script():
        b.cloud.put_ms = 50  # barely faster than what is recorded
        await b.record(40)

    b.run(script)
    order = [(name, call) for _, name, call in b.cloud.times if call in ("put_chunk", "finalize")]
    first, end = order.index(("rec_7s", "put_chunk")), order.index(("rec_7s", "finalize"))
    while_open = [name for name, _ in order[first:end]]
    assert while_open.count("rec_7s") == 10 and "rec_5s" in while_open
    for two in zip(while_open, while_open[1:], strict=False):
        assert two != ("rec_7s", "rec_7s"), "no two chunks of the open clip while others wait"
    assert b.lane.delivered == 7 and b.left() == []


def test_what_was_asked_for_has_the_turns_of_the_older_ones(bench):
    """It goes between the chunks of the open clip, before all others; the status says which."""
    b = bench()
    for _ in range(5):
        fakes.add_clip(b.store, 40_000, RATE_HZ)
    assert b.lane.send_first(4) == {"ok": True, "before": 0}
    rules = {}
    real = b.cloud._call

    def call(name, number, sent, default):
        rules.setdefault(sent[0], b.backlog.rule)
        return real(name, number, sent, default)

    b.cloud._call = call

    async def script():
        b.cloud.put_ms = 50
        await b.record(40)

    b.run(script)
    done = [name for _, name, kind in b.cloud.times if kind == "finalize"]
    assert done[0] == "rec_4s" or done[:2] == ["rec_6s", "rec_4s"]
    assert (rules["rec_4s"], rules["rec_6s"], rules["rec_1s"]) == ("requested", "live", "oldest")
    assert b.lane.delivered == 6 and b.left() == []


def test_a_clip_that_began_while_it_was_recorded_keeps_its_turn(bench):
    """It ends before the older ones are through, although it is the youngest."""
    b = bench()
    for _ in range(5):
        fakes.add_clip(b.store, 400_000, RATE_HZ)

    b.run(lambda: b.record(20), 400)
    done = [name for _, name, call in b.cloud.times if call == "finalize"]
    assert done.index("rec_6s") < done.index("rec_5s")
    assert b.lane.delivered == 6


def test_it_waits_for_the_time_and_for_its_own_binding(bench):
    b = bench(clock_known=False)

    async def script():
        task = asyncio.create_task(b.record(40))
        await asyncio.sleep(20)
        early = len(b.cloud.calls)
        b.clock.witness(fakes.T0 * 1000, 20, "ntp")
        await asyncio.sleep(8)
        b.epoch = 2  # another user from now on
        await asyncio.sleep(2)
        before = len(b.cloud.calls)
        await task
        return early, before

    early, before = b.run(script)
    assert early == 0 and before > 0
    assert len(b.cloud.calls) == before and b.lane.delivered == 0
    assert b.store.after(0).record["epoch"] == 0


def test_stitching_that_takes_long_lets_the_others_go(bench):
    b = bench(finalize=[chunks.STITCHING] * 40)
    fakes.add_clip(b.store, 40_000, RATE_HZ)
    b.run(lambda: b.record(20), 1200)
    assert b.lane.delivered == 2 and b.left() == []


def test_whole_is_known_by_its_name():
    assert WHOLE == "whole" and CHUNKS == "chunks"  # as in config_table's choices
