"""What the rescue program writes and sends is what the full program would: formats held equal.

The full program's own code is the judge. Random records come from a printed seed.
"""

import json
import os
import pathlib
import random
import types

import pytest

from device import codec as codecs
from device.api import dialect
from device.hal.esp32 import boards
from device.link.clock import Clock
from device.store import paths
from device.store.clip import Clip, is_valid
from device.store.slots import Slots, parse
from rescue import aside, clips, esp32_pins, freeze, headers, ntp, program, sending, settings
from rescue.ends import ASIDE, LATER, End

CHUNK_FILES = (".c", ".p0", ".p1")
SEED = random.SystemRandom().randrange(10**6)


@pytest.fixture(autouse=True)
def micropython(monkeypatch):
    """What clips.py takes of MicroPython's os and CPython's has not."""

    def ilistdir(path):
        return [(name, 0, 0) for name in os.listdir(path)]

    monkeypatch.setattr(os, "ilistdir", ilistdir, raising=False)


def records(count):
    print("seed", SEED)
    rng = random.Random(SEED)
    for number in range(1, count + 1):
        samples = rng.randrange(8000, 16000 * 500)
        record = {
            "n": number,
            "state": "closed",
            "codec": rng.choice(("wav", "flac")),
            "hz": rng.choice((8000, 16000, 48000)),
            "samples": samples,
            "bytes": 44 + 2 * samples,
            "crc": rng.randrange(1 << 32),
            "take": max(1, number - rng.randrange(3)),
            "index": rng.randrange(3),
            "first": rng.randrange(1 << 30),
            "boot": rng.randrange(1, 6),
            "up": rng.randrange(1 << 32),
            "last": rng.randrange(2),
        }
        optional = {
            "epoch": rng.randrange(4),
            "start": 1772366400000 + rng.randrange(10**9),
            "doubt": rng.randrange(5000),
            "nb": 1793491200 + rng.randrange(10**6),
            "lost": 512,
            "gaps": [[1, 2, 3]],
            "skips": [[100, 16000], [9000, 8000]],
            "cut": 1,
            "snr": 30,
            "mic": "microphone_dead",
            "ppm": -12,
            "lev": [-10, -200, -600, 0, 33],
            "facts": [rng.randrange(14, 900), rng.randrange(900, 2066)],
        }
        for name in optional:
            if rng.randrange(2):
                record[name] = optional[name]
        yield record


BOOTS = {
    "1": [1772366400000, 5000, 0, 40],
    "2": [1772366400000, 5000, -900, 40],
    "3": [1772366400000, 5000, 1200],
    "4": "noise",
}


def test_create_bodies_are_equal(tmp_path):
    port = types.SimpleNamespace(build_unix_s=0)
    clock = Clock(port, 99, None)
    (tmp_path / "state").mkdir()
    slots = Slots("boots2", str(tmp_path / "state" / "boots"))
    slots.write(BOOTS)
    clock.attach(slots)
    boots = clips.read_slots("boots2", str(tmp_path / "state" / "boots"))[1]
    assert boots == BOOTS
    for record in records(300):
        start = clock.start_of(record)
        assert freeze.start_of(record, boots) == start
        clip = types.SimpleNamespace(record=record, number=record["n"])
        theirs = dialect.create_body(clip, "dev", "0a0b", start)
        assert json.loads(freeze.create_body(record, "dev", "0a0b", start)) == json.loads(theirs)


