"""Chunks of the clip that is being recorded when medium, power, cloud or way fails; and what was
settled, and so may have been sent, is there afterwards.
"""

import asyncio
import json
import random
from binascii import crc32

import fakes
import test_transfer_live
from test_transfer_live import BLOCK, RATE_HZ

from device.codec import format_of
from device.errors import Permanent, Transient
from device.store.clip import OPEN, PARKED
from device.transfer.chunk_calls import NotOffered

bench = test_transfer_live.bench  # the fixture


def test_a_microphone_or_medium_that_fails_ends_it_in_order(bench):
    b = bench()
    b.run(lambda: b.record(21.3, end="fail"))
    assert b.lane.delivered == 1 and list(b.cloud.recordings) == ["rec_1s"]
    assert b.recovery.repaired == 1 and b.left() == []
    sent = [call[2][1] for call in b.cloud.calls if call[0] == "put_chunk"]
    assert sent == sorted(set(sent)), "no chunk went twice"


def test_after_a_power_cut_the_rest_follows_in_the_same_recording(bench):
    b = bench()

    class Power(BaseException):
        pass

    async def cut():
        task = asyncio.create_task(b.record(60))
        await asyncio.sleep(31)
        task.cancel()

    b.run(cut, 0.001)
    before = len(b.cloud.chunks["rec_1s"])
    assert before >= 6
    b.boot()

    async def again():
        b.recovery.pend(1)

    b.run(again)
    assert list(b.cloud.recordings) == ["rec_1s"] and b.lane.delivered == 1
    sent = [call[2][1] for call in b.cloud.calls if call[0] == "put_chunk"]
    assert len(sent) - len(set(sent)) <= 1
    assert len(b.cloud.stitched("rec_1s")) >= 30 * RATE_HZ * 2


def test_a_refusal_while_open_sends_the_closed_clip_whole(bench):
    b = bench(chunk_url=[NotOffered("refused", "status=404")])
    clip = b.run(lambda: b.record(20))
    assert b.cloud.names().count("chunk_url") == 1
    assert b.lane.delivered == 1 and list(b.cloud.objects) == ["rec_1w"]
    assert clip.state != PARKED
    body = json.loads(b.cloud.keys["rec-d-s-1-w"])
    assert body["metadata"]["replaces_recording"] == "rec_1s"


def test_a_recording_that_is_gone_is_set_aside_when_it_is_closed(bench):
    answers = [lambda sent: ("https://b.example/rec_1s/1?1", [], None)]
    b = bench(chunk_url=answers + 9 * [Permanent("gone_in_cloud", "status=404")])

    async def script():
        task = asyncio.create_task(b.record(20))
        await asyncio.sleep(19)
        open_state = fakes.make_store(b.folder).after(0).state
        await task
        return open_state

    assert b.run(script) == OPEN
    clip = b.store.after(0)
    assert (clip.state, clip.record["why"]) == (PARKED, "gone_in_cloud")
    assert b.cloud.names().count("chunk_url") == 3 and list(b.cloud.recordings) == ["rec_1s"]


def test_errors_of_the_way_make_the_lane_wait_and_nothing_is_lost(bench):
    b = bench(put_chunk=[None, Transient("connection_lost"), Transient("throttled", "", 3)])
    b.run(lambda: b.record(30))
    assert b.lane.delivered == 1 and list(b.cloud.recordings) == ["rec_1s"]
    assert any("lane waits" in line for line in b.lines)


def test_the_writer_settles_whole_frames_in_full_blocks_only(tmp_path):
    from device.store.writer import ClipWriter

    class Medium(fakes.Storage):
        def block_fill_bytes(self, index):
            return 4096

    told = []
    writer = ClipWriter(Medium(tmp_path), str(tmp_path / "a.flac"), RATE_HZ)
    writer.tell, writer.tell_at_bytes = lambda: told.append(writer.settled_bytes), 8000
    writer.write_header(bytes(42))
    settled = []
    for _ in range(9):
        writer.write(memoryview(bytes(1500)), 1024)
        settled.append(writer.settled_bytes)
    # 42 + 1500 a frame; a block ends at 4096, 8192, 12288.
    assert settled == [0, 0, 3042, 3042, 3042, 7542, 7542, 7542, 12042]
    assert told == [12042]
    writer.sync()
    assert writer.settled_bytes == 12042, "the tail of a block is not settled by a sync"
    assert crc32(bytes(9 * 1500)) == writer.crc


def test_what_is_settled_of_flac_survives_every_cut(tmp_path, time):
    """Whatever a cut leaves of what came later, recovery keeps what may have been sent."""
    from device.codec.flac import FlacEncoder
    from device.store.writer import ClipWriter

    chance = random.Random(5)
    codec = FlacEncoder(RATE_HZ)
    out = memoryview(bytearray(codec.max_encoded_bytes(BLOCK) + 96))
    path = tmp_path / "a.flac"
    writer = ClipWriter(fakes.Storage(tmp_path), str(path), RATE_HZ)
    codec.begin()
    writer.write_header(out[: codec.write_header(out)])
    settled, cuts = 0, []
    for _ in range(120):
        pcm = chance.randbytes(2 * BLOCK)
        size = codec.encode(memoryview(pcm), out)
        if size:
            writer.write(out[:size], BLOCK)
        if writer.settled_bytes != settled:
            settled = writer.settled_bytes
            cuts.append((settled, path.stat().st_size))
    data = path.read_bytes()
    work = memoryview(bytearray(2304))
    assert len(cuts) > 20
    for settled, synced in cuts[::4]:
        cut = tmp_path / "cut.flac"
        cut.write_bytes(data[: chance.randrange(synced, len(data) + 1)])
        with open(cut, "rb") as f:
            good, _, _, _ = fakes.run(
                format_of("flac", RATE_HZ).scan(f, cut.stat().st_size, work), time
            )
        assert good >= settled
