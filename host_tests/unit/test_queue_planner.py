"""queue.planner with the real lane: caps and hours hold clips back, say why, and let go again."""

import fakes
import pytest
import test_transfer_lane

from device.capture.schedule import Schedule
from device.config import defaults
from device.joining import planner_of
from device.link.budget import DAY_S, Budget, wire_bytes
from device.queue.backlog import _HELD_MOST, Backlog
from device.queue.planner import Planner, expected_bytes
from device.store.slots import Slots
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

CLIP_BYTES = 16_000 * 2 + 44
WIRE_BYTES = wire_bytes(CLIP_BYTES + 6144, 2)


class Link(test_transfer_lane.Link):
    def __init__(self):
        super().__init__()
        self.kind = "4g"
        self.looks = 0

    def look_again(self):
        self.looks += 1


class Http:
    """The totals of http.client; a PUT of the fake cloud counts as what left."""

    def __init__(self, cloud):
        self._cloud = cloud
        self.connections_opened = 0
        self.bytes_received = 0

    @property
    def bytes_sent(self):
        return sum(len(stored) for stored in self._cloud.objects.values())


class Bench(test_transfer_lane.Bench):
    def __init__(self, folder, time, caps=(None, None), off_peak=None, sizes=(), **how):
        self.caps, self.off_peak = {"cellular": caps}, off_peak
        super().__init__(folder, time, clips=0, **how)
        self.link = Link()
        for samples in sizes:
            fakes.add_clip(self.store, samples)
        self.boot()

    def boot(self, clock_known=True, epoch=0):
        super().boot(clock_known, epoch)
        log, self.lines = fakes.make_log()
        clock = self.waits._clock
        if not isinstance(self.link, Link):
            return
        budget = Budget(self.caps, Slots("budget1", str(self.folder) + "/budget"), clock, 0, log)
        off_peak = Schedule([self.off_peak], 0) if self.off_peak else None
        self.planner = Planner(self.link, Http(self.cloud), clock, budget, off_peak)
        backlog = Backlog(self.store, lambda: epoch, lambda number: None, self.planner)
        strategy = WholeFile(self.store, self.cloud, clock, "d", "s", log)
        parts = (self.store, backlog, self.waits, strategy, self.cloud, self.link, clock)
        self.lane = Lane(*parts, 600, log, gates=(self.planner,))


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_without_limits_all_goes(bench):
    b = bench(sizes=[16_000] * 3)
    b.run(10)
    assert b.lane.delivered == 3 and b.lane.reason.code == "nothing_to_send"


def test_a_day_carries_what_its_cap_allows_and_the_next_day_the_rest(bench):
    b = bench(caps=(3 * WIRE_BYTES, None), sizes=[16_000] * 5)
    b.run(10)
    first = b.lane.delivered
    assert 0 < first < 5 and wire_bytes(first * CLIP_BYTES) <= 3 * WIRE_BYTES
    assert b.lane.reason.code == "cap_day"
    again_s = b.lane.reason.as_dict()["again_in_s"]
    assert 12 * 3600 - 60 <= again_s <= 12 * 3600, "the cap ends at midnight"
    b.run(again_s - 100)
    assert b.lane.delivered == first, "and not before"
    b.run(400)
    assert b.lane.delivered == 5 and b.lane.reason.code == "nothing_to_send"


def test_a_smaller_clip_goes_before_one_that_does_not_fit(bench):
    b = bench(caps=(2 * WIRE_BYTES, None), sizes=[80_000, 16_000])
    b.run(10)
    assert list(b.cloud.objects) == ["rec_2"]
    assert b.lane.reason.code == "cap_day"
    b.link.kind = "wifi"
    b.lane.notify()
    b.run(10)
    assert list(b.cloud.objects) == ["rec_2", "rec_1"], "another way has no such cap"


def test_many_that_do_not_fit_are_not_all_looked_at(bench):
    b = bench(caps=(WIRE_BYTES, None), sizes=[80_000] * (_HELD_MOST + 4))
    b.run(10)
    assert b.lane._backlog.held == _HELD_MOST and b.lane.reason.code == "cap_day"


def test_nothing_left_closes_the_way_for_all(bench):
    b = bench(caps=(0, None), sizes=[16_000])
    b.run(3 * DAY_S)
    assert b.cloud.calls == [] and b.lane.reason.code == "cap_day"


