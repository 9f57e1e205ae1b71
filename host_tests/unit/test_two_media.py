"""store.two_media: a card and a spare medium behind the face of one store."""

import asyncio
import os

import fakes
import pytest

from device.errors import NeedsOperator, Transient
from device.queue.backlog import Backlog
from device.store import paths, two_media
from device.store.clip import CLOSED, DONE
from device.store.medium import Quota
from device.store.recovery import Recovery
from device.store.slots import Slots
from device.store.two_media import SPARE, TwoMedia

FACTS = {
    "codec": "wav",
    "hz": 8,
    "take": 0,
    "index": 0,
    "first": 0,
    "boot": 1,
    "up": 5,
    "epoch": 0,
}


class Card(fakes.Storage):
    """A card in a folder; pulled, its folder is not there."""

    again_ms = 60_000

    def __init__(self, folder, is_mounted=True):
        super().__init__(folder)
        self.is_mounted = is_mounted
        self.tried = 0
        self._away = str(folder) + " away"
        if not is_mounted:
            self.pull()

    def pull(self):
        os.rename(self.root, self._away)

    def put_in(self):
        os.rename(self._away, self.root)

    def mount(self):
        self.tried += 1
        if not os.path.isdir(self.root):
            raise NeedsOperator("storage_failed", "card: is it in?")


class Lane:
    """As much of the lane as is told."""

    looked = 0

    def look_again(self):
        self.looked += 1


class Bench:
    def __init__(self, folder, is_mounted=True, secrets=None):
        for name in ("card", "spare"):
            if not (folder / f"{name} away").exists():
                (folder / name).mkdir(exist_ok=True)
        self.card = Card(folder / "card", is_mounted)
        self.spare = fakes.Storage(folder / "spare")
        self.log, self.lines = fakes.make_log()
        self.secrets = secrets or fakes.Secrets()
        self.store = TwoMedia(self.card, self.spare, self.secrets, lambda: 0, self.log)
        self.store.prepare()
        self.lane = Lane()
        self.quota = Quota(self.store.storage, 1000, self.log)
        work = memoryview(bytearray(1024))
        self.recovery = Recovery(self.store, work, self.log, lambda: None)
        self.recorder = type("Recorder", (), {})()
        self.slots = Slots("lane1", self.store.root + "/state/lane")
        self.store.join(self.recorder, self.lane, self.quota, self.recovery, [self.slots])
        self.backlog = Backlog(self.store, lambda: 0, self.recovery.pend)

    def order(self):
        """Numbers as they are offered and delivered."""
        found = []
        while (clip := self.backlog.next()) is not None:
            found.append(clip.number)
            self.store.save(clip, state=DONE)
            self.store.free(clip)
        return found

    def run_for(self, time, seconds):
        async def main():
            runs = (self.store.run, self.recovery.run)
            tasks = [asyncio.create_task(run(lambda within_ms: None)) for run in runs]
            await asyncio.sleep(seconds)
            for task in tasks:
                fakes.stop(task)

        fakes.run(main(), time)


def test_its_task_rests_while_nothing_is_lost(tmp_path, time):
    """Who has promised to come back within an hour and waits for a loss is reset every hour."""
    bench = Bench(tmp_path)
    promised = []

    async def main():
        task = asyncio.create_task(bench.store.run(promised.append))
        await asyncio.sleep(5)
        assert promised[-1] is None
        bench.card.pull()
        bench.store.check()
        await asyncio.sleep(5)
        assert promised[-1] is not None and promised[-1] > bench.card.again_ms
        bench.card.put_in()
        await asyncio.sleep(200)
        assert promised[-1] is None and not bench.store.is_lost
        fakes.stop(task)

    fakes.run(main(), time)


def test_while_both_are_there_the_first_is_used(tmp_path):
    bench = Bench(tmp_path)
    assert [fakes.add_clip(bench.store, 100).number for _ in range(2)] == [1, 2]
    assert bench.store.waiting == 2 and bench.store.root == bench.card.root
    assert bench.store.as_dict()["code"] == "in_use" and not bench.store.check()
    assert bench.order() == [1, 2] and bench.store.waiting == 0


