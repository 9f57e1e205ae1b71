"""recorder list: boards, silent ports and empty boards, each as what it is."""

import os
import pty
import tty

import pytest
from field_bench import Person


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def test_boards_are_shown_with_what_matters_and_without_a_secret(serial_board, person):
    serial = serial_board("REC-7")
    code, rows = person.run("list", "--port", serial.device)
    assert code == 0 and len(rows) == 1
    row = rows[0]
    assert (row["port"], row["state"], row["fault"]) == (serial.device, "recorder", "")
    assert row["facts"]["device"] == "REC-7" and row["facts"]["token"] in (True, False)
    assert row["facts"]["clips"] == 0 and row["facts"]["free_kb"] > 0
    for secret in filter(None, serial.secrets().values()):
        if len(secret) > 8:
            assert secret not in str(rows)


def test_a_silent_port_is_said_to_be_silent(person):
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        code, rows = person.run("list", "--port", os.ttyname(theirs))
    finally:
        os.close(ours)
        os.close(theirs)
    assert code == 0 and rows[0]["state"] == "silent" and rows[0]["facts"] == {}
