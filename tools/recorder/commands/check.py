"""Test a board's parts and its way to the cloud."""

from tools.recorder import verdicts
from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED
from tools.recorder.sessions import session

SUMMARY = "Test a board's parts and its way to the cloud, in plain words."
EXAMPLE = """
recorder check --board REC-0001
recorder check --tone 1000 --trial-clip      (while a phone plays 1 kHz)
"""
_LIMIT_S = 600  # a modem that finds no network takes some minutes to say so
_PRESS_S = 15
_ASKED = ("indicator", "button")


def add_arguments(command) -> None:
    add_board(command)
    add = command.add_argument
    add("--tone", type=int, metavar="HZ", help="a tone that is played meanwhile")
    add("--no-network", action="store_true", help="only what needs neither radio nor cloud")
    add("--trial-clip", action="store_true", help="and a clip of two seconds the whole way")
    add("--no-ask", action="store_true", help="leave out light and button: nobody is there")
    add("--yes", action="store_true", help="take the light for seen; wait for a press")


def run(options, ui) -> int:
    parts = ["microphone", "storage", "battery", "roots"]
    parts += [] if options.no_network else ["network"]
    parts += ["trial"] if options.trial_clip and not options.no_network else []
    tests: list[dict] = []

    def came(test: dict) -> None:
        tests.append(test)
        ui.say(verdicts.line(test))

    with session(options.board, ui) as (board, found):
        device = found.facts["device"]
        board.call("selftest", {"parts": parts, "tone_hz": options.tone}, _LIMIT_S, came)
        if options.yes or (ui.is_terminal and not options.no_ask):
            ask_for_light(board, options.yes, came)
            ui.say(f"Press the button within {_PRESS_S} seconds.")
            board.call("selftest", {"parts": ["button"], "wait_s": _PRESS_S}, 60, came)
        else:
            for name in _ASKED:
                came({"test": name, "ok": None, "code": "", "said": "not asked: nobody is there"})
    bad = [test for test in tests if test["ok"] is False]
    left_out = [test for test in tests if test["ok"] is None]
    verdict = verdicts.opinion(tests)
    last = f"{device}: {len(tests) - len(bad) - len(left_out)} good, {len(bad)} bad, " + (
        f"{len(left_out)} not tested."
    )
    document = {"device": device, "tests": tests, "opinion": verdict, "ok": not bad}
    ui.result(document, *([verdict] if verdict else []), last)
    return EXIT_FAILED if bad else EXIT_DONE


def ask_for_light(board, is_seen: bool, came) -> None:
    """The board shows an error, which it does not show of itself now; a person says if they see
    it. is_seen: taken for granted.
    """
    shown: list[dict] = []
    board.call("selftest", {"parts": ["indicator"], "code": "error"}, 60, shown.append)
    if not is_seen:
        answer = input("Does the light flash red, four times and a pause? [y/n] ")
        is_seen = answer.strip().lower() in ("y", "yes")
    came({"test": "indicator", "ok": is_seen, "code": "" if is_seen else "not_seen"})
