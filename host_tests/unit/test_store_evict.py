"""store.evict: what goes when the medium is full, and what never does (field case B26)."""

import asyncio
import os

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import Transient
from device.queue.backlog import Backlog
from device.store import evict, wanted
from device.store.clip import ASIDE, CLOSED, DONE, EVICTED, OPEN, STATES
from device.store.medium import Quota
from device.store.recovery import Recovery

EPOCH = 3
ORDERS = ("never", "oldest", "quietest", "lowest_priority")
UNSENT = ("closed", "creating", "created")


class Full:
    """A store that is full, and what make_room() does to it."""

    def __init__(self, folder, order="oldest"):
        self.secrets = fakes.Secrets()
        self.store = fakes.make_store(folder, self.secrets)
        self.log, self.lines = fakes.make_log()
        self.order = order
        self.in_hand = 0
        self.after = 0

    def add(self, state=CLOSED, epoch=EPOCH, seconds=2, **record):
        clip = fakes.add_clip(self.store, 8 * seconds, 8, epoch=epoch)
        clip.save(state=state, **record)
        return clip

    def make_room(self):
        freed, self.after = evict.make_room(
            self.store,
            self.order,
            self.after,
            (self.in_hand,),
            EPOCH,
            self.secrets,
            self.log,
            self.store.root,
        )
        return freed

    def numbers(self):
        found, number = [], 0
        while (clip := self.store.after(number)) is not None:
            number = clip.number
            found.append(number)
        return found

    def evicted(self):
        return self.secrets.counter("evicted"), self.secrets.counter("evicted_s")


def test_sent_clips_go_first_and_are_no_eviction(tmp_path):
    full = Full(tmp_path)
    clips = [full.add(), full.add(), full.add(DONE)]
    assert full.make_room() == clips[2].record["bytes"]
    assert full.numbers() == [1, 2] and full.evicted() == (0, 0)
    assert full.make_room() and full.numbers() == [2] and full.evicted() == (1, 2)
    assert any(
        "clip evicted clip=1 seconds=2 order=oldest in_all=1" in line for line in full.lines
    )


def test_without_leave_only_sent_clips_go(tmp_path):
    full = Full(tmp_path, "never")
    full.add()
    full.add(DONE)
    assert full.make_room() and not full.make_room()
    assert full.numbers() == [1] and full.evicted() == (0, 0)


@pytest.mark.parametrize(
    "order, gone",
    [("oldest", [1, 2, 3, 4]), ("quietest", [3, 1, 4, 2]), ("lowest_priority", [2, 4, 1, 3])],
)
def test_the_order_is_the_configured_one(tmp_path, order, gone):
    full = Full(tmp_path, order)
    full.add(lev=[-100, -400, -600, 0, 1])
    full.add()  # no report: not known to be quiet
    full.add(lev=[-100, -600, -700, 0, 0])
    full.add(lev=[-50, -200, -600, 0, 2])
    wanted.slots(full.store.root).write({"n": [3, 1, 99]})
    found = []
    while full.make_room():
        left = full.numbers()
        found.append(({1, 2, 3, 4} - set(found) - set(left)).pop())
    assert found == gone


def test_it_looks_at_so_many_and_gets_past_those_that_stay(tmp_path):
    """Among LOOKED_AT for each call; a wall of set-aside clips does not hide what is behind."""
    full = Full(tmp_path, "quietest")
    for _ in range(evict._MET + 5):
        full.add("quarantined", why="refused")
    behind = [full.add(lev=[0, -n, 0, 0, 0]) for n in range(evict.LOOKED_AT + 5)]
    looked = []
    real = full.store.after
    full.store.after = lambda number: looked.append(number) or real(number)
    assert not full.make_room() and len(looked) <= evict._MET + 1
    seen = len(looked)
    assert full.make_room()
    assert len(looked) - seen <= evict._MET + 1
    quietest = behind[evict.LOOKED_AT - 1].number
    assert quietest not in full.numbers() and behind[-1].number in full.numbers()


