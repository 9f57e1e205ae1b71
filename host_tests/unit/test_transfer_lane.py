"""transfer.lane: whose an ending is, and who waits (field cases B01, B07, B17, B32)."""

import asyncio
import os

import fakes
import pytest
from fake_cloud import Cloud

from device.api import dialect
from device.errors import Fatal, NeedsOperator, Permanent, Transient, UrlRefused
from device.link.clock import Clock
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.store.clip import PARKED, QUARANTINED
from device.store.slots import Slots
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

REFUSED = Permanent("refused", "status=422 backfill_lookback_exceeded")


class Link:
    """What the lane needs of link.link: up or not, and how exchanges went."""

    def __init__(self):
        self.up = True
        self.reason = "link_down"
        self.good = self.bad = 0

    def is_up(self):
        return self.up

    def shut(self):
        return None, 0

    def exchange_succeeded(self):
        self.good += 1

    def exchange_failed(self, code):
        self.bad += 1


class Bench:
    def __init__(self, folder, time, clips=3, clock_known=True, epoch=0, **script):
        self.folder = folder
        self.time = time
        self.secrets = fakes.Secrets()
        self.cloud = Cloud(folder, **script)
        self.link = Link()
        self.store = fakes.make_store(folder, self.secrets)
        self.clips = [fakes.add_clip(self.store, 16_000) for _ in range(clips)]
        self.boot(clock_known, epoch)

    def boot(self, clock_known=True, epoch=0):
        self.store = fakes.make_store(self.folder, self.secrets)
        log, self.lines = fakes.make_log()
        clock = Clock(fakes.ClockPort(), 1, log)
        if clock_known:
            clock.witness(fakes.T0 * 1000 + int(self.time.seconds * 1000), 20, "ntp")
        self.waits = Waits(30, 1800, clock, lambda bits: 0)
        self.waits.attach(Slots("lane1", str(self.folder) + "/lane"))
        self.epoch = epoch
        backlog = Backlog(self.store, lambda: self.epoch, lambda number: None)
        strategy = WholeFile(self.store, self.cloud, clock, "d", "s", log)
        parts = (self.store, backlog, self.waits, strategy, self.cloud, self.link, clock)
        self.lane = Lane(*parts, 600, log)
        self.reasons = []

    def run(self, seconds):
        """Run the lane for so long, looking at its reason now and then."""

        async def main():
            task = asyncio.create_task(self.lane.run(lambda within_ms: None))
            for _ in range(100):
                await asyncio.sleep(seconds / 100)
                self.reasons.append(self.lane.reason.code)
                if task.done():
                    task.result()
            fakes.stop(task)

        fakes.run(main(), self.time)

    def records(self):
        """number -> record of what is on flash now."""
        store, found, number = fakes.make_store(self.folder), {}, 0
        while (clip := store.after(number)) is not None:
            number = clip.number
            found[number] = clip.record
        return found


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_all_clips_go_in_order_and_then_nothing_is_to_send(bench):
    b = bench()
    b.run(10)
    assert list(b.cloud.objects) == ["rec_1", "rec_2", "rec_3"] and b.records() == {}
    assert (b.lane.delivered, b.lane.reason.code) == (3, "nothing_to_send")
    assert b.link.good == 3


@pytest.mark.parametrize(
    "call, error, state, why",
    [
        ("create", REFUSED, PARKED, "refused"),
        ("create", Permanent("refused", "status=413 too_large"), PARKED, "refused"),
        (
            "upload_url",
            Permanent("gone_in_cloud", "status=404 not_found"),
            PARKED,
            "gone_in_cloud",
        ),
        ("upload_url", Permanent("conflict", "status=409 x"), PARKED, "conflict"),
        ("complete", Permanent("refused", "status=422 x"), PARKED, "refused"),
        ("complete", Permanent("gone_in_cloud", "status=404 x"), PARKED, "gone_in_cloud"),
    ],
)
def test_a_refused_clip_is_set_aside_and_the_others_go_in_the_same_pass(
    bench, call, error, state, why
):
    b = bench(**{call: [error]})
    b.run(10)
    assert list(b.records()) == [1]
    record = b.records()[1]
    assert (record["state"], record["why"], record["said"]) == (state, why, error.detail)
    assert os.path.exists(b.clips[0].audio_path), "the audio is kept"
    assert set(b.cloud.objects) >= {"rec_2", "rec_3"} and b.lane.delivered == 2
    assert b.lane.set_aside == 1
    b.run(3600)
    assert b.cloud.names().count("create") == 3, "and left alone"


@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 100)])
def test_a_damaged_file_is_set_aside_and_the_others_go(bench, damage):
    b = bench()
    damage(b.clips[0].audio_path)
    b.run(10)
    assert b.records()[1]["state"] == QUARANTINED
    assert list(b.cloud.objects) == ["rec_2", "rec_3"]


@pytest.mark.parametrize(
    "error", [Transient("throttled", "", 60), Transient("server_error"), Transient("portal")]
)
@pytest.mark.parametrize("call", ["create", "upload_url", "put", "complete"])
def test_a_throttled_lane_costs_no_clip_anything(bench, call, error):
    b = bench(**{call: [error] * 20})
    b.run(86_400)
    assert b.records() == {} and b.lane.delivered == 3 and b.lane.set_aside == 0
    assert b.cloud.names().count(call) == 23
    assert len(b.cloud.keys) == 3 and error.code in b.reasons
    assert b.cloud.names().count("put") == (23 if call == "put" else 3)


