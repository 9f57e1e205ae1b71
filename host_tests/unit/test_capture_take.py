"""capture.take: gaps filled in place, silence left out, pre-roll, against a model of the truth.

The model is the list of samples that the take should hold, each with its place on the take's axis.
"""

import random

import fakes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_bench import RATE_HZ, Bench, Microphone

from device.capture.preroll import PreRoll
from device.codec.flac import FlacEncoder
from device.codec.wav import WavCodec
from host_tests.codec import flac_host, flac_reader

BLOCK = 1024


def make(folder, codec=None, preroll=None, **how):
    time = fakes.Time()
    codec = codec or WavCodec(RATE_HZ)
    return Bench(folder, time, Microphone(0), codec=codec, preroll=preroll, **how)


def noise(frames, seed):
    random_ = np.random.default_rng(seed)
    return memoryview(random_.integers(-3000, 3000, frames, "<i2").tobytes())


def decoded(bench, clip):
    data = open(clip.audio_path, "rb").read()
    if clip.record["codec"] == "wav":
        return np.frombuffer(data[44:], "<i2")
    header = bytearray(42)
    codec = bench.buffers.codec
    codec.upload_header(clip.record["samples"], clip.record["facts"], memoryview(header))
    numbers = [frame[0] for frame in flac_reader.frames(bytes(header) + data[42:])]
    assert numbers == list(range(len(numbers))), "frames are contiguous"
    return flac_host.by_soundfile(bytes(header) + data[42:])[0]


def axis(bench):
    """{place on the take's axis: sample} of everything that was kept, and the filled places."""
    kept, filled = {}, set()
    for clip in bench.clips():
        record = clip.record
        samples = decoded(bench, clip)
        assert len(samples) == record["samples"]
        skips = dict(record.get("skips", []))
        place = record["first"]
        gaps = record.get("gaps", [])
        for at, sample in enumerate(samples):
            place += skips.get(at, 0)
            kept[place] = int(sample)
            if any(begin <= at < begin + length for begin, length, _ in gaps):
                filled.add(place)
            place += 1
    return kept, filled


CODECS = [WavCodec, FlacEncoder]


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_gaps_are_filled_counted_and_placed(tmp_path_factory, codec, data):
    bench = make(tmp_path_factory.mktemp("t"), codec(RATE_HZ), clip_samples=20_000)
    seed = data.draw(st.integers(0, 1 << 30))
    truth, lost = [], 0
    for turn, (frames, gap) in enumerate(
        data.draw(
            st.lists(
                st.tuples(st.integers(1, BLOCK), st.integers(0, 9000)), min_size=1, max_size=9
            )
        )
    ):
        gap = gap if gap % 3 else 0
        if gap:
            bench.take.lose(gap)
            truth += [0] * gap
            lost += gap
        block = noise(frames, seed + turn)
        bench.take.append(block, frames)
        truth += np.frombuffer(block, "<i2").tolist()
    bench.take.end()
    kept, filled = axis(bench)
    assert [kept[place] for place in range(len(kept))] == truth
    records = [clip.record for clip in bench.clips()]
    assert sum(r.get("lost", 0) for r in records) == lost
    assert sum(gap[2] for r in records for gap in r.get("gaps", [])) == lost
    assert len(filled) >= lost and all(r["samples"] <= 20_000 for r in records)
    assert [r["last"] for r in records] == [0] * (len(records) - 1) + [1]
    assert sum(r["samples"] for r in records) == len(truth)


def test_gaps_less_than_a_second_apart_are_one_and_a_full_list_cuts_the_clip(tmp_path):
    bench = make(tmp_path, clip_samples=10**6)
    for _ in range(2):
        bench.take.append(noise(1000, 1), 1000)
        bench.take.lose(500)
    for _ in range(9):
        for _ in range(20):
            bench.take.append(noise(1000, 2), 1000)
        bench.take.lose(300)
    bench.take.end()
    first, second = [clip.record for clip in bench.clips()]
    assert first["gaps"][0] == [1000, 2000, 1000] and first["gaps"][1] == [23_000, 300, 300]
    assert len(first["gaps"]) == 8 and (first["last"], second["last"]) == (0, 1)
    assert second["first"] == first["samples"]


def test_a_gap_is_in_the_record_of_a_clip_that_the_power_ends(tmp_path):
    bench = make(tmp_path, clip_samples=10**6)
    bench.take.append(noise(1000, 1), 1000)
    bench.take.lose(5000)
    (clip,) = bench.clips()
    assert clip.state == "open" and clip.record["gaps"][0][0] == 1000


