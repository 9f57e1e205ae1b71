"""capture.recorder with a microphone or a medium that fails: every ending has its reason, and a
take goes on, or another begins, where it can.
"""

import fakes
import pytest
from recorder_bench import Bench, Microphone

from device.errors import Fatal
from device.store import slots, writer


def test_a_microphone_that_fails_has_a_reason_and_no_exception(tmp_path, time):
    microphone = Microphone(100)
    microphone.fault = Fatal("microphone_failed", "errno=5")
    bench = Bench(tmp_path, time, microphone)
    bench.run(5, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "microphone_failed" and bench.clips() == []


class FailingFile:
    """An audio file that takes `limit` bytes in all."""

    left = 0
    number = 28

    def __init__(self, *how):
        self._f = open(*how, 0)

    def write(self, data):
        if FailingFile.left < len(data):
            raise OSError(FailingFile.number, "fake")
        FailingFile.left -= len(data)
        return self._f.write(data)

    def __getattr__(self, name):
        return getattr(self._f, name)


@pytest.mark.parametrize("number, code", [(28, "storage_full"), (5, "storage_failed")])
@pytest.mark.parametrize("limit", [10, 44, 3000, 8192, 20_000])
def test_a_medium_that_fails_in_the_middle_ends_with_a_reason(
    tmp_path, time, monkeypatch, number, code, limit
):
    monkeypatch.setattr(writer, "open", FailingFile, raising=False)
    monkeypatch.setattr(FailingFile, "left", limit)
    monkeypatch.setattr(FailingFile, "number", number)
    bench = Bench(tmp_path, time, Microphone(40_000))
    bench.run(9, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == code and bench.microphone.starts == 1
    assert any("recording ended reason=" + code in line for line in bench.lines)
    last = bench.clips()[-1]
    assert (last.state, bench.torn) == ("open", [last.number]), "left to recovery, and told"
    assert bench.store.open_number == 0
    audio = bench.audio()
    assert fakes.pcm(40_000).startswith(audio) and len(audio) > limit - 2200, (
        "but for the write that failed"
    )


def test_continuous_recording_goes_on_when_there_is_room_again(tmp_path, time, monkeypatch):
    monkeypatch.setattr(writer, "open", FailingFile, raising=False)
    monkeypatch.setattr(FailingFile, "left", 10_000)
    bench = Bench(tmp_path, time, Microphone(10**9), mode="continuous")
    bench.run(100, *[None] * 5, lambda: setattr(FailingFile, "left", 10**9))
    assert bench.recorder.is_recording()
    takes = [clip.record["take"] for clip in bench.clips()]
    assert len(set(takes)) > 1 and max(takes) > min(takes)


def test_the_reserve_ends_a_take_before_the_medium_is_full(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9), clip_samples=64_000)

    def free_bytes():
        _, writer = bench.store.opened or (None, None)
        return 65_536 + 50_000 - (writer.size_bytes if writer else 0)

    bench.storage.free_bytes = free_bytes
    bench.run(9, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "storage_full"
    (clip,) = bench.clips()
    assert clip.state == "closed" and clip.record["last"] == 1
    assert 50_000 - 2048 <= clip.record["bytes"] <= 50_044 + 2048
    assert bench.audio() == fakes.pcm(clip.record["samples"])


def test_no_room_at_the_start_opens_nothing(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9), mode="continuous")
    bench.storage.free = 1000
    bench.run(60)
    assert bench.recorder.reason.code == "storage_full" and bench.microphone.starts == 0
    assert not [name for name in fakes.tree(tmp_path) if "." in name]
    bench.storage.free = 10**7
    bench.run(15)
    assert bench.microphone.starts == 1, "and it goes on without a reboot"


def test_a_record_that_cannot_be_written_leaves_the_clip_for_recovery(tmp_path, time, monkeypatch):
    bench = Bench(tmp_path, time, Microphone(6_000))
    opener = fakes.failing_open(28, -1, match=".r0")  # the first record is .r1
    monkeypatch.setattr(slots, "open", opener, raising=False)
    bench.run(5, None, lambda: bench.recorder.want(True))
    (clip,) = bench.clips()
    assert clip.state == "open" and bench.audio() == fakes.pcm(6_000)
    assert any("reason=storage_full" in line for line in bench.lines)
    assert bench.store.open_number == 0


def test_the_reason_stays_until_something_changes(tmp_path, time):
    bench = Bench(tmp_path, time, Microphone(10**9))
    bench.storage.free = 1000
    bench.run(60, None, lambda: bench.recorder.want(True))
    assert bench.recorder.reason.code == "storage_full"


def test_a_microphone_that_falls_silent_ends_the_take_with_a_reason(tmp_path, time):
    microphone = Microphone(8_000)
    bench = Bench(tmp_path, time, microphone, mode="continuous")
    microphone.at_end = None
    seen = []

    def look():
        seen.append((bench.recorder.reason.code, bench.recorder.reason.detail))

    def come_back():
        microphone._left = 4_000

    bench.run(40, None, None, look, None, look, come_back)  # one each 4 s
    assert [code for code, _ in seen] == ["recording", "microphone_failed"]
    assert "no sample for 10 s" in seen[1][1]
    first, second = bench.clips()
    assert (first.state, first.record["last"]) == ("closed", 1)
    assert first.record["take"] != second.record["take"], "it is tried again"
    assert bench.audio() == fakes.pcm(12_000)
