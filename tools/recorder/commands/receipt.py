"""Give a board the receipts of its clips, so that it frees them."""

import pathlib

from tools.recorder.cli import add_board
from tools.recorder.collected import clips_in
from tools.recorder.errors import EXIT_DONE, EXIT_NOT_VERIFIED
from tools.recorder.sessions import session

TAKES = "FOLDER"
SUMMARY = "Free clips on a board against receipts of `deliver`."
EXAMPLE = "recorder receipt clips/ --board REC-0001"

_BATCH = 20  # receipts a call: what the board's heap reads at once
_FINE = ("freed", "gone")


def add_arguments(command) -> None:
    command.add_argument("folder", type=pathlib.Path, help="where `recorder deliver` left them")
    add_board(command)
    command.add_argument("--dry-run", action="store_true", help="say what would be freed")


def run(options, ui) -> int:
    with session(options.board, ui) as (board, found):
        device = found.facts["device"]
        receipts = [clip.receipt for clip in clips_in(options.folder, device) if clip.receipt]
        if options.dry_run:
            numbers = [receipt["n"] for receipt in receipts]
            ui.result({"device": device, "receipts": numbers}, f"{len(numbers)} receipts.")
            return EXIT_DONE
        outcomes = settle(board, device, receipts)
    refused = {n: why for n, why in outcomes.items() if why not in _FINE}
    lines = [f"{device}: {list(outcomes.values()).count('freed')} clips freed."]
    lines += [f"  clip {n} stays on the board: {why}" for n, why in refused.items()]
    ui.result({"device": device, "outcomes": outcomes}, *lines)
    return EXIT_NOT_VERIFIED if refused else EXIT_DONE


def settle(board, device: str, receipts: list[dict]) -> dict[int, str]:
    """Number -> "freed", "gone" or why not."""
    outcomes: dict[int, str] = {}

    def came(message: dict) -> None:
        if "receipt" in message:
            outcomes[message["receipt"]["n"]] = message["receipt"]["outcome"]

    for start in range(0, len(receipts), _BATCH):
        args = {"device": device, "receipts": receipts[start : start + _BATCH]}
        board.call("receipt", args, 900, came)
    return outcomes
