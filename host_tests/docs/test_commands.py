"""What README and docs/ tell people to type is real: its program reads it, and it is run."""

import shlex
import subprocess
import sys

import pytest

from host_tests.docs.commands import ROOT, shown, table, understand
from host_tests.field_cases.table import known_tests

SHOWN, TABLE = shown(), table()
# runpy tells of a package's module that is loaded already: what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")


def test_every_command_of_the_pages_has_an_entry_and_every_entry_a_command():
    missing = {command: places for command, places in SHOWN.items() if command not in TABLE}
    assert missing == {}, "add them to commands.toml"
    assert sorted(set(TABLE) - set(SHOWN)) == [], "no page shows these any more"


def test_each_entry_says_one_way_and_its_tests_exist():
    known = known_tests()
    for command, entry in TABLE.items():
        assert len({"run", "tests", "away"} & set(entry)) == 1, command
        assert [t for t in entry.get("tests", ()) if t not in known] == [], command


@pytest.mark.parametrize("command", [c for c in SHOWN if "recorder" != c.split()[0]])
def test_programs_take_the_command_lines_of_the_pages(command, capsys):
    assert _is_understood(_filled(command)), capsys.readouterr().err


@pytest.mark.parametrize("command", [c for c in SHOWN if "recorder" == c.split()[0]])
def test_the_technicians_command_takes_its_lines(command, capsys):
    mention = len(command.split()) == 2
    if mention and not command.split()[1].startswith("-"):
        command += " --help"  # a name in a sentence: the job exists
    assert _is_understood(_filled(command)), capsys.readouterr().err


def test_a_command_line_with_an_invented_option_is_not_taken():
    assert not _is_understood("make simulate ARGS=--colour")
    assert not _is_understood("recorder doctor --cure")
    assert not _is_understood("make coffee")


def _filled(command: str) -> str:
    return TABLE.get(command, {}).get("reads", command)


def _is_understood(command: str) -> bool:
    try:
        understand(command)
    except SystemExit as ending:
        return not ending.code
    return True


RUNS = {entry["run"]: [] for entry in TABLE.values() if "run" in entry}
for entry in TABLE.values():
    if "run" in entry and "says" in entry:
        RUNS[entry["run"]].append(entry["says"])


@pytest.mark.parametrize("command", RUNS)
def test_commands_run_and_say_what_they_should(command, tmp_path):
    words = shlex.split(command.replace("{tmp}", str(tmp_path)))
    if words[0] == "python":
        words[0] = sys.executable
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stdout + run.stderr
    for said in RUNS[command]:
        assert said in run.stdout, run.stdout
