"""Carry the clips of a board, or of a card, away on the laptop."""

import pathlib

from tools.recorder.cli import add_board
from tools.recorder.collected import lock
from tools.recorder.collecting import Pulled, pull_board, pull_card
from tools.recorder.errors import EXIT_DONE
from tools.recorder.sessions import session

SUMMARY = "Copy clips to the laptop, hash checked; the board keeps its own until a receipt."
EXAMPLE = """
recorder pull clips/ --board REC-0001
recorder pull clips/ --card /media/CARD
then: recorder deliver clips/, and recorder receipt clips/ with the board plugged in
"""


def add_arguments(command) -> None:
    command.add_argument("folder", type=pathlib.Path, help="where clips lie on this laptop")
    add_board(command)
    command.add_argument("--clip", type=int, action="append", help="this clip only (repeatable)")
    command.add_argument(
        "--again", action="store_true", help="also clips that a (lost) laptop collected before"
    )
    command.add_argument("--card", type=pathlib.Path, help="a mounted card in place of a board")
    command.add_argument("--device", help="whose card it is, if it does not say so itself")
    command.add_argument("--store-id", help="which store, if the card does not say so itself")


def run(options, ui) -> int:
    options.folder.mkdir(parents=True, exist_ok=True)
    with lock(options.folder):
        if options.card:
            pulled = pull_card(options.card, options.folder, options.device, options.store_id)
        else:
            with session(options.board, ui) as (board, found):
                device = found.facts["device"]
                pulled = pull_board(
                    board, device, options.folder, options.clip, options.again, ui.say
                )
    ui.result(pulled.document(), *told(pulled, options.folder))
    return EXIT_DONE


def told(pulled: Pulled, folder: pathlib.Path) -> list[str]:
    lines = [f"{pulled.device}: {len(pulled.new)} clips pulled, {len(pulled.known)} were here."]
    for number, why in sorted(pulled.left.items()):
        lines.append(f"  clip {number} stays on the board: {LEFT.get(why, why)}")
    if pulled.new or pulled.known:
        lines.append(f"Next: recorder deliver {folder}")
    return lines


LEFT = {
    "collected": "collected before, waits for its receipt (--again if that laptop is lost)",
    "open": "its recording was cut; the board repairs it at its next start",
    "done": "delivered, only its space is still to be freed",
    "record_unreadable": "its record is unreadable; `recorder doctor`",
    "damaged": "its audio is not what was recorded; `recorder requeue --rebuild`",
}
