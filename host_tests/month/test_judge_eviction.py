"""S16 can fail: each lie about an eviction is called by its name (tools/torture/invariants/)."""

import pytest

from tools.torture import invariants
from tools.torture.history import History

_CLOSED = ("record", {"clip": 3, "state": "closed"})
_SAID = ("log", {"text": "E clip evicted clip=3 seconds=4 order=oldest in_all=1"})
_PUT = ("request", {"id": 8, "route": "put", "clip": 3})
_TAKEN = ("commit", {"id": 8, "route": "put", "clip": 3, "status": 200})
_ANSWER = ("answer", {"id": 8, "status": 200, "code": ""})


def gone(**changes):
    return ("evicted", {"clip": 3, "seconds": 4, "free_bytes": 65_000, "is_ours": True} | changes)


def judged(*events, order="oldest", counted=(1, 4)):
    history = History(8000, evict_order=order, evicted=list(counted))
    for at_ms, (kind, detail) in enumerate(events):
        history.add(at_ms, kind, **detail)
    return [violation.text for violation in invariants.judge(history, ("S16",))]


def test_what_may_go_and_is_told_breaks_nothing():
    assert judged(_CLOSED, gone(), _SAID) == []
    # A sign-in page in place of storage's answer says nothing of the clip.
    assert judged(_CLOSED, _PUT, _ANSWER, gone(), _SAID) == []
    # What was answered in the moment of a cut nobody knows after it.
    assert judged(_CLOSED, _PUT, _TAKEN, _ANSWER, ("cut", {"heard": 1}), gone(), _SAID) == []


@pytest.mark.parametrize(
    "events, text",
    [
        ((_CLOSED, gone()), "the log does not say so"),
        ((gone(), _SAID), "in state None"),
        ((("record", {"clip": 3, "state": "completing"}), gone(), _SAID), "in state completing"),
        ((("record", {"clip": 3, "state": "parked"}), gone(), _SAID), "in state parked"),
        ((_CLOSED, _PUT, gone(), _SAID), "while it was in hand"),
        ((_CLOSED, _PUT, _TAKEN, _ANSWER, gone(), _SAID), "storage had said that it has it"),
        ((_CLOSED, gone(is_ours=False), _SAID), "made for somebody else"),
        ((_CLOSED, gone(free_bytes=200_000), _SAID), "with 195 KiB free"),
    ],
)
def test_each_lie_has_its_name(events, text):
    (said,) = judged(*events)
    assert text in said


def test_nobody_asked_or_it_is_counted_wrongly():
    assert "nobody asked" in judged(_CLOSED, gone(), _SAID, order="never")[0]
    assert "counts [2, 8]" in judged(_CLOSED, gone(), _SAID, counted=(2, 8))[0]
    assert "counts [1, 3]" in judged(_CLOSED, gone(), _SAID, counted=(1, 3))[0]
