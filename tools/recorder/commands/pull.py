"""Carry the clips of a board, or of a card, away on the laptop."""

import pathlib

from tools.recorder.cli import add_board
from tools.recorder.collected import lock
from tools.recorder.collecting import Pulled, pull_board, pull_card
from tools.recorder.errors import EXIT_DONE, UsageError
from tools.recorder.sessions import session

TAKES = "FOLDER"
SUMMARY = "Copy clips to the laptop; the board keeps them until a receipt."
EXAMPLE = """
recorder pull clips/ --board REC-0001
recorder pull clips/ --card /media/CARD
then: recorder deliver clips/, and recorder receipt clips/
"""


def add_arguments(command) -> None:
    command.add_argument("folder", type=pathlib.Path, help="where clips lie on this laptop")
    add_board(command)
    add = command.add_argument
    add("--clip", metavar="N", type=int, action="append", help="this clip only (repeatable)")
    add("--again", action="store_true", help="also clips that a laptop collected before")
    add("--card", metavar="DIR", type=pathlib.Path, help="a mounted card in place of a board")
    add("--device", metavar="ID", help="whose card it is, if it does not say so itself")
    add("--store-id", metavar="HEX", help="which store, if the card does not say so itself")
    add("--dry-run", action="store_true", help="say what would come, mark nothing")


def run(options, ui) -> int:
    if options.dry_run:
        return rehearse(options, ui)
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


def rehearse(options, ui) -> int:
    """What a pull would carry away, by the clips' records alone: nothing is written anywhere."""
    if options.card:
        raise UsageError("--dry-run is for boards: a card is only read anyway.")
    clips: list[dict] = []
    with session(options.board, ui) as (board, found):
        board.call("clips", {}, 600, lambda message: clips.append(message["clip"]))
        device = found.facts["device"]
    wanted = [c for c in clips if not options.clip or c["n"] in options.clip]
    going = [c["n"] for c in wanted if would_come(c, options.again)]
    left = {c["n"]: c.get("why") or c["state"] for c in wanted if c["n"] not in going}
    lines = [f"{device}: {len(going)} clips would come: {', '.join(map(str, going)) or 'none'}."]
    lines += [f"  clip {n} would stay: {LEFT.get(why, why)}" for n, why in left.items()]
    ui.result({"device": device, "would_come": going, "left": left}, *lines)
    return EXIT_DONE


def would_come(clip: dict, again: bool) -> bool:
    """As device/field/collect.py decides it."""
    if clip.get("why") == "collected":
        return again
    return clip["state"] not in ("open", "done", "parked", "quarantined", "unreadable")


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