def test_a_way_is_closed_while_it_is_down_too(bench):
    """None of it, not a heartbeat either: the link asks before it starts the way."""
    b = bench(caps=(0, None))
    b.link.up = False
    code, left_ms = b.planner.shut("4g")
    assert code == "cap_day" and 0 < left_ms <= DAY_S * 1000
    assert b.planner.shut("wifi") == (None, 0)


def test_small_traffic_stops_before_the_cap(bench):
    """What is under way when the last room goes has some left."""
    b = bench(caps=(1_000_000, None))
    b.planner._budget.spend("cellular", 1_000_000 - 32_769)
    assert b.planner.shut("4g") == (None, 0)
    b.planner._budget.spend("cellular", 1)
    assert b.planner.shut("4g")[0] == "cap_day"


def test_a_way_on_which_nothing_fits_is_closed_until_there_is_another_clip(bench):
    b = bench(caps=(3 * WIRE_BYTES, None), sizes=[60_000])
    b.planner._budget.spend("cellular", WIRE_BYTES)
    b.run(10)
    assert b.lane.reason.code == "cap_day"
    room = b.planner._budget.room_bytes("cellular")
    assert room > 32_768 and b.planner.shut("4g")[0] == "cap_day"
    fakes.add_clip(b.store, 16_000)
    b.planner.work_came()
    assert b.planner.shut("4g") == (None, 0) and b.link.looks == 1
    b.lane.notify()
    b.run(10)
    assert b.lane.delivered == 1 and b.planner.shut("4g")[0] == "cap_day"
    b.run(DAY_S)  # the new day begins with all its room
    assert b.lane.delivered == 2


def test_a_cut_in_the_middle_of_the_upload_was_booked(bench, time):
    class Cut(BaseException):
        """The power goes: nothing above may handle it."""

    b = bench(caps=(3 * WIRE_BYTES, None), sizes=[16_000] * 2, put=[Cut()])
    with pytest.raises(Cut):
        b.run(10)
    b.boot()
    assert b.planner.as_dict()["cellular"]["day_left_kb"] * 1024 <= 2 * WIRE_BYTES


@pytest.mark.parametrize("known", [True, False])
def test_off_peak_hours_hold_the_cellular_way_alone(bench, known):
    b = bench(off_peak="22:00-06:00", sizes=[16_000])
    b.boot(clock_known=known)
    b.run(10)
    assert b.cloud.calls == []
    assert b.lane.reason.code == ("off_peak" if known else "clock_wait")
    if known:  # it is noon
        assert abs(b.lane.reason.as_dict()["again_in_s"] - 10 * 3600) <= 60
        b.run(10 * 3600 + 120)
        assert b.lane.delivered == 1
    else:
        b.link.kind = "wifi"
        b.lane.notify()
        b.run(700)
        assert b.lane.delivered == 1


def test_bytes_are_spent_on_the_way_they_took(bench):
    b = bench(caps=(100 * WIRE_BYTES, None), sizes=[16_000] * 2)
    b.run(10)
    left = b.planner.as_dict()["cellular"]["day_left_kb"]
    assert left <= (100 * WIRE_BYTES - wire_bytes(2 * CLIP_BYTES)) // 1024
    b.link.kind = "wifi"
    fakes.add_clip(b.store, 16_000)
    b.lane.notify()
    b.run(10)
    assert b.lane.delivered == 3
    assert b.planner.as_dict()["cellular"]["day_left_kb"] == left


def test_only_the_rest_of_a_clip_is_expected(bench):
    b = bench(sizes=[16_000])
    clip = b.store.after(0)
    assert expected_bytes(clip) == WIRE_BYTES
    clip.save(state="stored")
    assert expected_bytes(clip) == wire_bytes(6144, 2)


@pytest.mark.parametrize("mb, code", [(None, None), (0, "cap_month"), (1, None)])
def test_the_settings_0_is_nothing_and_null_no_limit(bench, mb, code):
    """From config.json's numbers to what the link may start."""
    b = bench()
    b.link.permits = None
    settings = defaults() | {"cellular.apn": "iot", "cellular.monthly_mb": mb}
    slots = Slots("budget1", str(b.folder) + "/other")
    made = planner_of(settings, b.link, Http(b.cloud), b.waits._clock, slots, None)
    assert (made is None) == (mb is None)
    if made:
        assert b.link.permits("4g")[0] == code and b.link.permits("wifi") == (None, 0)
