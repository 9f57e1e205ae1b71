"""store.recovery: what a power cut leaves, at any place, becomes a clip or nothing (B02, B10)."""

import asyncio
import os
import struct
from binascii import crc32

import fakes
import pytest

from device.codec.wav import WavCodec
from device.store.clip import CLOSED, CREATED, OPEN, QUARANTINED
from device.store.recovery import Recovery

RATE_HZ = 16000
FACTS = {"codec": "wav", "hz": RATE_HZ, "take": 0, "index": 0, "first": 0, "boot": 1, "up": 5}


class Board:
    """A medium that lost its power; boot() is the next start."""

    def __init__(self, folder, time):
        self.folder = folder
        self.time = time
        self.secrets = fakes.Secrets()
        self.notified = 0
        self.boot()

    def boot(self):
        self.store = fakes.make_store(self.folder, self.secrets)

    def torn_clip(self, audio, **facts):
        """An open clip whose file holds `audio` (None: there is no file)."""
        clip, writer = self.store.open({**FACTS, "epoch": 0, **facts})
        writer.close()
        if audio is None:
            os.remove(clip.audio_path)
        else:
            with open(clip.audio_path, "wb") as f:
                f.write(audio)
        return clip

    def recover(self, work_bytes=1024):
        self.boot()
        log, self.lines = fakes.make_log()

        def notify():
            self.notified += 1

        work = memoryview(bytearray(work_bytes))
        self.recovery = Recovery(self.store, work, log, notify)
        self.run()

    def run(self, pend=()):
        """Let recovery work until it only waits."""

        async def main():
            task = asyncio.create_task(self.recovery.run(lambda within_ms: None))
            for number in pend:
                await asyncio.sleep(1)
                self.recovery.pend(number)
            await asyncio.sleep(5)
            fakes.stop(task)

        fakes.run(main(), self.time)

    def clip(self, number):
        clip = self.store.clip(number)
        return clip if clip.load() else None


@pytest.fixture
def board(tmp_path, time):
    return Board(tmp_path, time)


def wav(samples, tail=b""):
    out = memoryview(bytearray(44))
    WavCodec(RATE_HZ).write_header(out)
    return bytes(out) + fakes.pcm(samples) + tail


@pytest.mark.parametrize("size_field", ["ffffffff", "00000000", "2c000000"])
def test_the_length_comes_from_the_file_whatever_the_header_says(board, size_field):
    audio = bytearray(wav(24_000))
    audio[40:44] = bytes.fromhex(size_field)
    board.torn_clip(audio)
    board.recover()
    record = board.clip(1).record
    assert (record["state"], record["cut"], record["last"]) == (CLOSED, 1, 1)
    assert (record["samples"], record["bytes"]) == (24_000, 48_044), "1.5 s"
    assert record["crc"] == crc32(fakes.pcm(24_000))
    assert (board.recovery.repaired, board.notified, board.store.waiting) == (1, 1, 1)


def test_half_a_sample_is_cut_off(board):
    board.torn_clip(wav(24_000, b"\x55"))
    board.recover(work_bytes=333)
    assert board.clip(1).record["bytes"] == 48_044
    assert board.clip(1).record["crc"] == crc32(fakes.pcm(24_000))


@pytest.mark.parametrize("size", [None, 0, 20, 44, 45])
def test_without_a_sample_nothing_is_left_and_nothing_is_in_the_way(board, size):
    board.torn_clip(None if size is None else wav(1)[:size])
    after = fakes.add_clip(board.store, 20_000)
    board.recover()
    assert board.clip(1) is None
    assert board.store.after(0).number == after.number
    assert not [name for name in fakes.tree(board.folder) if "00000001" in name]
    assert board.store.waiting == 1


def test_under_a_second_is_set_aside_with_its_reason(board):
    board.torn_clip(wav(15_999))
    board.torn_clip(wav(15_999), index=1, take=1, first=99)
    board.recover()
    record = board.clip(1).record
    assert (record["state"], record["why"]) == (QUARANTINED, "too_short")
    assert os.path.exists(board.clip(1).audio_path)
    assert board.clip(2).record["state"] == CLOSED, "the tail of a longer take goes"


def test_what_was_known_is_kept(board):
    board.torn_clip(wav(24_000), take=7, index=3, first=96_000, boot=9, up=777, epoch=2)
    board.recover()
    record = board.clip(1).record
    assert (record["take"], record["index"], record["first"]) == (7, 3, 96_000)
    assert (record["boot"], record["up"], record["epoch"]) == (9, 777, 2)