@given(
    order=st.sampled_from(ORDERS),
    clips=st.lists(
        st.tuples(
            st.sampled_from([s for s in STATES if s not in (OPEN, EVICTED)]),
            st.sampled_from([EPOCH, 1]),
            st.integers(-900, 0) | st.none(),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    in_hand=st.integers(0, 12),
    calls=st.integers(1, 14),
)
def test_nothing_goes_that_must_stay_and_nothing_uncounted(
    tmp_path_factory, order, clips, in_hand, calls
):
    full = Full(tmp_path_factory.mktemp("full"), order)
    for state, epoch, rms, _ in clips:
        values = {"lev": [0, rms, 0, 0, 0]} if rms is not None else {}
        full.add(state, epoch, why="refused" if state in ASIDE else "", **values)
    open_clip, _ = full.store.open({**open_facts(), "epoch": EPOCH})
    full.in_hand = in_hand
    asked = [n + 1 for n in range(len(clips)) if clips[n][3]]
    wanted.slots(full.store.root).write({"n": asked})
    before = full.numbers()
    freed = [full.make_room() for _ in range(calls)]
    gone = [number for number in before if number not in full.numbers()]
    done = [n for n in gone if clips[n - 1][0] == DONE]
    assert open_clip.number not in gone and in_hand not in gone
    for number in set(gone) - set(done):
        state, epoch, _, _ = clips[number - 1]
        assert order != "never" and state in UNSENT and epoch == EPOCH
    assert full.evicted() == (len(gone) - len(done), 2 * (len(gone) - len(done)))
    assert sum(size > 0 for size in freed) == len(gone)
    said = "".join(full.lines)
    assert said.count("clip evicted") == len(gone) - len(done)


def open_facts():
    return {"codec": "wav", "hz": 8, "take": 0, "index": 0, "first": 0, "boot": 1, "up": 5}


class Cut(BaseException):
    pass


@pytest.mark.parametrize("at", range(7))
def test_a_cut_at_any_step_counts_once_and_leaves_nothing(tmp_path, time, monkeypatch, at):
    full = Full(tmp_path)
    full.add(rid="rec_1")
    full.add()
    left = [at]

    def may_end(real):
        def call(*arguments):
            if not left[0]:
                raise Cut
            left[0] -= 1
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "remove", may_end(os.remove))
        patch.setattr(full.secrets, "raise_counter", may_end(full.secrets.raise_counter))
        patch.setattr("device.store.slots.sync_file", may_end(os.fsync))
        try:
            full.make_room()
            assert left[0] or at == 6, "it did more steps than are cut here"
        except Cut:
            pass
    again = fakes.make_store(tmp_path, full.secrets)
    log, lines = fakes.make_log()
    recovery = Recovery(again, memoryview(bytearray(1024)), log, lambda: None)
    backlog = Backlog(again, lambda: EPOCH, recovery.pend)
    assert backlog.next() is not None

    async def repair():
        task = asyncio.create_task(recovery.run(lambda within_ms: None))
        await asyncio.sleep(1)
        fakes.stop(task)

    fakes.run(repair(), time)
    first = again.after(0)
    if first.number == 1:
        assert first.state == CLOSED and full.evicted() == (0, 0)
    else:
        assert any("clip evicted clip=1" in line for line in full.lines + lines)
        assert full.evicted() == (1, 2)
        assert not [name for name in fakes.tree(tmp_path) if "00000001" in name]


def test_recording_goes_on_where_something_may_go(tmp_path):
    storage = fakes.Storage(tmp_path)
    storage.free = 900
    log, _ = fakes.make_log()
    quota = Quota(storage, 1000, log)
    rooms = [60, 60, 0]
    quota.make_room = lambda: rooms.pop(0)
    quota.refresh()
    quota.check()
    assert rooms == [0], "it frees no more than it needs"
    quota.spend(100)
    with pytest.raises(Transient) as error:
        quota.check()
    assert error.value.code == "storage_full"
