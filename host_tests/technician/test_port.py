"""The board port against the real mpremote, the real device code and a virtual serial board."""

import os
import stat
import subprocess
import sys

import pytest
from field_bench import wait_until

from tools.recorder import port as port_module
from tools.recorder.errors import BoardFault, Foreign, NoDevice
from tools.recorder.secret import Secret


def test_a_call_runs_on_the_board_and_says_so_on_the_indicator(serial_board, port):
    board = serial_board("REC-7")
    facts = port(board).call("facts", {})
    assert facts["device"] == "REC-7"
    assert facts["token"] is False
    assert board.register("indicator") == {"code": "held"}
    assert board.register("watchdog") == {"limit_ms": 600_000}


def test_releasing_gives_the_board_back_to_its_work(serial_board, port):
    board = serial_board()
    port(board).hold()
    port(board).release()
    wait_until(lambda: board.register("watchdog") == {"limit_ms": 60_000})
    assert board.resets == ["reset"]


def test_files_arrive_whole_and_keep_every_byte(serial_board, port):
    board = port(serial_board())
    data = bytes(range(256)) * 9
    board.put("/a/b/c.bin", data)
    assert board.get("/a/b/c.bin") == data
    assert board.sha256(["/no/such"]) == {"/no/such": None}


def test_an_unknown_function_is_an_answer_and_not_a_riddle(serial_board, port):
    with pytest.raises(BoardFault) as caught:
        port(serial_board()).call("nonsense", {})
    assert caught.value.code == "no_such_function"


def test_an_empty_board_is_told_from_a_recorder(serial_board, port):
    with pytest.raises(Foreign, match="provision"):
        port(serial_board(is_empty=True)).call("facts", {})


def test_a_silent_port_ends_in_time(tmp_path):
    master, slave = os.openpty()
    try:
        with pytest.raises((NoDevice, Foreign)):
            port_module.Board(os.ttyname(slave)).run("print(1)", 3.0, "probe")
    finally:
        os.close(master)
        os.close(slave)


def test_a_busy_port_names_who_holds_it(serial_board, port):
    board = serial_board()
    code = (
        "import serial,sys,time; s=serial.Serial(sys.argv[1], exclusive=True);"
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, board.device], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(NoDevice, match=f"pid {holder.pid}"):
            port(board).call("facts", {}, timeout_s=10)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_secret_is_no_argument_of_a_process_and_its_file_is_private(
    serial_board, port, monkeypatch
):
    seen = []
    watched = port_module.watched

    def spy(arguments, *rest):
        seen.append((arguments, [stat.S_IMODE(os.stat(a).st_mode) for a in arguments[-1:]]))
        return watched(arguments, *rest)

    monkeypatch.setattr(port_module, "watched", spy)
    board = serial_board()
    port(board).call("facts", {"token": Secret("dtok_verysecret")})
    assert [modes for _, modes in seen] == [[0o600]]
    assert "verysecret" not in repr(seen)
    assert not os.path.exists(seen[0][0][-1])
    assert b"verysecret" not in (board.folder / "serial.log").read_bytes()