def test_the_next_clip_of_the_same_take_goes_to_the_spare_medium(tmp_path):
    bench = Bench(tmp_path)
    first = fakes.add_clip(bench.store, 100)
    bench.card.pull()
    second = fakes.add_clip(bench.store, 100, take=first.number, index=1)
    assert second.number == SPARE + 1 and second.record["take"] == first.number
    assert "medium lost errno=2" in "".join(bench.lines) and bench.lane.looked == 1
    assert bench.store.waiting == 2, "what lies on the card is counted still"
    part = bench.store.as_dict()
    assert part["code"] == "medium_lost" and part["waiting_spare"] == 1 and part["ends_when"]


def test_the_lane_is_told_whose_medium_is_lost_whoever_found_it_first(tmp_path):
    bench = Bench(tmp_path)
    fakes.add_clip(bench.store, 100)
    assert not bench.lane.is_away(1) and not bench.store.is_lost
    bench.card.pull()
    assert bench.recorder.elsewhere(), "it goes on at once"
    assert bench.lane.is_away(1) and bench.lane.is_away(1)
    assert not bench.lane.is_away(SPARE + 1), "what fails on the spare one is a failure"


def test_a_take_that_begins_there_has_a_number_of_its_own(tmp_path):
    bench = Bench(tmp_path)
    bench.card.pull()
    clip = fakes.add_clip(bench.store, 100)
    assert clip.record["take"] == clip.number == SPARE + 1


def test_what_is_sent_meanwhile_and_what_afterwards(tmp_path, time):
    bench = Bench(tmp_path)
    fakes.add_clip(bench.store, 100)
    open_clip, writer = bench.store.open(dict(FACTS))
    writer.write(memoryview(fakes.pcm(100)), 100)
    writer.sync()
    bench.store.leave_open(writer)
    bench.recovery.pend(open_clip.number)
    bench.card.pull()
    fakes.add_clip(bench.store, 100)
    assert bench.order() == [SPARE + 1], "the clips of the lost medium hold up nothing"
    bench.run_for(time, 601)
    assert bench.card.tried == 10 and bench.store.is_lost
    bench.card.put_in()
    bench.run_for(time, 61)
    assert not bench.store.is_lost and bench.lane.looked == 2
    clip = bench.store.clip(open_clip.number)
    assert clip.load() and clip.state == CLOSED and clip.record["cut"] == 1
    assert bench.store.waiting == 2
    fakes.add_clip(bench.store, 100)
    # 3 is what the opening that found the card lost would have made.
    assert bench.order() == [1, 2, 4] and bench.store.waiting == 0


def test_another_card_than_the_one_that_was_pulled(tmp_path, time):
    (tmp_path / "other").mkdir()
    other = fakes.make_store(tmp_path / "other")
    for _ in range(5):
        fakes.add_clip(other, 100)
    bench = Bench(tmp_path)
    fakes.add_clip(bench.store, 100)
    bench.card.pull()
    assert bench.store.after(0) is None and bench.store.is_lost
    os.rename(tmp_path / "other", bench.card.root)
    bench.run_for(time, 61)
    assert bench.store.waiting == 5, "what lies on this one"
    assert fakes.add_clip(bench.store, 100).number == 6


def test_it_starts_without_the_card_and_finds_it_later(tmp_path, time):
    secrets = fakes.Secrets()
    before = Bench(tmp_path, secrets=secrets)
    fakes.add_clip(before.store, 100)
    bench = Bench(tmp_path, is_mounted=False, secrets=secrets)
    assert "does not mount" in "".join(bench.lines)
    assert fakes.add_clip(bench.store, 100).number == SPARE + 1
    bench.run_for(time, 10)
    bench.card.put_in()
    bench.run_for(time, 61)
    assert bench.store.waiting == 2
    assert bench.order() == [SPARE + 1, 1]


