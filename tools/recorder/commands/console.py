"""Watch a running recorder and put questions to it; it goes on with its work."""

import json
import sys

from tools.recorder import logtext
from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, UsageError
from tools.recorder.keyboard import Keyboard
from tools.recorder.line import Line, answer_of
from tools.recorder.live import duration_s
from tools.recorder.ports import find_port

SUMMARY = "Watch a running recorder and ask it; it goes on with its work."
EXAMPLE = """
recorder console --board REC-0001       (type status, and leave with Ctrl-])
echo status | recorder console --for 3s
"""
_COMMANDS = {
    "status": {"do": "status"},
    "log": {"do": "log"},
    "look": {"do": "look_again"},
    "record on": {"do": "record", "on": True},
    "record off": {"do": "record", "on": False},
}
_SEND = "send "  # and the number of a clip
_HELP = (
    "Type: "
    + ", ".join(_COMMANDS)
    + ", send N. Leave with Ctrl-] or Ctrl-C; the recorder goes on."
)
_LAST_WORD_S = 2.5  # what is waited for an answer when the input has ended


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument("--for", dest="lasts", metavar="TIME", help="end by itself: 10s, 5m, 1h")


def run(options, ui) -> int:
    limit_s = duration_s(options.lasts) if options.lasts else None
    if ui.is_json and limit_s is None:
        raise UsageError("--json shows its document at the end: say how long with --for 10s.")
    device = find_port(options.board)
    lines: list[str] = []
    answers: list = []
    with Line(device) as line, Keyboard() as keyboard:
        try:
            ui.say(f"{device}: {_HELP}")
            watch(line, keyboard, limit_s, lines, answers, ui)
        except KeyboardInterrupt:
            ui.say("")  # asked to leave: no fault
    ui.result({"port": device, "lines": lines, "answers": answers})
    return EXIT_DONE


def watch(line, keyboard, limit_s, lines: list, answers: list, ui) -> None:
    """Show what comes and send what is typed, until the time is over or somebody leaves."""
    asked = 0
    # Without --for, input that is no terminal ends it: after its last answer, or a little later.
    rest = None if limit_s is not None else _LAST_WORD_S
    for text in line.lines(limit_s):
        for words in keyboard.typed():
            asked += ask(line, words, ui)
        if text:
            answer = answer_of(text)
            if answer is None:
                lines.append(text)
                show(logtext.parse(text).shown({}), ui)
            else:
                answers.append(answer["value"])
                show(json.dumps(answer["value"], indent=2, ensure_ascii=False), ui)
        if keyboard.wants_out:
            return
        if keyboard.has_ended and rest is not None and not sys.stdin.isatty():
            if text is None:
                rest -= 0.05
            if rest <= 0 or (asked and len(answers) >= asked):
                return


def ask(line, words: str, ui) -> int:
    """Send a command; 1 if it was one."""
    words = " ".join(words.lower().split())
    command = _COMMANDS.get(words)
    if words.startswith(_SEND) and words[len(_SEND) :].isdecimal():
        command = {"do": "send", "clip": int(words[len(_SEND) :])}
    if command is None:
        ui.say(f"{words!r} is no command. {_HELP}")
        return 0
    line.write(b"\n" + json.dumps(command | {"id": "console"}).encode() + b"\n")
    return 1


def show(text: str, ui) -> None:
    if not ui.is_json:
        ui.out.print(text, markup=False)
