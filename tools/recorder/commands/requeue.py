"""Bring clips that were set aside back to the queue."""

from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE
from tools.recorder.sessions import session

SUMMARY = "Bring clips that were set aside back to the queue."
EXAMPLE = """
recorder requeue --board REC-0001 --why refused
recorder requeue --board REC-0001 --clip 12 --rebuild
"""
ASKS = {
    "other_epoch": "made under another token: it goes to the present user with --other-epoch",
    "damaged": "its audio is not what was recorded: --rebuild takes it as it lies there",
    "gone_in_cloud": "its recording was deleted in the cloud: --new-recording sends it anew",
    "record_unreadable": "nobody can read its record; pull the card and see docs",
    "too_short": "it holds less than one second",
    "file_missing": "its audio is gone",
}


def add_arguments(command) -> None:
    add_board(command)
    add = command.add_argument
    add("--clip", metavar="N", type=int, action="append", help="this clip only (repeatable)")
    add("--why", metavar="REASON", help="only clips that were set aside for this reason")
    command.add_argument("--again", action="store_true", help="upload the bytes again")
    for flag, text in (
        ("--other-epoch", "also clips of another token: the present user gets them"),
        ("--rebuild", "damaged clips: take the audio as it lies there"),
        ("--new-recording", "recording was deleted: make one anew (a day later)"),
        ("--dry-run", "say what would move, change nothing"),
    ):
        command.add_argument(flag, action="store_true", help=text)


def run(options, ui) -> int:
    moved, left = [], {}

    def came(message: dict) -> None:
        if "moved" in message:
            moved.append(message["moved"])
        if "left" in message:
            left[message["left"]["n"]] = message["left"]["why"]

    names = ("why", "again", "other_epoch", "rebuild", "new_recording", "dry_run")
    args = {name: getattr(options, name) for name in names} | {"numbers": options.clip}
    with session(options.board, ui) as (board, found):
        board.call("requeue", args | {"device": found.facts["device"]}, 900, came)
    word = "would go" if options.dry_run else "went"
    lines = [f"{len(moved)} clips {word} back to the queue."]
    lines += [f"  clip {m['n']}: {m['why'] or 'other_epoch'} → {m['to']}" for m in moved]
    lines += [f"  clip {n} stays: {ASKS.get(why, why)}" for n, why in left.items()]
    ui.result({"moved": moved, "left": left}, *lines)
    return EXIT_DONE
