"""Room is made while the lane is at work: what it holds in its hand, or only in mind, stays.

The months in virtual time found each (tools/torture): an evicted clip came back as a record
without audio, and one was given up that storage had taken.
"""

import fakes
import pytest
from test_transfer_lane import Bench

from device.joints import Joints
from device.store import slots
from device.store.clip import CREATED


def joints_of(b):
    joints = Joints(None, b.secrets, None, None, None, None)
    joints.lane, joints.whole_file = b.lane, b.lane._strategy
    joints.store, joints.evict = b.store, "oldest"
    joints.log, _ = fakes.make_log()
    return joints


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def test_the_clip_that_the_cloud_is_told_of_first_stays(bench):
    """The lane has chosen a clip and sends a beat before it: seconds, in which a take goes on."""
    b = bench(clips=2)
    joints = joints_of(b)
    freed = []

    async def announce():
        if not freed:
            freed.append(joints.make_room())
        return None

    b.lane.announce = announce
    b.run(20)
    assert freed[0] > 0 and b.secrets.counter("evicted") == 1
    assert list(b.cloud.objects) == ["rec_1"] and b.lane.delivered == 1
    assert b.records() == {}, "nothing is left, and nothing came back"


def test_what_was_heard_is_safe_before_room_is_made_for_more(bench):
    """On a slow card eviction takes half a second; with what was not synced more than one was
    lost to a cut.
    """
    b = bench(clips=1)
    joints = joints_of(b)
    facts = {"codec": "wav", "hz": 8, "take": 0, "index": 0, "first": 0, "boot": 1, "up": 5}
    clip, writer = b.store.open(facts)
    writer.write(memoryview(b"12345678"), 1)
    unsafe, real = [], b.store.after

    def after(number):
        with open(clip.audio_path, "rb") as f:
            unsafe.append(8 - len(f.read()))
        return real(number)

    b.store.after = after
    assert joints.make_room() and set(unsafe) == {0}


def test_a_clip_that_storage_has_and_no_record_says_so_stays(bench, monkeypatch):
    b = bench(clips=2)
    joints = joints_of(b)
    real = b.cloud.put

    async def put(*arguments):
        answer = await real(*arguments)
        monkeypatch.setattr(slots, "open", fakes.failing_open(5, -1), raising=False)
        return answer

    b.cloud.put = put
    b.run(20)
    monkeypatch.undo()
    assert b.lane.in_hand == 0 and b.records()[1]["state"] == CREATED
    assert joints.make_room() and list(b.records()) == [1]
    assert not joints.make_room(), "rather the take ends"