def test_no_number_is_used_twice_even_if_the_counters_are_lost_while_it_is_away(tmp_path, time):
    before = Bench(tmp_path)
    for _ in range(3):
        fakes.add_clip(before.store, 100)
    before.card.pull()
    fakes.add_clip(before.store, 100)
    before.card.put_in()
    bench = Bench(tmp_path, is_mounted=False, secrets=fakes.Secrets())
    assert fakes.add_clip(bench.store, 100).number == SPARE + 2
    bench.run_for(time, 10)
    bench.card.put_in()
    bench.run_for(time, 61)
    assert fakes.add_clip(bench.store, 100).number == 4
    assert bench.order() == [SPARE + 1, SPARE + 2, 1, 2, 3, 4]


def test_the_stages_state_lies_on_the_medium_in_use(tmp_path, time):
    bench = Bench(tmp_path)
    bench.slots.write({"n": 1})
    bench.card.pull()
    assert bench.store.check()
    bench.slots.write({"n": 2})
    assert Slots("lane1", bench.spare.root + "/state/lane").read() == {"n": 2}
    bench.card.put_in()
    bench.run_for(time, 61)
    bench.slots.write({"n": 3})
    assert Slots("lane1", bench.card.root + "/state/lane").read() == {"n": 3}


def test_room_is_that_of_the_medium_in_use(tmp_path):
    bench = Bench(tmp_path)
    bench.spare.free = 999
    bench.quota.refresh()
    bench.quota.check()
    bench.card.pull()
    assert bench.store.check()
    with pytest.raises(Transient) as error:
        bench.quota.check()
    assert error.value.code == "storage_full"


@pytest.mark.parametrize("number, is_lost", [(28, False), (5, True)])
def test_a_full_medium_is_not_a_lost_one(tmp_path, monkeypatch, number, is_lost):
    bench = Bench(tmp_path)
    opener = fakes.failing_open(number, -1, match="/card/")
    monkeypatch.setattr(two_media, "open", opener, raising=False)
    assert bench.store.check() == is_lost == bench.store.is_lost
    assert not bench.store.check(), "it is told once"


def test_a_call_that_failed_once_moves_nothing(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    opener = fakes.failing_open(5, 1, match=".r")
    monkeypatch.setattr("device.store.slots.open", opener, raising=False)
    with pytest.raises(NeedsOperator):
        bench.store.open(dict(FACTS))
    assert not bench.store.is_lost
    assert fakes.add_clip(bench.store, 100).number == 2


def test_a_spare_medium_that_cannot_be_read_holds_up_nothing(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    fakes.add_clip(bench.store, 100)
    real = paths.next_number

    def next_number(root, after, leaf=None):
        if root == bench.spare.root:
            raise OSError(5)
        return real(root, after, leaf)

    monkeypatch.setattr(paths, "next_number", next_number)
    assert bench.store.after(0).number == 1 and bench.store.after(0).number == 1
    assert "".join(bench.lines).count("the spare medium cannot be read") == 1
    bench.card.pull()
    with pytest.raises(NeedsOperator):
        bench.store.after(0)


def test_both_media_are_looked_at_after_a_start(tmp_path, time):
    """Power cut while the spare one recorded, with a torn clip on each."""
    secrets = fakes.Secrets()
    before = Bench(tmp_path, secrets=secrets)
    for pull in (False, True):
        if pull:
            before.card.pull()
        _, writer = before.store.open(dict(FACTS))
        writer.write(memoryview(fakes.pcm(100)), 100)
        writer.sync()
        before.store.leave_open(writer)
    before.card.put_in()
    bench = Bench(tmp_path, secrets=secrets)
    bench.run_for(time, 1)
    assert bench.recovery.repaired == 2 and bench.store.waiting == 2
    assert bench.order() == [SPARE + 1, 1]
