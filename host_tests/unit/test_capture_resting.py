"""capture.resting: a recorder that is denied a take, waits for its hour, or dozes in silence."""

import fakes
from recorder_bench import RATE_HZ, Bench, Microphone

from device.capture.gate import Gate
from device.capture.preroll import PreRoll
from device.capture.resting import RestingRecorder


def test_a_denied_take_is_closed_whole_and_by_the_button_it_stays_so(tmp_path, time):
    microphone = Microphone(1_000_000)
    bench = Bench(tmp_path, time, microphone, clip_samples=16_000_000, kind=RestingRecorder)
    recorder = bench.recorder
    press = lambda: recorder.want(True)  # noqa: E731
    bench.run(20, press, None, None, lambda: recorder.deny("battery_low"))
    assert recorder.reason.code == "battery_low" and not recorder.is_recording()
    (clip,) = bench.clips()
    assert clip.record["last"] == 1 and clip.record["samples"] > 5 * RATE_HZ
    assert bench.audio() == fakes.pcm(clip.record["samples"])
    assert recorder.rests_ms() > 3_600_000
    bench.run(20, press, None, lambda: recorder.deny(None))
    assert microphone.starts == 1 and recorder.reason.code == "idle"
    bench.run(20, press)
    assert microphone.starts == 2


def test_a_mode_that_begins_by_itself_goes_on_when_it_is_no_longer_denied(tmp_path, time):
    microphone = Microphone(10_000_000)
    bench = Bench(
        tmp_path,
        time,
        microphone,
        mode="continuous",
        clip_samples=16_000_000,
        kind=RestingRecorder,
    )
    deny = bench.recorder.deny
    bench.run(20, None, lambda: deny("battery_low"), None, None, lambda: deny(None))
    assert microphone.starts == 2 and bench.recorder.reason.code == "recording"
    assert bench.recorder.rests_ms() == 0


def test_how_long_nothing_begins_by_itself(tmp_path, time):
    from device.capture.schedule import Schedule

    bench = Bench(tmp_path, time, Microphone(0), mode="schedule", kind=RestingRecorder)
    recorder = bench.recorder
    recorder._schedule = Schedule(["13:00-14:00"], 0)
    assert recorder.rests_ms() > 3_600_000, "the time is not known: nothing can begin"
    bench.clock.witness(fakes.T0 * 1000, 20, "ntp")  # noon
    assert recorder.rests_ms() == 3_600_000
    time.advance(3_600_000)
    assert recorder.rests_ms() == 0
    recorder.want(False)
    assert recorder.rests_ms() > 3_600_000


def test_a_recorder_that_dozes_stops_its_microphone_and_comes_back(tmp_path, time, monkeypatch):
    quiet = bytes((n * 37) % 200 if not n & 1 else 0 for n in range(4096))
    monkeypatch.setattr(fakes, "pcm", lambda frames, start: quiet[: 2 * frames])
    microphone = Microphone(10_000_000)
    gate = Gate(RATE_HZ, -30, 9, 0, 1)
    bench = Bench(
        tmp_path, time, microphone, mode="activity", preroll=PreRoll(64_000, 16_000, 512),
        parts=(gate, None, None),
        kind=RestingRecorder,
    )  # fmt: skip
    recorder, seen = bench.recorder, []

    def look(dozes=None):
        seen.append((recorder.quiet_ms() > 1000, recorder.rests_ms() > 0, recorder.reason.code))
        if dozes is not None:
            recorder.doze(dozes)

    bench.run(50, None, None, lambda: look(True), look, lambda: look(False), None, look)
    assert seen == [
        (True, False, "armed"),
        (False, True, "dozing"),
        (False, True, "dozing"),
        (True, False, "armed"),
    ]
    assert microphone.starts == 2 and bench.clips() == []