def test_true_headers_are_equal():
    for record in records(300):
        stored = codecs.format_of(record["codec"], record["hz"])
        out = bytearray(96)
        size = stored.upload_header(record["samples"], record.get("facts") or [0, 0], out)
        if record["codec"] == "flac":
            record["bytes"] = 42 + 20 * ((record["samples"] + 1023) // 1024)
        assert headers.true_header(record) == bytes(out[:size])
        rng = random.Random(record["n"])
        record["bytes"] += rng.choice((-2, -1, 1, 40, 10**7, -(10**4)))
        if stored.fits(record["samples"], record["bytes"]):
            headers.true_header(record)
        else:
            with pytest.raises(End) as refused:
                headers.true_header(record)
            assert (refused.value.kind, refused.value.code) == (ASIDE, "damaged")


def test_records_go_to_and_fro(tmp_path):
    """Either program reads what the other wrote, and the newest of both slots wins."""
    for record in records(50):
        number = record["n"]
        paths.make_folders(str(tmp_path), number)
        theirs = Clip(number, paths.stem(str(tmp_path), number), record)
        theirs.save()
        ours = clips.Clip(str(tmp_path), number)
        assert ours.record == record and ours.stem == theirs.stem
        assert ours.audio_path == theirs.audio_path
        ours.save(state="creating", body=7)
        assert theirs.load() and theirs.record == dict(record, state="creating", body=7)
        theirs.save(state="created", rid="rec_1")
        ours = clips.Clip(str(tmp_path), number)
        ours.save(body=None)
        assert theirs.load() and theirs.record == dict(record, state="created", rid="rec_1")
        assert len([slot for slot in "01" if os.path.exists(theirs.stem + ".r" + slot)]) == 1
    assert list(clips.numbers(str(tmp_path) + "/clips")) == list(range(1, 51))


def test_numbers_are_those_of_the_full_program(tmp_path):
    numbers = [1, 7, 8, 255, 256, 8191, 8192, 70000, 0x0FFFFFFF]
    for number in numbers:
        paths.make_folders(str(tmp_path), number)
        for extension in ("r0", "wav"):
            pathlib.Path(f"{paths.stem(str(tmp_path), number)}.{extension}").touch()
    for stray in ("readme", "0000/zz", "0000/00/ff.txt"):
        (tmp_path / "clips" / stray).mkdir(parents=True)
    assert list(clips.numbers(f"{tmp_path}/clips")) == numbers
    after, walked = 0, []
    while after is not None:
        after = paths.next_number(str(tmp_path), after)
        walked += [after] if after else []
    assert walked == numbers


@pytest.mark.parametrize("kept", range(0, 100, 7))
def test_a_torn_record_leaves_the_old_one(tmp_path, kept):
    record = next(records(1))
    paths.make_folders(str(tmp_path), 1)
    Clip(1, paths.stem(str(tmp_path), 1), record).save()
    ours = clips.Clip(str(tmp_path), 1)
    old_slot, new_slot = pathlib.Path(ours.stem + ".r1"), pathlib.Path(ours.stem + ".r0")
    old = old_slot.read_bytes()
    ours.save(state="creating")
    new = new_slot.read_bytes()
    assert parse("clip1", new)[1]["state"] == "creating"
    old_slot.write_bytes(old)  # the cut came before it was removed
    new_slot.write_bytes(new[: len(new) * kept // 100])
    assert clips.Clip(str(tmp_path), 1).record == record


def test_records_that_the_full_program_refuses_are_refused(tmp_path):
    paths.make_folders(str(tmp_path), 1)
    good = next(records(1))
    changes = [{"n": 2}, {"state": "lost"}, {"hz": 0}, {"hz": "1"}, {"samples": -1}, {"crc": None}]
    changes += [{"codec": "../x"}, {"up": 1.5}, {"take": []}]
    for change in changes:
        record = good | change
        assert not is_valid(record, 1), change
        Slots("clip1", paths.stem(str(tmp_path), 1) + ".r").write(record)
        assert clips.Clip(str(tmp_path), 1).record is None, change
    for name in ("n", "state", "codec", "hz", "crc"):
        record = {key: good[key] for key in good if key != name}
        Slots("clip1", paths.stem(str(tmp_path), 1) + ".r").write(record)
        assert clips.Clip(str(tmp_path), 1).record is None, name


def test_freeing_needs_proof_and_takes_all_away(tmp_path):
    record = next(records(1))
    paths.make_folders(str(tmp_path), 1)
    theirs = Clip(1, paths.stem(str(tmp_path), 1), record)
    theirs.save()
    # .c, .p0, .p1: it was begun in chunks, and goes whole here.
    for path in (theirs.audio_path, theirs.body_path, *[theirs.stem + e for e in CHUNK_FILES]):
        pathlib.Path(path).touch()
    ours = clips.Clip(str(tmp_path), 1)
    with pytest.raises(ValueError):
        ours.free()
    ours.save(state="done")
    ours.free()
    assert [p for p in (tmp_path / "clips").rglob("*")] == []


def test_what_was_freed_is_noted_by_a_full_medium_too(tmp_path, monkeypatch):
    calls = []

    def full_until_it_is_freed(path, mode):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "no space")
        return open(path, mode)

    (tmp_path / "state").mkdir()
    paths.make_folders(str(tmp_path), 1)
    record = next(records(1)) | {"state": "done", "skips": [[100, 16000]]}
    Clip(1, paths.stem(str(tmp_path), 1), record).save()
    ours = clips.Clip(str(tmp_path), 1)
    monkeypatch.setattr(clips, "open", full_until_it_is_freed, raising=False)
    ours.free()
    noted = (tmp_path / "state" / "rescued").read_text().split("\n")
    assert [bool(line) for line in noted] == [False, True, False] and len(calls) == 2
    fields = json.loads(noted[1])
    assert fields == {name: value for name, value in record.items() if name in clips._NOTED}
    assert {"boot", "up", "hz", "samples", "skips"} <= set(fields)


@pytest.mark.parametrize("state, why", [("closed", None), ("completing", "in_chunks")])
def test_whether_chunks_became_a_recording_is_not_ours_to_ask(tmp_path, state, why):
    paths.make_folders(str(tmp_path), 1)
    Clip(1, paths.stem(str(tmp_path), 1), next(records(1))).save(
        state=state, via="chunks", epoch=2
    )
    asked = types.SimpleNamespace(secrets=types.SimpleNamespace(counter=lambda name: 2))
    assert program.Program._stands(asked, clips.Clip(str(tmp_path), 1)) == why


def test_set_aside_deaths_and_revival(tmp_path):
    record = next(records(1))
    paths.make_folders(str(tmp_path), 1)
    theirs = Clip(1, paths.stem(str(tmp_path), 1), record)
    theirs.save(state="quarantined", why="kills_device", was="created", deaths=3)
    ours = clips.Clip(str(tmp_path), 1)
    assert aside.revive(ours) and ours.state == "created" and "why" not in ours.record
    assert [aside.count_death(ours) for _ in range(3)] == [4, 5, 6]
    assert ours.state == "quarantined" and ours.record["was"] == "created"
    assert not aside.revive(ours)
    theirs.save(state="quarantined", why="kills_device", was="open", deaths=3)
    assert not aside.revive(clips.Clip(str(tmp_path), 1)), "the repair of it kills"
    theirs.save(state="closed")
    aside.set_aside(ours, "conflict", 'a "quote" and é')
    assert ours.record["said"] == "a ?quote? and ?" and ours.state == "parked"


def test_the_card_is_wired_as_the_boards_tables_say():
    def pin(number):
        return ("pin", number)

    for name, table in boards.BOARDS.items():
        texts = {"esp32": "with ESP32", "esp32s3": "with ESP32S3", "esp32c3": "with ESP32-C3"}
        ours = esp32_pins.read("module " + texts[table["chip"]], "/there/is/none")
        for key in ours:
            assert ours[key] == table[key], (name, key)
    assert set(texts) == {table["chip"] for table in boards.BOARDS.values()}


def test_board_json_is_read_tolerantly(tmp_path):
    path = tmp_path / "board.json"
    for text in ("", "[1]", "{", '{"board": "unknown"}', '{"board": 7}'):
        path.write_text(text)
        assert esp32_pins.read("x with ESP32S3", str(path))["storage"] == "sdmmc", text
    path.write_text('{"board": "esp32-sd", "sd_cs_pin": 22}')
    assert esp32_pins.read("x with ESP32", str(path))["sd_cs_pin"] == 22


def test_settings_from_whatever_can_be_read(tmp_path):
    (tmp_path / "state").mkdir()
    path = tmp_path / "config.json"
    read = lambda: settings.read(str(tmp_path), str(path))  # noqa: E731
    assert read() == ([], "https://api.bota.dev", "pool.ntp.org")
    Slots("config1", str(tmp_path / "state" / "config")).write(
        {"wifi.networks": ["kept"], "cloud.api_url": "https://kept.example"}
    )
    assert read() == (["kept"], "https://kept.example", "pool.ntp.org")
    path.write_text('{"wifi": {"networks": ["new", 7]}, "cloud": {"api_url": "http://plain"}}')
    assert read() == (["new"], "https://api.bota.dev", "pool.ntp.org")
    for broken in ('{"wifi": {"networks', "[]", '{"wifi": []}', "\x00"):
        path.write_text(broken)
        assert read() == (["kept"], "https://kept.example", "pool.ntp.org"), broken


def test_defaults_are_those_of_the_settings_table(tmp_path):
    from device import config

    defaults = config.defaults()
    networks, api_url, server = settings.read(str(tmp_path), str(tmp_path / "none"))
    assert networks == defaults["wifi.networks"] and api_url == defaults["cloud.api_url"]
    assert server == defaults["clock.ntp_server"]


@pytest.mark.parametrize(
    "url, parts",
    [
        ("https://a.b/c?d=/e", ("a.b", 443, "a.b", "/c?d=/e")),
        ("https://A.b:444", ("a.b", 444, "A.b:444", "/")),
        ("https://a.b:443?x", ("a.b", 443, "a.b", "/?x")),
    ],
)
def test_urls_are_split_without_changing_a_byte(url, parts):
    assert sending.split(url) == parts


@pytest.mark.parametrize(
    "url", ["http://a.b/", "https://u@a.b/", "https:///x", "https://a b/", "https://a/#x", "x", ""]
)
def test_urls_that_cannot_be_used(url):
    with pytest.raises(End) as refused:
        sending.split(url)
    assert refused.value.kind == LATER


def test_ntp_packets_that_cannot_be_believed():
    nonce = b"12345678"
    good = bytes([0x24, 2]) + bytes(22) + nonce + bytes(8) + (3981355200).to_bytes(4, "big")
    good += bytes(4)
    assert ntp.read(good, nonce) == 3981355200 - 2208988800
    era_1 = good[:40] + (5).to_bytes(4, "big") + bytes(4)
    assert ntp.read(era_1, nonce) == (1 << 32) + 5 - 2208988800
    for bad in (good[:47], b"\x23" + good[1:], b"\xe4" + good[1:], good[:1] + b"\x00" + good[2:]):
        with pytest.raises(End):
            ntp.read(bad, nonce)
    with pytest.raises(End):
        ntp.read(good, b"87654321")
    with pytest.raises(End):
        ntp.read(good[:40] + bytes(8), nonce)
