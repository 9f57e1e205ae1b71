"""Factory state: clips, tokens, passwords and settings go; the program stays."""

import sys

from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, BoardFault, ToolError, UsageError
from tools.recorder.sessions import session

SUMMARY = "Factory state: clips, token, passwords and settings go."
EXAMPLE = "recorder wipe --board REC-0001\nrecorder wipe --board REC-0001 --lose-clips"


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument(
        "--confirm", metavar="ID", help="the board's id again, in place of typing"
    )
    command.add_argument(
        "--lose-clips", action="store_true", help="clips that nobody has delivered are lost"
    )
    command.add_argument("--dry-run", action="store_true", help="say what would go")


def run(options, ui) -> int:
    with session(options.board, ui) as (board, found):
        device = found.facts["device"]
        asked = {"device": device, "lose_clips": options.lose_clips}
        found_there = board.call("wipe", asked | {"dry_run": True}, 300)
        undelivered = found_there["undelivered"]
        if options.dry_run:
            ui.result(found_there, f"{device}: {undelivered} undelivered clips are on board.")
            return EXIT_DONE
        if undelivered and not options.lose_clips:
            raise ToolError(
                f"{device}: {undelivered} clips on board are not delivered; nothing was removed. "
                "`recorder pull` saves them; --lose-clips loses them."
            )
        _confirm(options, device, undelivered)
        try:
            done = board.call("wipe", asked, 900)
        except BoardFault as error:
            raise ToolError(f"{error} Repeat the command.") from None
    ui.result(done, f"{device}: wiped. `recorder provision` makes it a recorder again.")
    return EXIT_DONE


def _confirm(options, device: str, undelivered: int) -> None:
    typed = options.confirm
    if typed is None and sys.stdin.isatty():
        lost = f"{undelivered} undelivered clips are LOST. " if undelivered else ""
        typed = input(f"{lost}Type the board's id ({device}) to wipe it: ")
    if typed != device:
        raise UsageError(f"Not confirmed: type the board's id ({device}). Nothing was removed.")