def test_a_day_of_429_stays_under_a_hundred_requests(bench):
    b = bench(create=[Transient("throttled", "", 60)] * 9999)
    b.run(86_400)
    assert 40 < len(b.cloud.calls) < 100
    assert {record["state"] for record in b.records().values()} <= {"creating", "closed"}
    assert not [r for r in b.records().values() if "why" in r or "tries" in r]


def test_a_want_of_memory_that_does_not_end_plans_one_reset(bench):
    b = bench(create=[Transient("low_memory")] * 9999)
    asked = []
    b.lane.plan_reset = asked.append
    b.run(600)
    assert asked == [] and b.lane.reason.code == "low_memory"
    b.run(3000)
    assert asked == ["low_memory"] and b.lane.set_aside == 0 and len(b.records()) == 3
    b.run(86_400)
    assert asked == ["low_memory"], "once: what a reset does not cure is not cured by two"


def test_want_of_memory_that_comes_and_goes_plans_no_reset(bench):
    short = Transient("low_memory")
    b = bench(create=[short, short, short, Transient("timeout")] * 9)
    b.lane.plan_reset = lambda reason: pytest.fail("planned")
    b.run(86_400)
    assert b.records() == {}


def test_three_days_of_401(bench):
    b = bench(clips=5, upload_url=[NeedsOperator("auth_refused")] * 9999)
    b.run(3 * 86_400)
    assert len(b.cloud.calls) < 100 and b.lane.set_aside == 0
    assert "auth_refused" in b.reasons and len(b.records()) == 5
    b.cloud.script = {}
    b.lane.look_again()
    b.run(10)
    assert b.records() == {} and len(b.cloud.keys) == 5


def test_a_beat_that_was_throttled_before_a_clip_holds_the_clip_too(bench):
    b = bench(clips=2)
    told = []

    async def announce():
        told.append(b.lane.is_sending)
        return Transient("throttled", retry_after_s=60) if len(told) == 1 else None

    b.lane.announce = announce
    b.run(50)
    assert told == [True] and b.cloud.objects == {} and b.lane.reason.code == "throttled"
    assert not b.lane.is_sending and b.lane.in_hand == 0
    b.run(60)
    assert b.lane.delivered == 2 and told == [True] * 3 and not b.lane.is_sending


def test_the_wait_holds_over_a_reboot(bench, time):
    b = bench(create=[Transient("throttled", "", 3600)])
    b.run(1)
    b.boot()
    b.run(3500)
    assert len(b.cloud.calls) == 1 and b.lane.reason.code == "throttled"
    b.run(200)
    assert b.records() == {}


def test_a_later_success_clears_the_wait(bench):
    b = bench(create=[Transient("server_error")] * 6)
    b.run(3000)
    assert b.records() == {} and (b.waits.failures, b.waits.left_ms()) == (0, 0)


def test_one_clip_that_always_fails_lets_the_others_pass(bench):
    b = bench(clips=4, put=[lambda sent: None])
    real = b.cloud._call

    def call(name, number, sent, default):
        if number == 2 and name == "put":
            real(name, number, sent, default)
            raise Transient("server_error")
        return real(name, number, sent, default)

    b.cloud._call = call
    b.run(600)
    assert list(b.records()) == [2] and "why" not in b.records()[2]
    order = [int(sent[0].split("rec_")[1][0]) for name, _, sent in b.cloud.calls if name == "put"]
    assert order[:7] == [1, 2, 2, 2, 3, 4, 2]


def test_a_clip_whose_verification_is_slow_does_not_stop_the_others(bench):
    b = bench(complete=[dialect.PENDING] * 20)
    b.run(400)
    assert list(b.cloud.objects) == ["rec_1", "rec_2", "rec_3"]
    assert b.records() == {} and b.cloud.names().count("put") == 3
    proved = [sent[0] for name, _, sent in b.cloud.calls if name == "complete"]
    assert proved.index("rec_2") < proved.index("rec_3") < len(proved) - 1
    assert proved[-1] == "rec_1", "the slow one last"
    assert "verification_pending" not in b.reasons


def test_every_ending_shows_a_reason_and_when_it_is_looked_at_again(bench):
    b = bench(create=[UrlRefused("url_refused"), NeedsOperator("tls_untrusted")])
    b.run(1)
    state = b.lane.reason.as_dict()
    assert state["code"] == "url_refused" and 25 <= state["again_in_s"] <= 30
    b.run(40)
    assert b.lane.reason.code == "tls_untrusted" and b.lane.reason.as_dict()["ends_when"]


def test_a_broken_invariant_is_not_swallowed(bench):
    b = bench(create=[Fatal("storage_failed")])
    with pytest.raises(Fatal):
        b.run(10)


def test_a_clip_too_long_for_the_link_lets_the_others_go(bench):
    """Said with its reason, and looked at again ever more rarely; no byte of it is sent."""
    b = bench(clips=0)
    fakes.add_clip(b.store, 20_000)
    fakes.add_clip(b.store, 16_000)
    b.lane._strategy.rate_bytes_s = 10  # 67 minutes for the first one, 54 for the second
    b.run(3600)
    assert list(b.cloud.objects) == ["rec_2"] and b.lane.reason.code == "link_too_slow"
    asked = b.cloud.names().count("upload_url")
    assert 3 <= asked <= 12, asked
    b.lane._strategy.rate_bytes_s = None  # another link is up
    b.lane.look_again()
    b.run(60)
    assert b.lane.delivered == 2
