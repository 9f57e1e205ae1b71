"""Which boards are there, and how they are."""

from rich.table import Table

from tools.recorder.errors import EXIT_DONE, NoDevice, ToolError
from tools.recorder.port import Board
from tools.recorder.ports import Found, look_everywhere

SUMMARY = "Show the boards that are plugged in: id, firmware, token present, battery, backlog."
EXAMPLE = "recorder list\nrecorder list --json"


def add_arguments(command) -> None:
    command.add_argument("--port", action="append", help="look at this port only (repeatable)")


def run(options, ui) -> int:
    found = look_everywhere(options.port)
    if not found:
        raise NoDevice("No serial port of a recorder. Plug one in with a cable that carries data.")
    for board in found:
        give_back(board)
    ui.result([document(board) for board in found], table(found))
    return EXIT_DONE


def give_back(found: Found) -> None:
    """A look stops the program: let it go on. Boards of others were stopped too."""
    if found.state in ("recorder", "foreign", "broken") and found.probe:
        try:
            Board(found.device).release()
        except ToolError as error:
            found.fault = str(error)


def document(found: Found) -> dict:
    return {
        "port": found.device,
        "state": found.state,
        "serial_number": found.serial_number,
        "micropython": found.probe.get("micropython"),
        "facts": found.facts,
        "fault": found.fault,
    }


def table(found: list[Found]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for column in ("board", "port", "state", "firmware", "token", "battery", "clips", "free"):
        shown.add_column(column)
    for board in found:
        facts = board.facts
        shown.add_row(
            board.serial_number or "?",
            board.device,
            board.state,
            facts.get("firmware", "-"),
            {True: "present", False: "none"}.get(facts.get("token"), "-"),
            f"{facts['battery_pct']} %" if facts.get("battery_pct") is not None else "-",
            str(facts.get("clips", "-")),
            f"{facts['free_kb']} KiB" if "free_kb" in facts else "-",
        )
    for board in found:
        if board.fault:
            shown.caption = (shown.caption or "") + board.fault + "\n"
    return shown
