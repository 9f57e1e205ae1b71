"""Transcriptions end with words where the recogniser is installed, else with the reason."""

import importlib.util
import io

import numpy
import pytest
import soundfile

from tools.cloud import transcriber


def wav(seconds, rate_hz=16_000, channels=1):
    noise = numpy.random.default_rng(1).integers(-2000, 2000, (int(seconds * rate_hz), channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise.astype("int16"), rate_hz, format="WAV")
    return buffer.getvalue()


@pytest.fixture
def transcribe(recorder, operator):
    """Deliver `data`, ask for its text, and wait for the end of it."""

    def run(data):
        recording_id = recorder.uploaded(data)
        assert recorder.complete(recording_id, data).status_code == 200
        made = operator.post("/transcriptions", json={"recording_id": recording_id})
        assert made.status_code == 201
        for _ in range(5000):
            shown = operator.get(f"/transcriptions/{made.json()['id']}").json()
            if shown["status"] in ("completed", "failed"):
                recording = operator.get(f"/recordings/{recording_id}").json()
                assert recording["status"] == "uploaded"
                assert recording["transcription_id"] == shown["id"]
                return shown
        raise AssertionError(f"still {shown['status']}")

    return run


@pytest.mark.parametrize(
    ("data", "code"), [(b"x", "unsupported_format"), (wav(0.5), "audio_too_short")]
)
def test_what_is_no_speech_fails_with_its_code(transcribe, data, code):
    shown = transcribe(data)
    assert (shown["status"], shown["error"]["code"]) == ("failed", code)
    assert shown["full_text"] is None


@pytest.mark.skipif(transcriber.is_available(), reason="the recogniser is installed")
def test_without_the_recogniser_the_reason_is_told(transcribe):
    shown = transcribe(wav(1.5))
    assert (shown["status"], shown["error"]["code"]) == ("failed", "processing_error")
    assert "make asr" in shown["error"]["message"]


@pytest.mark.skipif(not transcriber.is_available(), reason="needs the extra pocketsphinx")
def test_the_recogniser_runs(transcribe):
    shown = transcribe(wav(1.5))
    assert (shown["status"], shown["error"]) == ("completed", None)
    assert isinstance(shown["full_text"], str)


def test_the_switch_transcribes_by_itself(cloud, recorder, operator):
    cloud.switches.auto_transcribe = True
    recording_id = recorder.uploaded(b"x")
    shown = recorder.complete(recording_id, b"x").json()
    assert operator.get(f"/transcriptions/{shown['transcription_id']}").status_code == 200


def test_nothing_is_transcribed_before_it_is_delivered(recorder, operator):
    answer = operator.post("/transcriptions", json={"recording_id": recorder.create()})
    assert answer.status_code == 409


def test_any_rate_and_channels_become_16_khz_mono():
    samples = transcriber.decode(wav(2, rate_hz=48_000, channels=2))
    assert samples.dtype == numpy.int16
    assert len(samples) == pytest.approx(32_000, abs=2)


def test_the_extra_is_looked_up_without_importing_it():
    found = importlib.util.find_spec("pocketsphinx") is not None
    assert transcriber.is_available() == found
