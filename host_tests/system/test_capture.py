"""Capture on the real thing: triggers, silence left out, gaps filled, a microphone that is dead.

Each clip is laid along what the microphone heard, by the places that its metadata states.
"""

import os
import signal
import time

import numpy as np
import pytest

from tools.sim.proof import collect, list_recordings

RATE_HZ = 16000
NOISE = 20  # steps of the quiet room


def room(seconds: float, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(-NOISE, NOISE + 1, int(seconds * RATE_HZ)).astype("<i2")


def scene(speech: np.ndarray, *parts: float) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Rooms and speech in turn, in seconds; (samples, places of the speech)."""
    pieces, spoken, at, used = [], [], 0, 0
    for turn, seconds in enumerate(parts):
        size = int(seconds * RATE_HZ)
        if turn % 2:
            pieces.append(speech[used : used + size])
            spoken.append((at, at + size))
            used += size
        else:
            pieces.append(room(seconds, turn))
        at += size
    return np.concatenate(pieces).astype("<i2"), spoken


def places(proof, metadata: dict) -> np.ndarray:
    """The place of each sample of a clip on the axis of its take."""
    places = proof.first_sample + np.arange(len(proof.samples))
    for sample, left_out in metadata.get("left_out", []):
        places[sample:] += left_out
    return places


def delivered(made) -> list[tuple]:
    """(proof, metadata) of each clip, faultless, in order."""
    with made.cloud.operator() as operator:
        rows = {row["id"]: row["metadata"] for row in list_recordings(operator)}
    proofs = collect(made.cloud, made.board.serial())
    assert [fault for proof in proofs for fault in proof.faults] == []
    return [(proof, rows[proof.recording]) for proof in proofs]


def hear(made, samples: np.ndarray) -> None:
    made.samples = samples
    made.heard.write_bytes(samples.tobytes())


@pytest.mark.parametrize("codec", ["flac", "wav"])
def test_activity_records_what_is_said_from_before_it_begins(bench, engine, codec):
    made = bench(engine, 12)
    samples, spoken = scene(made.samples, 4, 6, 12, 5, 9)
    hear(made, samples)
    activity = {"hang_over_s": 3, "pre_roll_s": 1}
    made.equip(recording={"mode": "activity", "codec": codec}, activity=activity)
    made.board.start()
    made.board.control.wait_event("microphone_end", 60)
    status = made.wait_delivered(recorder="armed")
    assert status["recorder"]["ends_when"] == "somebody speaks"
    found = delivered(made)
    assert len(found) == len(spoken)
    text = samples.tobytes()
    for (proof, metadata), (begin, end) in zip(found, spoken, strict=True):
        at = text.find(proof.samples.tobytes())
        assert at >= 0 and at % 2 == 0, "it is a piece of what was heard, without a break"
        at //= 2
        # The gate opens within 0.5 s of speech; the second before that is there too.
        assert begin - 1.5 * RATE_HZ <= at <= begin - 0.5 * RATE_HZ
        assert end + 2 * RATE_HZ <= at + len(proof.samples) <= end + 5 * RATE_HZ
        assert proof.is_last and metadata["first_sample"] == 0
        assert metadata["floor_dbfs_x10"] < -600 < -400 < metadata["rms_dbfs_x10"]
        assert 2 <= metadata["active_s"] <= 7


def test_silence_is_left_out_and_every_place_is_true(bench, engine):
    made = bench(engine, 15)
    samples, spoken = scene(made.samples, 1, 5, 20, 5, 20, 4, 3)
    hear(made, samples)
    made.equip(recording={"leave_out_silence": True}, activity={"hang_over_s": 2})
    made.board.start()
    made.record_all()
    made.wait_delivered()
    found = delivered(made)
    assert {proof.take for proof, _ in found} == {found[0][0].take}
    kept = np.zeros(len(samples), bool)
    # The take's axis begins with its pre-roll: find where that is in the room before.
    start = samples.tobytes().find(found[0][0].samples[:4000].tobytes()) // 2
    assert 0 <= start <= spoken[0][0]
    for proof, metadata in found:
        at = start + places(proof, metadata)
        assert np.array_equal(samples[at], proof.samples)
        kept[at] = True
    assert sum(len(metadata.get("left_out", [])) for _, metadata in found) == 2
    for begin, end in spoken:
        assert kept[begin:end].all(), "nothing that was said is missing"
    assert kept.mean() < 0.7, "and most of the silence is"


def test_a_stall_beyond_the_buffers_is_filled_and_placed(bench):
    made = bench("micropython", 14)
    made.equip(speed=1)
    made.board.start()
    made.board.command("press")
    made.wait_status(lambda status: status["recorder"]["take_samples"] > 2 * RATE_HZ)
    os.kill(made.board.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(made.board.pid, signal.SIGCONT)
    made.board.control.wait_event("microphone_end", 60)
    made.board.command("press")
    made.wait_status(lambda status: status["recorder"]["code"] == "idle")
    made.wait_delivered()
    ((proof, metadata),) = delivered(made)
    assert len(proof.samples) == len(made.samples), "later times stay true"
    lost = np.zeros(len(made.samples), bool)
    for begin, length, count in metadata["gaps"]:
        assert 0 < count <= length
        lost[begin : begin + length] = True
    assert np.array_equal(proof.samples[~lost], made.samples[~lost])
    assert metadata["lost_samples"] >= RATE_HZ, "3 s of stall against 1 s of buffers"
    assert (proof.samples[lost] == 0).sum() >= metadata["lost_samples"]
    assert made.board.resets == []


def test_the_schedule_waits_for_the_time_and_for_its_window(bench, engine):
    made = bench(engine, 6)
    always = {"windows": ["00:00-12:00", "12:00-24:00"], "utc_offset_min": 60}
    made.equip(recording={"mode": "schedule"}, schedule=always)
    made.board.start()
    made.board.control.wait_event("microphone_end", 60)
    assert "time set" in made.board.serial().split("clip opened")[0]
    made.board.kill()
    now_min = int(time.time()) // 60 % 1440
    later = [(now_min + 600) % 1440, (now_min + 660) % 1440]
    window = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in later)
    made.equip(recording={"mode": "schedule"}, schedule={"windows": [window]})
    made.board.start()
    status = made.wait_status(lambda status: status["recorder"]["code"] == "off_schedule")
    assert 590 * 60 < status["recorder"]["again_in_s"] <= 600 * 60
    made.board.kill()
    made.equip(
        recording={"mode": "schedule"}, schedule={"windows": [window]}, wifi={"networks": []}
    )
    made.board.start()
    status = made.wait_status(lambda status: status["recorder"]["code"] == "time_unknown")
    assert "time is known" in status["recorder"]["ends_when"]


def test_a_dead_microphone_is_not_recorded_as_fine(bench, engine):
    made = bench(engine, 6)
    hear(made, np.concatenate([made.samples[: 2 * RATE_HZ], np.zeros(6 * RATE_HZ, "<i2")]))
    made.equip()
    made.board.start()
    made.board.command("press")
    made.board.control.wait_event("microphone_end", 60)
    status = made.wait_status(lambda status: status["recorder"]["code"] == "microphone_dead")
    assert status["indicator"] == "error" or made.wait_status(
        lambda status: status["indicator"] == "error"
    )
    made.board.command("press")
    made.wait_delivered()
    ((_, metadata),) = delivered(made)
    assert metadata["microphone"] == "microphone_dead"


def test_near_lossless_is_as_near_as_it_says(bench, engine):
    made = bench(engine, 40)
    made.equip(recording={"codec": "flac"}, cellular={"apn": "internet"})
    made.board.start()
    made.record_all()
    made.wait_delivered()
    proofs, missing = made.prove()
    assert missing == 0 and len(proofs) == 2
    for proof in proofs:
        assert proof.promised_snr_db == 30, "4G is configured"
        assert 32 <= proof.snr_db < 40
        assert proof.size_bytes < 0.24 * 2 * len(proof.samples)
