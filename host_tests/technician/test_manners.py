"""What holds for every command: help that fits a screen, examples that work, --json and --dry-run,
and an end within time whatever is, or is not, at the port.
"""

import contextlib
import os
import pty
import re
import shlex
import subprocess
import sys
import time
import tomllib
import tty

import pytest
from field_bench import Person

from tools.recorder import line
from tools.recorder.cli import COMMANDS, main, parser
from tools.recorder.collected import lock
from tools.recorder.errors import ToolError
from tools.sim.build import ROOT

CHANGES = {"flash", "provision", "update", "requeue", "pull", "deliver", "receipt", "wipe"}
# What a command needs to get as far as the port; {} is a folder that is there.
WORDS = {
    "check": [],
    "doctor": [],
    "logs": [],
    "console": ["--for", "2s"],
    "send": ["12"],
    "requeue": [],
    "pull": ["{}/clips"],
    "receipt": ["{}"],
    "wipe": ["--confirm", "X"],
}


def commands():
    (subparsers,) = [a for a in parser()._actions if hasattr(a, "choices") and a.choices]
    return subparsers.choices


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_fits_a_screen(name):
    text = (commands()[name] if name else parser()).format_help()
    lines = text.rstrip().splitlines()
    assert len(lines) <= 24, len(lines)
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert name is None or f"recorder {name}" in text.partition("example:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands_that_parse(name):
    example = commands()[name].epilog
    found = 0
    for row in re.split(r"\n|, and |: (?=recorder )", example):
        start = row.find("recorder ")
        if start < 0:
            continue
        words = shlex.split(re.sub(r"\s{2,}\(.*", "", row[start:]))
        parser().parse_args(words[1:])
        found += 1
    assert found


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_everywhere_and_dry_run_where_something_changes(name):
    options = {flag for action in commands()[name]._actions for flag in action.option_strings}
    assert "--json" in options
    assert ("--dry-run" in options) == (name in CHANGES)


def test_the_list_of_changing_commands_is_whole():
    """A new command must be put on one side or the other."""
    assert set(COMMANDS) - CHANGES == {
        "list",
        "check",
        "doctor",
        "logs",
        "console",
        "send",
        "labels",
    }


@pytest.fixture
def person(capsys, monkeypatch):
    monkeypatch.setattr(line, "ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr(line, "PROMPT_LIMIT_S", 0.6)
    return Person(capsys, monkeypatch)


@contextlib.contextmanager
def empty_port():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("name", WORDS)
def test_a_silent_port_ends_in_time_and_says_so(name, tmp_path, person):
    words = [word.format(tmp_path) for word in WORDS[name]]
    with empty_port() as port:
        before_s = time.monotonic()
        code, said = person.run(name, *words, "--board", port)
    assert time.monotonic() - before_s < 15
    if name == "console":
        assert code == 0 and said["lines"] == []  # it shows what comes: nothing
    else:
        assert code == 3 and "silent" in said["error"], said


@pytest.fixture(scope="module")
def busy_port():
    """(port, pid of the program that holds it)."""
    with empty_port() as port:
        code = (
            "import serial,sys,time; s=serial.Serial(sys.argv[1], exclusive=True);"
            "print('held', flush=True); time.sleep(120)"
        )
        words = [sys.executable, "-c", code, port]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout.readline() == "held\n"
            yield port, holder.pid
            holder.kill()


@pytest.mark.parametrize("name", WORDS)
def test_a_busy_port_names_who_holds_it(name, tmp_path, person, busy_port):
    words = [word.format(tmp_path) for word in WORDS[name]]
    port, pid = busy_port
    code, said = person.run(name, *words, "--board", port)
    assert code == 3 and f"pid {pid}" in said["error"], said


@pytest.mark.parametrize("name", WORDS)
def test_a_port_that_is_not_there_is_an_error_with_a_way_on(name, tmp_path, person):
    words = [word.format(tmp_path) for word in WORDS[name]]
    code, said = person.run(name, *words, "--board", str(tmp_path / "no-such"))
    assert code == 3 and "recorder list" in said["error"], said


def test_the_console_script_names_the_same_function_as_python_m_tools():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert declared == {"recorder": f"{main.__module__}:{main.__name__}"}
    assert f"from {main.__module__} import main" in (ROOT / "tools" / "__main__.py").read_text()


def test_one_tool_at_a_time_works_on_a_folder_and_leaves_it_when_it_ends(tmp_path):
    """Also with a process just forked off, which has what was open until it becomes another."""
    parent_end, child_end = os.pipe()
    with lock(tmp_path):
        with pytest.raises(ToolError, match="Another `recorder` works on"), lock(tmp_path):
            pass
        child = os.fork()
        if not child:
            os.close(child_end)
            os.read(parent_end, 1)  # until our end is closed
            os._exit(0)
    try:
        with lock(tmp_path):
            pass
    finally:
        os.close(child_end)
        os.waitpid(child, 0)
        os.close(parent_end)
