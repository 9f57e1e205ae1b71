"""Test a board's parts and its way to the cloud."""

from tools.recorder import verdicts
from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED
from tools.recorder.sessions import session

SUMMARY = "Test microphone, card, battery, network, clock, TLS and token, in plain words."
EXAMPLE = """
recorder check --board REC-0001
recorder check --board REC-0001 --tone 1000     (while a phone plays 1 kHz)
"""
_LIMIT_S = 240


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument("--tone", type=int, metavar="HZ", help="a tone that is played meanwhile")
    command.add_argument(
        "--no-network", action="store_true", help="test what needs neither radio nor cloud"
    )
    command.add_argument(
        "--ask", action="store_true", help="also light and button: somebody looks and presses"
    )


def run(options, ui) -> int:
    parts = ["microphone", "storage", "battery", "roots"]
    parts += [] if options.no_network else ["network"]
    tests: list[dict] = []
    with session(options.board, ui) as (board, found):
        device = found.facts["device"]

        def came(test: dict) -> None:
            tests.append(test)
            ui.say(verdicts.line(test))

        board.call("selftest", {"parts": parts, "tone_hz": options.tone}, _LIMIT_S, came)
        if options.ask:
            ask(board, ui, came)
    bad = [test for test in tests if test["ok"] is False]
    verdict = verdicts.opinion(tests)
    last = f"{device}: {len(tests) - len(bad)} of {len(tests)} good."
    document = {"device": device, "tests": tests, "opinion": verdict, "ok": not bad}
    ui.result(document, *([verdict] if verdict else []), last)
    return EXIT_FAILED if bad else EXIT_DONE


def ask(board, ui, came) -> None:
    """Light and button: the board does its part, the person says what was seen."""
    shown: list[dict] = []
    board.call("selftest", {"parts": ["indicator"], "code": "error"}, 60, shown.append)
    seen = not ui.is_terminal or input("Does the light show an error? [y/n] ").lower() == "y"
    came({"test": "indicator", "ok": seen if ui.is_terminal else None, "code": "not_seen"})
    ui.say("Press the button now.")
    board.call("selftest", {"parts": ["button"], "wait_s": 15}, 60, came)
