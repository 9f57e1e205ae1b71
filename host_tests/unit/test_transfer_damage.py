"""What is wrong with a clip's file is noticed before it counts as delivered (B07, B28, B37)."""

import hashlib
import os

import fakes
import pytest
from fake_cloud import Cloud
from hypothesis import given
from hypothesis import strategies as st

from device.codec.wav import WavCodec
from device.errors import Permanent, Transient
from device.link.clock import Clock
from device.store.clip import CLOSED, CREATED
from device.transfer.source import ClipSource
from device.transfer.whole_file import WholeFile


def attempt(folder, time, cloud, clip, store):
    """(code of the Permanent error or None, the clip as flash has it now)."""
    log, _ = fakes.make_log()
    strategy = WholeFile(store, cloud, Clock(fakes.ClockPort(), 1, log), "d", "s", log)
    try:
        fakes.run(strategy.advance(store.after(clip.number - 1)), time)
    except Permanent as e:
        return e.code, store.after(clip.number - 1)
    return None, store.after(clip.number - 1)


def truncate(path, size):
    os.truncate(path, size)


def flip(path, place):
    with open(path, "r+b") as f:
        f.seek(place)
        byte = f.read(1)[0]
        f.seek(place)
        f.write(bytes([byte ^ 1]))


DAMAGE = {
    "shorter": (lambda path: truncate(path, 20_000), "file_missing", False),
    "header only": (lambda path: truncate(path, 44), "file_missing", False),
    "empty": (lambda path: truncate(path, 0), "file_missing", False),
    "gone": (os.remove, "file_missing", False),
    "first sample": (lambda path: flip(path, 44), "damaged", True),
    "last sample": (lambda path: flip(path, 40_043), "damaged", True),
    "in the middle": (lambda path: flip(path, 20_001), "damaged", True),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_before_the_first_attempt(tmp_path, time, name):
    damage, code, is_put = DAMAGE[name]
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    damage(clip.audio_path)
    cloud = Cloud(tmp_path)
    found, after = attempt(tmp_path, time, cloud, clip, store)
    assert found == code
    assert "complete" not in cloud.names()
    assert ("put" in cloud.names()) is is_put
    assert after.state == (CREATED if is_put else CLOSED), "never stored"


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_after_the_create(tmp_path, time, name):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    cloud = Cloud(tmp_path, upload_url=[Transient("connection_lost")])
    with pytest.raises(Transient):
        attempt(tmp_path, time, cloud, clip, store)
    DAMAGE[name][0](clip.audio_path)
    found, after = attempt(tmp_path, time, cloud, clip, store)
    assert found == "damaged" and after.state == CREATED
    assert "complete" not in cloud.names()


def test_a_file_that_grew_leaves_as_long_as_its_record_says(tmp_path, time):
    """B28. What is beyond the record is not audio of this clip: recovery leaves such tails."""
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    with open(clip.audio_path, "ab") as f:
        f.write(bytes(3200))
    cloud = Cloud(tmp_path)
    assert attempt(tmp_path, time, cloud, clip, store)[0] is None
    assert len(cloud.objects["rec_1"]) == clip.record["bytes"] == 40_044
    assert cloud.objects["rec_1"][44:] == fakes.pcm(20_000)


@pytest.mark.parametrize(
    "change", [lambda path: truncate(path, 20_000), lambda p: flip(p, 39_000)]
)
def test_a_file_that_changes_during_the_put(tmp_path, time, change):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    cloud = Cloud(tmp_path)
    real = cloud.put

    async def put(url, headers, source):
        readinto = source.readinto

        def once(out):
            source.readinto = readinto
            change(clip.audio_path)
            return readinto(out)

        source.readinto = once
        await real(url, headers, source)

    cloud.put = put
    found, after = attempt(tmp_path, time, cloud, clip, store)
    assert found == "damaged" and after.state == CREATED
    assert "complete" not in cloud.names()


def test_a_read_error_is_the_clips_not_everybodys(tmp_path, time, monkeypatch):
    from device.transfer import source

    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    monkeypatch.setattr(source, "open", fakes.failing_open(5, -1, mode="r"), raising=False)
    cloud = Cloud(tmp_path)
    for tries in range(1, 5):
        with pytest.raises(Transient) as error:
            attempt(tmp_path, time, cloud, clip, store)
        assert error.value.code == "read_failed"
        assert store.after(0).record["reads"] == tries
    assert attempt(tmp_path, time, cloud, clip, store)[0] == "damaged"
    assert cloud.names() == ["create"] + 5 * ["upload_url"]


def test_under_a_second_no_recording_is_made(tmp_path, time):
    store = fakes.make_store(tmp_path)
    cloud = Cloud(tmp_path)
    short = fakes.add_clip(store, 15_999)
    assert attempt(tmp_path, time, cloud, short, store)[0] == "too_short"
    assert cloud.calls == []
    tail = fakes.add_clip(store, 15_999, take=1, index=1, first=16_000)
    assert attempt(tmp_path, time, cloud, tail, store)[0] is None


def test_an_unknown_codec_is_the_clips(tmp_path, time):
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    os.rename(clip.audio_path, clip.stem + ".opus")
    store.save(clip, codec="opus")
    cloud = Cloud(tmp_path)
    assert attempt(tmp_path, time, cloud, clip, store)[0] == "damaged"
    assert "put" not in cloud.names()


@given(st.integers(1, 5000), st.lists(st.integers(1, 9000), min_size=1, max_size=20))
def test_a_source_gives_the_same_bytes_in_any_pieces(tmp_path_factory, samples, pieces):
    store = fakes.make_store(tmp_path_factory.mktemp("s"))
    clip = fakes.add_clip(store, samples)
    source = ClipSource(clip, WavCodec(16000))
    for _ in range(2):
        source.rewind()
        data, turn = b"", 0
        assert not source.is_intact()
        while len(data) < source.length:
            size = min(pieces[turn % len(pieces)], source.length - len(data))
            out = memoryview(bytearray(size))
            data += bytes(out[: source.readinto(out)])
            turn += 1
        assert source.is_intact()
        assert source.sha256_hex == hashlib.sha256(data).hexdigest()
        assert data[44:] == fakes.pcm(samples) and data[40:44] == (2 * samples).to_bytes(
            4, "little"
        )
    source.close()
    source.close()


def test_half_a_pass_is_never_intact(tmp_path):
    clip = fakes.add_clip(fakes.make_store(tmp_path), 20_000)
    source = ClipSource(clip, WavCodec(16000))
    source.rewind()
    for size in (44, 20_000, 19_999):
        source.readinto(memoryview(bytearray(size)))
        assert not source.is_intact() and source.sha256_hex is None
    source.close()


def test_a_recording_whose_record_and_length_disagree_is_not_sent(tmp_path, time):
    """The WAV header states the samples, the request the bytes: they must fit (B46)."""
    store = fakes.make_store(tmp_path)
    clip = fakes.add_clip(store, 20_000)
    store.save(clip, samples=19_000)
    cloud = Cloud(tmp_path)
    assert attempt(tmp_path, time, cloud, clip, store)[0] == "damaged"
