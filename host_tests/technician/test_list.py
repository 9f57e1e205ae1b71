"""recorder list: a running recorder is asked and not stopped; everything else is told for what it
is, and nothing is written to it.
"""

import contextlib
import os
import pty
import threading
import tty

import pytest
from field_bench import Person, wait_until

from tools.recorder import line
from tools.recorder.errors import Foreign
from tools.recorder.port import Board
from tools.recorder.sessions import session


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


@pytest.fixture
def impatient(monkeypatch):
    """What never answers is given up sooner than a technician's board would be."""
    monkeypatch.setattr(line, "ANSWER_LIMIT_S", 0.5)
    monkeypatch.setattr(line, "PROMPT_LIMIT_S", 1.5)


@contextlib.contextmanager
def serial_device(talk: bytes = b"", echoes: bool = False):
    """(name, what it was sent) of a serial port with something else than a board behind it."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    heard, stop = bytearray(), threading.Event()

    def live():
        while not stop.wait(0.05):
            os.write(ours, talk)
            os.set_blocking(ours, False)
            with contextlib.suppress(BlockingIOError):
                data = os.read(ours, 4096)
                heard.extend(data)
                if echoes:
                    os.write(ours, data)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs), heard
    finally:
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_a_running_recorder_is_asked_and_not_stopped(serial_board, person):
    serial = serial_board("REC-7")
    code, rows = person.run("list", "--port", serial.device)
    assert code == 0 and len(rows) == 1
    row = rows[0]
    assert (row["port"], row["state"], row["fault"]) == (serial.device, "recorder", "")
    assert row["was_stopped"] is False and row["reason"] in ("starting", "no_token")
    assert row["facts"]["device"] == "REC-7" and row["facts"]["token"] is False
    assert row["facts"]["clips"] == 0 and row["facts"]["free_kb"] > 0
    assert row["facts"]["battery_pct"] is None, "this virtual board has no battery"
    assert serial.resets == [] and serial.register("indicator") != {"code": "held"}
    assert b"\x03" not in (serial.folder / "serial.log").read_bytes()
    for secret in filter(None, serial.secrets().values()):
        if len(secret) >= 8:
            assert secret not in str(rows)


def test_one_that_does_not_answer_is_stopped_and_asked_and_started_again(serial_board, person):
    serial = serial_board("REC-8")
    Board(serial.device).hold()  # a session that was left behind: nothing runs
    code, rows = person.run("list", "--running", "--port", serial.device)
    assert (rows[0]["state"], serial.resets) == ("silent", [])
    code, rows = person.run("list", "--port", serial.device)
    assert code == 0 and (rows[0]["state"], rows[0]["was_stopped"]) == ("recorder", True)
    assert rows[0]["facts"]["device"] == "REC-8"
    wait_until(lambda: serial.resets == ["reset"])


def test_somebody_elses_program_is_recognised_and_left_alone(serial_board, person):
    main = b"import time\nwhile True:\n    print('pump 3 bar')\n    time.sleep_ms(100)\n"
    serial = serial_board("REC-9", is_empty=True, files={})
    serial.pull_cable()
    serial.image(None, {"main.py": main, "pump.json": b"{}"})
    before = serial.read_image()
    serial.plug_in()
    _, rows = person.run("list", "--port", serial.device)
    assert (rows[0]["state"], rows[0]["was_stopped"]) == ("foreign", True)
    with pytest.raises(Foreign, match="pump.json.*nothing was written"):
        with session(serial.device, None):
            pass
    code, said = person.run("wipe", "--board", serial.device, "--confirm", "REC-9")
    assert code == 3 and "no recorder" in said["error"]
    assert serial.read_image() == before


def test_a_serial_device_that_is_no_board_is_quoted(person, impatient):
    with serial_device(b"$GPGGA,1200,N\r\n") as (name, _):
        code, rows = person.run("list", "--port", name)
        assert code == 0 and rows[0]["state"] == "foreign" and "$GPGGA" in rows[0]["fault"]
        code, said = person.run("requeue", "--board", name)
        assert code == 3 and "no recorder" in said["error"]


def test_a_silent_port_is_said_to_be_silent(person, impatient):
    with serial_device() as (name, heard):
        code, rows = person.run("list", "--port", name)
        assert code == 0 and rows[0]["state"] == "silent" and rows[0]["facts"] == {}
        assert b"\x01" not in heard and b"\x04" not in heard, "mpremote was not even started"


def test_no_port_at_all_has_its_own_exit_code(person, monkeypatch):
    monkeypatch.setattr("tools.recorder.ports.ports", list)
    code, said = person.run("list")
    assert code == 3 and "cable" in said["error"]
