"""A card's contents on the laptop: checked, keyed as by the recorder, the card untouched."""

import hashlib
import json

import fakes
import pytest

from device.store.clip import PARKED
from tools.recorder.collected import clips_in, has_clip
from tools.recorder.collecting import pull_card
from tools.recorder.errors import UsageError


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "card"
    path.mkdir()
    return path


def contents(card):
    return {str(p): p.read_bytes() for p in sorted(card.rglob("*")) if p.is_file()}


def test_a_card_is_pulled_and_left_as_it_was(card, tmp_path):
    store = fakes.make_store(card)
    fakes.add_clip(store)
    damaged = fakes.add_clip(store)
    aside = fakes.add_clip(store)
    aside.save(state=PARKED, why="refused")
    with open(damaged.audio_path, "r+b") as f:
        f.seek(300)
        f.write(b"\xff\xff\xff")
    before = contents(card)
    with pytest.raises(UsageError, match="--device"):
        pull_card(card, tmp_path / "out", None, None)
    pulled = pull_card(card, tmp_path / "out", "REC-1", "0a0b0c0d")
    assert (pulled.new, pulled.left) == ([1], {2: "damaged", 3: "refused"})
    assert contents(card) == before
    clip = clips_in(tmp_path / "out")[0]
    data = clip.audio.read_bytes()
    assert hashlib.sha256(data).hexdigest() == clip.facts["sha256"]
    assert int.from_bytes(data[40:44], "little") == len(data) - 44  # the true header
    assert clip.facts["key"] == "rec-REC-1-0a0b0c0d-1"
    assert json.loads(clip.facts["body"])["metadata"]["device_recording_uuid"] == (
        "REC-1-0a0b0c0d-1"
    )
    assert pull_card(card, tmp_path / "out", "REC-1", "0a0b0c0d").known == [1]


def test_a_frozen_body_says_whose_card_it_is(card, tmp_path):
    store = fakes.make_store(card)
    clip = fakes.add_clip(store)
    body = b'{"name":"x"}'
    store.write_body(clip, b"rec-REC-9-0a0b0c0d-1\n" + body)
    clip.save(state="creating")
    pulled = pull_card(card, tmp_path / "out", None, None)
    assert pulled.device == "REC-9" and pulled.new == [1]
    kept = clips_in(tmp_path / "out")[0]
    assert kept.facts["body"] == body.decode() and has_clip(tmp_path / "out", kept.facts)
    with pytest.raises(UsageError, match="REC-9"):
        pull_card(card, tmp_path / "out", "REC-1", "0a0b0c0d")


def test_a_clip_cut_by_the_power_is_taken_as_recovery_would(card, tmp_path):
    store = fakes.make_store(card)
    clip = fakes.add_clip(store, samples=20_000)
    clip.save(state="open", samples=0, bytes=0, crc=0)
    pulled = pull_card(card, tmp_path / "out", "REC-1", "0a0b0c0d")
    assert pulled.new == [1]
    assert json.loads(clips_in(tmp_path / "out")[0].facts["body"])["metadata"]["cut"] == 1


def test_another_folder_is_no_card(tmp_path):
    with pytest.raises(UsageError, match="no recorder"):
        pull_card(tmp_path, tmp_path / "out", "REC-1", "0a0b0c0d")