def preroll_for(codec, seconds):
    return PreRoll(2 * RATE_HZ * seconds + 8192, seconds * RATE_HZ, 1024)


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=20)  # the plain encoder takes a second for some
@given(
    st.integers(0, 1 << 30),
    st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 2000)), max_size=12),
)
def test_silence_is_left_out_and_its_length_kept(tmp_path_factory, codec, seed, turns):
    """Blocks go to a take that holds and releases at random; some are lost. Nothing moves."""
    folder = tmp_path_factory.mktemp("t")
    encoder = codec(RATE_HZ)
    bench = make(folder, encoder, preroll_for(encoder, 1), clip_samples=45_000)
    random_ = random.Random(seed)
    take = bench.take
    take.begin()
    truth, spoken = [], set()
    for speaks, blocks, gap in turns:
        if speaks and take.holds:
            take.release(0)
        elif not speaks and not take.holds and take.number:
            take.hold()
        for _ in range(blocks):
            if gap and random_.random() < 0.1:
                take.lose(gap)
                truth += [None] * gap
            frames = random_.randint(1, BLOCK)
            block = noise(frames, random_.getrandbits(30))
            before = take.number
            take.append(block, frames)
            if before and take.number != before:
                return  # a whole clip of silence ended the take: another test
            if not take.holds:
                spoken.update(range(len(truth), len(truth) + frames))
            truth += np.frombuffer(block, "<i2").tolist()
    take.end()
    kept, filled = axis(bench)
    for place, sample in kept.items():
        assert truth[place] is not None or place in filled
        assert sample == (truth[place] or 0)
    # All but what one frame in hand at the moment of hold() may take with it into silence.
    assert len(spoken - set(kept)) <= 1024 * len(turns)
    records = [clip.record for clip in bench.clips()]
    assert all(r["samples"] <= 45_000 for r in records)


@pytest.mark.parametrize("codec", CODECS)
def test_the_pre_roll_comes_before_the_first_sound(tmp_path, codec):
    encoder = codec(RATE_HZ)
    bench = make(tmp_path, encoder, preroll_for(encoder, 2), clip_samples=10**6)
    bench.take.begin(holds=True)
    heard = noise(80 * 1000, 5)
    for at in range(0, 60_000, 1000):
        bench.take.append(heard[2 * at : 2 * at + 2000], 1000)
    assert not bench.clips(), "nothing is written before somebody speaks"
    bench.take.release(0)
    for at in range(60_000, 80_000, 1000):
        bench.take.append(heard[2 * at : 2 * at + 2000], 1000)
    bench.take.end()
    (clip,) = bench.clips()
    samples = decoded(bench, clip)
    assert 20_000 + 2 * RATE_HZ - 1024 <= len(samples) <= 20_000 + 2 * RATE_HZ + 1024
    assert np.array_equal(samples, np.frombuffer(heard, "<i2")[-len(samples) :])
    assert clip.record["first"] == 0 and "skips" not in clip.record


def test_the_start_is_that_of_the_pre_roll(tmp_path, monkeypatch):
    bench = make(tmp_path, preroll=preroll_for(None, 2), clip_samples=10**6)
    monkeypatch.setattr(bench.clock, "uptime_ms", lambda: 100_000)
    bench.pace.begin()
    monkeypatch.setattr(bench.clock, "uptime_ms", lambda: 777_777)  # whatever comes late
    bench.pace.add(3 * RATE_HZ)
    bench.take.begin(holds=True)
    for _ in range(2):
        bench.pace.add(1024)
        bench.take.append(noise(1024, 1), 1024)
    bench.pace.add(512)
    bench.take.release(512)
    bench.take.append(noise(512, 1), 512)
    bench.take.end()
    assert bench.clips()[0].record["up"] == 103_000


def test_silence_as_long_as_a_clip_ends_the_take(tmp_path):
    bench = make(tmp_path, preroll=preroll_for(None, 1), clip_samples=50_000)
    bench.take.begin()
    bench.take.append(noise(1000, 1), 1000)
    bench.take.hold()
    for _ in range(80):
        bench.take.append(noise(1000, 2), 1000)
    (clip,) = bench.clips()
    assert (clip.state, clip.record["last"]) == ("closed", 1)
    assert clip.record["skips"][0][0] == 1000 and bench.take.holds and bench.take.number == 0


def test_a_record_full_of_everything_still_fits_and_is_read_back(tmp_path):
    bench = make(tmp_path, preroll=preroll_for(None, 1), clip_samples=16 * 10**6)
    take = bench.take
    take.begin()
    for _ in range(7):
        for _ in range(20):
            take.append(noise(1000, 1), 1000)
        take.lose(123_456)
        take.hold()
        for _ in range(40):
            take.append(noise(1000, 2), 1000)
        take.release(0)
    take.end()
    (clip,) = bench.clips()
    assert len(clip.record["gaps"]) == 7 and len(clip.record["skips"]) == 7
    clip.save(rid="r" * 64, sha="0" * 64, body=2**32 - 1, why="integrity_failure", said="x" * 40)
    assert clip.load() and clip.record["sha"] == "0" * 64
