"""capture.recorder with a fake microphone: clips cut at the exact sample, and what their records
say of them.
"""

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_bench import RATE_HZ, Bench, Microphone

from device.capture.conditioner import Conditioner


def record(folder, time, frames, **how):
    microphone = Microphone(frames, how.pop("sizes", (1024,)), how.pop("overrun_at", None))
    bench = Bench(folder, time, microphone, **how)
    bench.run(frames / RATE_HZ + 10, None, lambda: bench.recorder.want(True))
    return bench


@given(
    st.integers(1, 40_000),
    st.lists(st.integers(1, 1024), min_size=1, max_size=8),
    st.integers(500, 9000),
)
def test_joined_clips_are_what_was_heard(tmp_path_factory, frames, sizes, clip_samples):
    from device import compat

    real, compat.time = compat.time, fakes.Time()
    try:
        sizes = [max(size, frames // 200) for size in sizes]
        folder = tmp_path_factory.mktemp("r")
        bench = record(folder, compat.time, frames, sizes=sizes, clip_samples=clip_samples)
        compat.time.runner.close()
    finally:
        compat.time = real
    clips = bench.clips()
    assert bench.audio() == fakes.pcm(frames)
    records = [clip.record for clip in clips]
    assert [r["samples"] for r in records[:-1]] == [clip_samples] * (len(records) - 1)
    assert 0 < records[-1]["samples"] <= clip_samples
    assert [r["last"] for r in records] == [0] * (len(records) - 1) + [1]
    assert [r["index"] for r in records] == list(range(len(records)))
    assert [r["first"] for r in records] == [n * clip_samples for n in range(len(records))]
    assert {r["take"] for r in records} == {records[0]["n"]}
    assert {r["state"] for r in records} == {"closed"} and bench.closed == len(records)
    assert all(r["bytes"] == 44 + 2 * r["samples"] for r in records)


def test_a_take_that_ends_at_a_cut_has_no_empty_clip(tmp_path, time):
    records = [clip.record for clip in record(tmp_path, time, 16_000).clips()]
    assert [(r["samples"], r["last"]) for r in records] == [(8000, 0), (8000, 1)]


def test_facts_of_a_clip(tmp_path, time):
    time.advance(2000)
    bench = record(tmp_path, time, 12_000)
    first, second = [clip.record for clip in bench.clips()]
    assert (first["boot"], first["epoch"], first["codec"], first["hz"]) == (5, 3, "wav", RATE_HZ)
    assert 1000 < first["up"] < 1080 and abs(second["up"] - first["up"] - 500) < 70
    assert "lost" not in first and "start" not in first


def test_the_start_is_kept_once_the_time_is_known(tmp_path, time):
    microphone = Microphone(16_000)
    bench = Bench(tmp_path, time, microphone)
    bench.clock.witness(fakes.T0 * 1000, 20, "ntp")
    bench.run(5, None, lambda: bench.recorder.want(True))
    first, second = [clip.record for clip in bench.clips()]
    assert abs(first["start"] - fakes.T0 * 1000 - 500) < 80
    assert abs(second["start"] - first["start"] - 500) < 70


def test_takes_are_numbered_by_their_first_clip(tmp_path, time):
    bench = record(tmp_path, time, 12_000)
    bench.microphone._left = 9_000
    bench.run(5, None, lambda: bench.recorder.toggle())
    found = [(c.record["take"], c.record["index"], c.record["last"]) for c in bench.clips()]
    assert found == [(1, 0, 0), (1, 1, 1), (3, 0, 0), (3, 1, 1)]
    assert bench.audio() == fakes.pcm(21_000)


def test_overruns_are_placed_in_their_clip_and_counted(tmp_path, time):
    bench = record(tmp_path, time, 16_284, clip_samples=8192, overrun_at=10)
    first, second = [clip.record for clip in bench.clips()]
    assert "lost" not in first and "gaps" not in first
    assert (second["lost"], second["gaps"]) == (100, [[2048, 100, 100]])
    heard = fakes.pcm(16_284)
    assert bench.audio() == heard[: 2 * 10240] + bytes(200) + heard[2 * 10240 :], "filled in place"
    assert bench.recorder.as_dict()["lost_frames"] == 100
    assert any("overrun frames=100 position=10240" in line for line in bench.lines)


def test_a_pressed_button_begins_and_ends(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9))
    toggle = bench.recorder.toggle
    states = []

    def look(then=None):
        return lambda: (states.append(bench.recorder.reason.code), then and then())

    bench.run(2, look(toggle), look(), look(toggle), look(), look(toggle), look(toggle), look())
    assert states == ["idle", "recording", "recording", "idle", "idle", "recording", "idle"]
    assert bench.microphone.starts == 2 and len({c.record["take"] for c in bench.clips()}) == 2


@pytest.mark.parametrize("skip_samples", [1, 1000, 1024, 3000, 30_000])
def test_the_pop_at_the_start_is_cut_from_every_take(tmp_path, time, skip_samples):
    microphone = Microphone(16_000)
    bench = Bench(tmp_path, time, microphone, skip_samples=skip_samples)
    bench.run(5, None, lambda: bench.recorder.want(True))
    assert bench.audio() == fakes.pcm(16_000)[2 * skip_samples :]
    for clip in bench.clips()[:1]:
        assert clip.record["first"] == 0
        assert abs(clip.record["up"] - 500 - skip_samples * 1000 // RATE_HZ) <= 1


def test_gain_is_applied_before_it_is_measured_and_coded(tmp_path, time):
    parts = (None, Conditioner(RATE_HZ, 6, 0), None)
    bench = Bench(tmp_path, time, Microphone(16_000), parts=parts, clip_samples=16_000)
    bench.run(5, None, lambda: bench.recorder.want(True))
    plain = np.frombuffer(fakes.pcm(16_000), "<i2").astype(float)
    loud = np.frombuffer(bench.audio(), "<i2")
    assert np.abs(loud - np.clip(plain * 10 ** (6 / 20), -32768, 32767)).max() <= 1
    peak = 20 * np.log10(np.abs(loud.astype(float)).max() / 32768)
    assert abs(bench.clips()[0].record["lev"][0] - 10 * peak) <= 1
