"""recorder console and logs: a running recorder is watched and asked, and never stopped."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from field_bench import Person, wait_until

from host_tests import ctrl_c
from tools.recorder import line as serial_line
from tools.recorder import logtext
from tools.recorder.line import Line
from tools.recorder.port import Board
from tools.sim.build import ROOT
from tools.sim.serial import SerialBoard


@pytest.fixture(scope="module")
def running(tmp_path_factory, application):
    """A recorder that runs, for all tests here that leave it alone."""
    with SerialBoard(tmp_path_factory.mktemp("board") / "b", "REC-1") as board:
        board.equip()
        board.image(application, {"config.json": b"{}"})
        board.plug_in()
        yield board
        assert board.resets == [] and board.register("indicator") != {"code": "held"}


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def command(*words) -> list[str]:
    return [sys.executable, "-m", "tools", *map(str, words)]


def test_the_kept_log_of_a_running_recorder(running, person):
    code, said = person.run("logs", "--board", running.device, "--running")
    assert code == 0 and "start device=REC-1" in said["lines"][0]["text"]
    assert said["lines"][0]["boot"] == 1 and said["lines"][0]["level"] == "I"


def test_what_comes_is_shown_for_as_long_as_was_said(running, person):
    before_s = time.monotonic()
    code, said = person.run("logs", "-f", "--for", "1s", "--board", running.device)
    assert code == 0 and said["lines"] and time.monotonic() - before_s < 20
    code, said = person.run("logs", "-f", "--board", running.device)
    assert code == 2 and "--for" in said["error"]


def test_questions_are_answered_while_it_runs(running):
    done = subprocess.run(
        command("console", "--board", running.device),
        input="record on\nnonsense\nstatus\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"device": "REC-1"' in done.stdout and '"ok": true' in done.stdout
    assert "'nonsense' is no command" in done.stderr and "record off" in done.stderr
    with Line(running.device) as line:
        assert line.ask({"do": "status"})["recorder"]["code"] == "recording"
        assert line.ask({"do": "record", "on": False}) == {"ok": True}


def test_ctrl_c_leaves_the_console_and_not_the_recorder(running):
    process = subprocess.Popen(
        command("console", "--board", running.device),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        preexec_fn=ctrl_c.is_heard,
    )
    with process:
        assert "Leave with" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    with Line(running.device) as line:
        assert line.ask({"do": "status"})["device"] == "REC-1"


def test_ctrl_bracket_leaves_and_the_terminal_is_as_it_was(running):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("console", "--board", running.device),
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT,
    )  # fmt: skip
    try:
        said = read_until(ours, b"Leave with")
        os.write(ours, b"stutus\x7f\x7f\x7f\x7f" + b"atus\n")
        said += read_until(ours, b'"reset_cause"')
        os.write(ours, b"\x1d")
        assert process.wait(20) == 0
        import termios

        assert termios.tcgetattr(theirs)[3] & termios.ICANON, "line by line again"
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def read_until(descriptor, ending, limit_s=20.0) -> bytes:
    said, end_s = b"", time.monotonic() + limit_s
    while ending not in said:
        assert time.monotonic() < end_s, said
        if select.select([descriptor], [], [], 0.1)[0]:
            said += os.read(descriptor, 4096)
    return said


def test_the_log_tells_of_the_boots_before_and_of_the_board_that_is_held(serial_board, person):
    serial = serial_board("REC-2", files={"config.json": b'{"recording": {"mode": "buton"}}'})
    # A settings error is written at once.
    wait_until(lambda: any(name.startswith("log/") for name in serial.read_image()))
    Board(serial.device).hold()
    person.has(RECORDER_PORTS=serial.device)
    code, said = person.run("logs", "--board", serial.device, "--running")
    assert code == 2 and "--running" in said["error"]
    code, said = person.run("logs", "--board", serial.device)
    assert code == 0
    texts = [(line["boot"], line["text"]) for line in said["lines"]]
    assert (1, "start device=REC-2 firmware=0.1.0 boot=1 cause=power_on") in texts
    assert any(line["level"] == "E" and "buton" in line["text"] for line in said["lines"])
    assert texts[-1][1].startswith("stopped by Ctrl-C"), "and nothing before it was lost"
    # Given back to its work: the next boot writes on.
    with Line(serial.device) as line:
        assert line.ask({"do": "status"}, 20)["clock"]["boot"] > 1
    code, said = person.run("logs", "--running", "--board", serial.device)
    assert {line["boot"] for line in said["lines"]} >= {1, said["lines"][-1]["boot"]}
    assert said["lines"][-1]["boot"] > 1


def test_a_port_that_goes_away_ends_the_view(serial_board, person, monkeypatch):
    monkeypatch.setattr(serial_line, "ANSWER_LIMIT_S", 5.0)
    serial = serial_board("REC-3")
    inner = Line.lines

    def lines(self, limit_s):
        if limit_s == 30:
            serial.pull_cable()
        return inner(self, limit_s)

    monkeypatch.setattr(Line, "lines", lines)
    code, said = person.run("logs", "-f", "--for", "30s", "--board", serial.device)
    assert code == 3 and "went away" in said["error"]


@pytest.mark.parametrize(
    "text, offsets, shown",
    [
        ("3+61 W lane waits", {}, "boot 3 +0:01:01    warn   lane waits"),
        ("3+61 E x", {3: 1_772_366_400_000}, "2026-03-01 12:01:01  ERROR  x"),
        ("I as it comes", {}, "info   as it comes"),
        ("Traceback (most recent call last):", {}, "       Traceback (most recent call last):"),
        ("3+x W odd", {}, "       3+x W odd"),
    ],
)
def test_lines_for_a_person(text, offsets, shown):
    line = logtext.parse(text)
    assert line.shown(offsets) == shown
    assert json.dumps(line.document(offsets))


def test_offsets_come_from_the_clock_and_from_the_boots():
    status = {"clock": {"unix_s": 1_772_366_461, "uptime_s": 61, "boot": 4}}
    assert logtext.offsets_of(status, {"3": [5, 1, 0, 9], "junk": [1], "2": None}) == {
        3: 5,
        4: 1_772_366_400_000,
    }
    assert logtext.offsets_of({"clock": {"unix_s": None, "boot": 4, "uptime_s": 1}}) == {}
