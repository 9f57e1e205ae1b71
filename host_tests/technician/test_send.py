"""recorder send: a running recorder is asked over its console, and goes on with its work."""

import pytest
from field_bench import Person, change_record, make_clips

from tools.recorder.line import Line
from tools.recorder.port import Board


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def test_clips_are_asked_for_while_it_runs(serial_board, person):
    serial = serial_board("REC-1")
    make_clips(serial, 1, 1, 1, 1)
    change_record(serial, 2, state="parked", why="refused")
    Board(serial.device).release()
    code, said = person.run("send", 4, 3, "--board", serial.device)
    assert code == 0 and said == [
        {"clip": 4, "ok": True, "before": 0},
        {"clip": 3, "ok": True, "before": 1},
    ]
    code, said = person.run("send", 2, 9, "--board", serial.device)
    assert code == 1 and ["requeue" in said[0]["error"], "no clip 9" in said[1]["error"]] == [1, 1]
    with Line(serial.device) as line:
        assert line.ask({"do": "status"})["queue"]["requested"] == [4, 3]
    assert serial.resets == ["reset"], "only the release made it start anew"
