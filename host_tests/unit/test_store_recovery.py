"""store.recovery: what a power cut leaves, at any place, becomes a clip or nothing (B02, B10)."""

import asyncio
import os
import struct
from binascii import crc32

import fakes
import pytest

from device.codec.wav import WavCodec
from device.errors import NeedsOperator, Transient
from device.queue.backlog import Backlog
from device.store.clip import CLOSED, CREATED, OPEN, QUARANTINED
from device.store.recovery import Recovery
from device.store.store import ClipStore

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


def test_one_clip_with_a_read_error_does_not_stop_the_next(board, monkeypatch):
    from device.store import repair as module

    first = board.torn_clip(wav(24_000))
    board.torn_clip(wav(24_000))
    opener = fakes.failing_open(5, -1, match=first.audio_path, mode="r")
    monkeypatch.setattr(module, "open", opener, raising=False)
    board.recover()
    assert board.clip(1).state == OPEN and board.clip(2).state == CLOSED


def test_it_looks_at_the_boot_before_only(board):
    board.torn_clip(wav(24_000))
    board.recover()
    open_now = board.torn_clip(wav(24_000))  # recorded in this boot while recovery runs
    assert board.store.open_number == open_now.number
    board.run(pend=[open_now.number])
    assert board.clip(open_now.number).state == OPEN


def test_a_clip_that_is_met_later_is_repaired_when_it_is_told(board):
    board.recover()
    clip = board.torn_clip(wav(24_000))
    board.store.open_number = 0  # the medium failed it: it is nobody's any more
    board.run(pend=[clip.number, clip.number])
    assert board.clip(clip.number).state == CLOSED and board.notified >= 1


def test_what_this_boot_left_open_is_counted_once_it_is_repaired(board):
    """A recorder that counts nothing as waiting puts its radio to rest: the clip would stay."""
    board.recover()
    clip, writer = board.store.open({**FACTS, "epoch": 0})
    writer.write_header(memoryview(bytes(WavCodec(RATE_HZ).header_bytes)))
    writer.write(memoryview(bytes(2 * RATE_HZ)), RATE_HZ)
    board.store.leave_open(writer)
    assert board.store.waiting == 0
    board.run(pend=[clip.number])
    assert board.clip(clip.number).state == CLOSED
    assert board.store.waiting == 1
    board.boot()
    board.recover()
    assert board.store.waiting == 1, "as the next boot counts it"


def test_the_census_counts_many_clips(board):
    for _ in range(40):
        fakes.add_clip(board.store, 10)
    board.recover()
    assert board.store.waiting == 40


def test_a_clip_left_open_long_ago_is_repaired_when_the_queue_meets_it(board):
    """A medium that failed left it open, and more than eight clips were recorded since."""
    board.torn_clip(wav(24_000))
    for _ in range(12):
        fakes.add_clip(board.store, 20_000)
    board.recover()
    assert board.clip(1).state == OPEN
    backlog = Backlog(board.store, lambda: 0, board.recovery.pend)
    assert backlog.next().number == 2
    board.run()
    assert board.clip(1).state == CLOSED and board.notified == 1


@pytest.mark.parametrize("error", [Transient("storage_full"), NeedsOperator("storage_failed")])
@pytest.mark.parametrize("method", ["save", "after"])
def test_a_medium_that_refuses_the_repair_does_not_end_the_program(
    board, monkeypatch, method, error
):
    board.torn_clip(wav(24_000))

    def refuse(*details, **changes):
        raise error

    monkeypatch.setattr("device.store.store.ClipStore." + method, refuse)
    board.recover()


def test_a_clip_of_an_unknown_codec_is_left(board):
    board.torn_clip(wav(24_000), codec="opus")
    board.recover()


def test_folders_may_go_while_the_census_runs(board, monkeypatch):
    from device.store import recovery as module

    for _ in range(24):
        fakes.add_clip(board.store, 10)
    real = module.sleep_ms

    def sleep_and_free(ms):
        for number in range(8, 16):
            clip = board.clip(number)
            if clip is not None:
                board.store.save(clip, state="done")
                board.store.free(clip)
        return real(ms)

    monkeypatch.setattr(module, "sleep_ms", sleep_and_free)
    board.recover()


def test_a_clip_whose_record_was_closed_after_all_is_told_to_the_lane(board):
    """The medium said that the record could not be written, and it stands there all the same."""
    board.recover()
    clip = fakes.add_clip(board.store)
    board.run(pend=[clip.number])
    assert board.clip(clip.number).state == CLOSED and board.notified == 1


def test_a_clip_that_the_medium_refused_is_tried_again_ever_more_rarely(board, monkeypatch):
    clip = board.torn_clip(wav(24_000))
    looks = []
    real = ClipStore.save

    def save(store, clip, **changes):
        looks.append(board.time.seconds)
        raise Transient("storage_full", "record")

    monkeypatch.setattr(ClipStore, "save", save)
    board.recover()

    async def main(seconds):
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(seconds)
        fakes.stop(task)

    fakes.run(main(6 * 3600), board.time)
    assert 6 <= len(looks) <= 14 and board.recovery.unreadable == 1
    assert looks[-1] - looks[-2] > 3000
    monkeypatch.setattr(ClipStore, "save", real)
    fakes.run(main(2 * 3600), board.time)
    assert clip.load() and clip.state == CLOSED and board.recovery.unreadable == 0
    assert board.notified >= 1


def test_a_clip_that_was_refused_and_found_whole_again_is_unreadable_no_longer(board, monkeypatch):
    """The walk over a medium that came back repairs it, not the next try."""
    clip = board.torn_clip(wav(24_000))
    real = ClipStore.save

    def save(store, clip, **changes):
        raise NeedsOperator("storage_failed", "record errno=5")

    monkeypatch.setattr(ClipStore, "save", save)
    board.recover()
    assert board.recovery.unreadable == 1

    async def main():
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        monkeypatch.setattr(ClipStore, "save", real)
        board.recovery.look_at(board.store)
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(main(), board.time)
    assert board.clip(clip.number).state == CLOSED and board.recovery.unreadable == 0


def test_a_clip_that_is_met_while_a_medium_comes_back_waits_for_the_walk_only(board):
    """It is too old for the walk to come to, and its event was that of the medium."""
    clip = board.torn_clip(wav(24_000))
    for _ in range(10):
        fakes.add_clip(board.store)
    board.recover()

    async def main():
        task = asyncio.create_task(board.recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        board.recovery.look_at(board.store)
        board.recovery.pend(clip.number)
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(main(), board.time)
    assert board.clip(clip.number).state == CLOSED