def test_it_is_repeatable_and_leaves_others_alone(board):
    whole = fakes.add_clip(board.store, 20_000)
    board.store.save(whole, state=CREATED, rid="rec_1")
    board.torn_clip(wav(24_000))
    board.recover()
    before = {name: os.path.join(board.folder, name) for name in fakes.tree(board.folder)}
    contents = {k: open(v, "rb").read() for k, v in before.items() if os.path.isfile(v)}
    board.recover()
    assert board.recovery.repaired == 0 and board.notified == 1
    assert contents == {k: open(before[k], "rb").read() for k in contents}
    assert board.clip(1).record["rid"] == "rec_1"


def test_interrupted_at_every_step_and_repeated(board, monkeypatch):
    """A second cut in the middle of the repair: one step further each time until it is through."""
    from device.store import recovery as module

    board.torn_clip(wav(24_000))

    class Cut(BaseException):
        pass

    original = module.sleep_ms
    for steps in range(60):
        left = [steps]

        def dying_sleep(ms, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Cut
            return original(ms)

        with monkeypatch.context() as patch:
            patch.setattr("device.codec.wav.sleep_ms", dying_sleep)
            try:
                board.recover()
                break
            except Cut:
                assert board.clip(1).state == OPEN
    assert steps > 10
    assert board.clip(1).record["samples"] == 24_000
    assert board.notified == 1


def test_a_torn_record_is_made_again_from_the_file(board):
    clip = board.torn_clip(wav(24_000))
    for name in os.listdir(os.path.dirname(clip.stem)):
        if ".r" in name:
            with open(os.path.dirname(clip.stem) + "/" + name, "wb") as f:
                f.write(b"clip1 1 0000")
    board.recover()
    record = board.clip(1).record
    assert (record["state"], record["samples"], record["hz"]) == (CLOSED, 24_000, RATE_HZ)
    assert (record["take"], record["index"], record["cut"]) == (1, 0, 1)
    assert "start" not in record


@pytest.mark.parametrize(
    "form, channels, bits", [(1, 1, 8), (1, 1, 24), (1, 2, 16), (2, 1, 4), (0x11, 1, 4)]
)
def test_sound_of_another_form_is_never_taken_for_ours(board, form, channels, bits):
    """B46: 8-bit, 24-bit, stereo, ADPCM. We make none, so such a file says nothing to us."""
    audio = bytearray(wav(24_000))
    audio[20:24] = struct.pack("<HH", form, channels)
    audio[34:36] = struct.pack("<H", bits)
    clip = board.torn_clip(bytes(audio))
    os.remove(clip.stem + ".r1")
    board.recover()
    assert board.recovery.unreadable == 1 and board.notified == 0
    assert open(clip.audio_path, "rb").read() == audio


def test_the_same_of_flac():
    from device import codec

    header = bytearray(64)
    size = codec.format_of("flac", RATE_HZ).upload_header(24_000, [0, 0], memoryview(header))
    assert size == 42 and codec.rate_of("flac", bytes(header)) == RATE_HZ
    for place, bits in ((20, 0x02), (20, 0x01), (21, 0x80)):  # stereo, 32 bits, 8 bits
        other = bytearray(header)
        other[place] ^= bits
        assert codec.rate_of("flac", bytes(other)) == 0


def test_an_unreadable_record_with_a_body_is_left(board):
    """The cloud may have it: nothing is made up, nothing is lost, and it is counted."""
    clip = fakes.add_clip(board.store, 20_000)
    board.store.write_body(clip, b"key\nbody")
    with open(clip.stem + ".r0", "wb") as f:
        f.write(bytes(300))
    before = fakes.tree(board.folder)
    board.recover()
    assert board.recovery.unreadable == 1 and board.notified == 0
    assert fakes.tree(board.folder) == before


@pytest.mark.parametrize("audio", [b"", bytes(2000), b"RIFF" + bytes(2000), b"\xff" * 2000])
def test_neither_record_nor_header_is_left_and_counted(board, audio):
    clip = board.torn_clip(audio)
    os.remove(clip.stem + ".r1")
    board.recover()
    assert board.recovery.unreadable == 1
    assert open(clip.audio_path, "rb").read() == audio


def test_a_clip_of_an_unknown_codec_is_left(board):
    board.torn_clip(wav(24_000), codec="opus")
    board.recover()
