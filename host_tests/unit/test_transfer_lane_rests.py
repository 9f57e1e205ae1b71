"""transfer.lane: what keeps it from the way, how long it rests, what wakes it (B10, B34)."""

import fakes
import pytest
from test_transfer_lane import Bench

from device.api import dialect
from device.errors import Transient
from device.store import paths
from device.store.clip import DONE


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_other_epoch_is_not_sent_and_comes_back_with_its_user(bench):
    b = bench(epoch=1)
    b.run(3600)
    assert b.cloud.calls == [] and len(b.records()) == 3
    assert (b.lane.reason.code, b.lane.reason.detail) == ("other_epoch", "clips=3")
    assert b.lane.rests_ms() > 3_600_000, "no radio for what is not to be sent"
    b.boot(epoch=0)
    b.run(10)
    assert b.records() == {}


def test_rebound_in_the_middle_of_the_queue(bench):
    b = bench()
    b.cloud.script["complete"] = [lambda sent: setattr(b, "epoch", 1) or dialect.PROOF]
    b.run(3600)
    assert list(b.cloud.objects) == ["rec_1"] and list(b.records()) == [2, 3]


@pytest.mark.parametrize(
    "change, code",
    [
        (lambda b: setattr(b.link, "up", False), "link_down"),
        (lambda b: setattr(b.cloud, "token", False), "no_token"),
    ],
)
def test_without_link_or_token_nothing_is_tried(bench, change, code):
    b = bench()
    change(b)
    b.run(600)
    assert b.cloud.calls == [] and set(b.reasons) == {code}
    b.link.up = b.cloud.token = True
    b.run(10)
    assert b.records() == {}


def test_clips_of_this_boot_wait_for_the_clock_but_not_for_ever(bench):
    b = bench(clock_known=False)
    b.run(590)
    assert b.cloud.calls == [] and b.lane.reason.code == "clock_wait"
    b.run(30)
    assert b.records() == {} and b"started_at" not in b.cloud.calls[0][2][1]


def test_what_is_done_is_freed_without_the_network(bench):
    b = bench(clips=1)
    b.store.save(b.clips[0], state=DONE)
    b.run(5)
    assert b.records() == {} and b.cloud.calls == []


NO_ANSWER = ["link_down", "dns_failed", "connect_failed", "connection_lost", "timeout"]


@pytest.mark.parametrize("code", NO_ANSWER)
def test_dead_exchanges_are_told_to_the_link(bench, code):
    b = bench(create=[Transient(code)] * 3)
    b.run(3600)
    assert (b.link.bad, b.link.good) == (3, 3)


@pytest.mark.parametrize("code", NO_ANSWER)
def test_a_link_that_returns_ends_the_wait_that_its_absence_caused(bench, code):
    b = bench(create=[Transient(code)])
    b.run(1)
    assert b.lane.delivered == 0 and b.waits.left_ms() > 20_000
    b.lane.link_returned()
    b.run(5)
    assert b.lane.delivered == 3


def test_a_link_that_returns_does_not_end_what_the_cloud_asked_for(bench):
    b = bench(create=[Transient("throttled", "", 60)])
    b.run(1)
    b.lane.link_returned()
    b.run(5)
    assert b.lane.delivered == 0 and b.lane.reason.code == "throttled"


def counted(store):
    """The store with its waiting clips counted, as recovery does after a start."""
    for last_number, clips in paths.leaves(store.root, store.highest):
        store.count_leaf(last_number, clips)


def test_the_lane_says_how_long_it_does_not_need_the_way(bench):
    b = bench(clips=1)
    counted(b.lane._store)
    assert b.lane.rests_ms() == 0
    b.run(10)
    assert b.lane.rests_ms() > 3_600_000 and b.lane.resting_code() == "nothing_to_send"
    b.lane.link_lost()
    assert b.lane.rests_ms() > 3_600_000, "the radio that goes off brings no work"
    fakes.add_clip(b.lane._store, 16_000)
    b.lane.notify()
    assert b.lane.rests_ms() == 0
    b.secrets.values.pop("token")
    b.cloud.token = False
    assert b.lane.rests_ms() > 3_600_000 and b.lane.resting_code() == "no_token"


@pytest.mark.parametrize("is_counted", [True, False])
@pytest.mark.parametrize("what", ["record", "folder"])
def test_what_could_not_be_read_is_looked_at_again_while_the_radio_rests(
    bench, monkeypatch, what, is_counted
):
    """A folder whose reading fails looks empty: without a look of its own the lane would wait for
    a link that nobody asks for.
    """
    b = bench(clips=1)
    if is_counted:
        counted(b.lane._store)
    store = b.lane._store
    unread = [None] if what == "folder" else [store.clip(1), None]
    with monkeypatch.context() as patch:
        patch.setattr(store, "after", lambda number: unread[min(number, len(unread) - 1)])
        b.run(10)
        assert b.lane.reason.code == "nothing_to_send"
        b.link.up = False
        b.run(3 * 3600)
        assert b.lane.rests_ms() > 3_600_000, "it looked, and found nothing"
    b.run(3700)
    assert b.lane.rests_ms() == 0, "now it has met the clip, and wants the way"
    b.link.up = True
    b.lane.link_returned()
    b.run(10)
    assert list(b.cloud.objects) == ["rec_1"] and b.lane.rests_ms() > 3_600_000


def test_a_recorder_that_is_behind_has_the_medium_first_but_not_for_ever(bench):
    b = bench(clips=1)
    b.lane.is_behind = lambda: b.time.seconds < began + 1.5
    began = b.time.seconds
    b.run(1)
    assert b.cloud.calls == [], "it waits with its first write"
    b.run(10)
    assert list(b.cloud.objects) == ["rec_1"] and b.records() == {}
    c = fakes.add_clip(b.lane._store, 16_000)
    b.lane.is_behind = lambda: True
    b.lane.notify()
    b.run(10)
    assert len(b.cloud.objects) == 2 and c.number not in b.records(), "four seconds more"


def test_a_cool_down_is_a_rest_of_the_way_with_its_own_reason(bench):
    b = bench(clips=1, create=[Transient("throttled", "", 900)])
    counted(b.lane._store)
    b.run(10)
    assert 800_000 < b.lane.rests_ms() <= 900_000 and b.lane.resting_code() == "throttled"


class Turns:
    """A gate that lets a pause be between two clips, as manners do in a busy minute."""

    def __init__(self, time, pause_s):
        self.time, self.pause_s, self.until_s = time, pause_s, 0

    def refusal(self):
        left_ms = round(1000 * (self.until_s - self.time.seconds))
        return ("taking_turns", left_ms) if left_ms > 0 else (None, 0)

    def book(self, clip):
        self.until_s = self.time.seconds + self.pause_s

    def ended(self, is_delivered):
        pass


def test_what_becomes_ready_in_a_pause_of_a_pass_that_is_past_it_goes_after_that_pass(bench):
    """A clip on the spare medium, or one that was repaired: the pause had eaten the news of it,
    and it waited until the idle lane looked around.
    """
    b = bench()
    b.store.save(b.clips[0], state="open")
    counted(b.store)
    b.lane._gates = (Turns(b.time, 10),)
    b.run(2)
    assert len(b.cloud.objects) == 1 and b.lane.reason.code == "taking_turns"
    b.store.save(b.clips[0], state="closed")
    b.lane.notify()
    b.run(20)
    assert b.records() == {} and len(b.cloud.objects) == 3
