"""Which program starts: the table of rescue/choice.py, told as the lives of recorders."""

import itertools
import sys

import pytest

from rescue import boot_record, choice, roots
from rescue.boot_record import NONE


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Recorder(str(tmp_path) + "/")


class Recorder:
    """A board's root folder, and what happens to it."""

    def __init__(self, folder):
        self.folder = folder

    def has(self, release=NONE, trial=NONE, starts=0):
        boot_record.write(release, trial, starts, self.folder)

    def release(self, *names):
        for name in names:
            import os

            os.makedirs(self.folder + name + "/device")

    def start(self, cause="watchdog"):
        """boot.py, then main.py: (name of the release, True if it is the rescue program)."""
        return choice.choose(self.folder), choice.begin(cause, self.folder)

    def record(self):
        return boot_record.read(self.folder)[1:]


def test_a_release_in_rom_runs_where_the_record_names_none(board, tmp_path, monkeypatch):
    """A folder that no record names, say of an update that was cut, is not the release then."""
    monkeypatch.setattr(choice, "ROM", str(tmp_path / "rom"))
    monkeypatch.setattr(roots, "ROM", str(tmp_path / "rom") + "/")
    board.release("rom", "a")
    (tmp_path / "rom" / "trust").mkdir()
    (tmp_path / "rom" / "trust" / "roots").write_bytes(b"")
    assert board.start("power_on")[0] == NONE and board.folder + "a" not in sys.path
    assert roots.program_folder(board.folder) == roots.ROM
    board.has(release="b")  # it is gone
    assert board.start("power_on")[0] == NONE
    assert roots.program_folder(board.folder) == roots.ROM
    board.has(trial="a")
    assert [board.start()[0] for _ in range(4)] == ["a", "a", "a", NONE]
    board.has(trial="a")
    board.start()
    choice.prove(board.folder)
    assert board.start("power_on")[0] == "a" and sys.path[0] == board.folder + "a"
    assert roots.program_folder(board.folder) == board.folder + "a/"


def programs(board, count, cause="watchdog"):
    return "".join("R" if board.start(cause)[1] else "f" for _ in range(count))


def test_five_crashes_bring_the_rescue_program_and_every_fourth_start_the_full_one(board):
    assert programs(board, 21) == "fffffRRfRRRfRRRfRRRfR"


def test_switching_off_and_on_never_brings_the_rescue_program(board):
    assert programs(board, 50, "power_on") == "f" * 50
    assert board.record() == (NONE, NONE, 1)


@pytest.mark.parametrize("cause", ["power_on", "deep_sleep", "planned"])
def test_quiet_starts_write_once_at_most(board, cause):
    board.start(cause)
    before = boot_record.read(board.folder)
    programs(board, 20, cause)
    assert boot_record.read(board.folder) == before


@pytest.mark.parametrize("cause", ["watchdog", "reset", "brown_out", "unknown"])
def test_every_other_cause_counts(board, cause):
    assert programs(board, 6, cause) == "fffffR"


def test_crashes_between_quiet_starts_still_add_up(board):
    said = ""
    for cause in itertools.islice(itertools.cycle(["watchdog", "power_on"]), 12):
        said += programs(board, 1, cause)
    assert said[:9] == "f" * 9 and "R" in said[9:]


def test_a_crash_a_week_is_none(board):
    for _ in range(50):
        assert not board.start()[1]
        choice.prove(board.folder)
    assert board.record() == (NONE, NONE, 0)


def test_who_switches_it_on_in_rescue_gets_the_full_program_first(board):
    board.has(starts=6)
    assert programs(board, 1, "power_on") == "f"
    assert programs(board, 3) == "RRR"


def test_the_rescue_program_goes_back_by_one_write(board):
    for starts in range(6, 40):
        board.has(starts=starts)
        choice.try_full(board.folder)
        assert programs(board, 1, "reset") == "f", starts
        assert programs(board, 1, "watchdog") == "R", starts


def test_a_technician_s_session_counts_nothing(board):
    board.start("power_on")
    for _ in range(50):
        choice.try_full(board.folder)  # Ctrl-C in main.py
        for _ in range(5):
            choice.choose(board.folder)  # boot.py of each soft reset into the raw REPL
        assert not board.start("reset")[1]  # the hard reset at the end
    assert board.record() == (NONE, NONE, 1)


def test_a_session_with_a_recorder_in_rescue_tries_the_full_program_after_it(board):
    board.has(starts=9)
    assert board.start("power_on")[1] is False
    assert board.start("watchdog")[1] is True
    choice.try_full(board.folder)
    assert board.start("reset")[1] is False


def test_a_trial_is_run_three_times_and_then_rolled_back(board):
    board.release("a", "b")
    board.has("a", "b")
    ran = [board.start()[0] for _ in range(4)]
    assert ran == ["b", "b", "b", "a"]
    assert board.record() == ("a", NONE, 1)


def test_a_trial_that_is_only_switched_off_and_on_goes_on(board):
    board.release("a", "b")
    board.has("a", "b")
    assert {board.start("power_on")[0] for _ in range(9)} == {"b"}


def test_a_trial_that_proves_itself_becomes_the_release(board):
    board.release("a", "b")
    board.has("a", "b")
    board.start()
    assert choice.prove(board.folder) is True
    assert board.record() == ("b", NONE, 0)
    assert choice.prove(board.folder) is False


def test_a_trial_never_ends_in_rescue_but_in_the_old_release(board):
    board.release("a", "b")
    board.has("a", "b", 7)
    assert board.start() == ("a", False)


def test_the_folder_that_runs_stands_first_in_the_path_and_alone(board):
    board.release("a", "b")
    for release, expected in (("a", "a"), ("b", "b"), ("b", "b"), ("a", "a")):
        board.has(release)
        choice.choose(board.folder)
        ours = [p for p in sys.path if p in (board.folder + "a", board.folder + "b")]
        assert ours == [board.folder + expected] and sys.path[0] == ours[0]


def test_a_folder_that_is_gone_is_passed_over(board):
    board.release("b")
    board.has("a")
    assert board.start()[0] == "b"


def test_a_flat_tree_leaves_the_path_alone(board):
    before = list(sys.path)
    assert board.start("power_on") == (NONE, False)
    assert sys.path == before


def test_a_flash_that_cannot_be_written_still_starts(board, monkeypatch):
    def full(*_args):
        raise OSError(28)

    monkeypatch.setattr(boot_record, "write", full)
    assert programs(board, 20) == "f" * 20


@pytest.mark.parametrize("kept", range(8))
def test_a_power_cut_while_the_record_is_written_leaves_the_old_or_the_new_one(board, kept):
    board.release("a", "b")
    board.has("a", "b", 1)
    line = boot_record.encode(2, "a", "b", 2)
    with open(board.folder + "boot0", "wb") as f:
        f.write(line[: len(line) * kept // 7])
    assert board.record() == (("a", "b", 2) if kept == 7 else ("a", "b", 1))
    assert board.start()[0] == "b"
