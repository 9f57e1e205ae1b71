"""Which boards are there, and how they are."""

from rich.table import Table

from tools.recorder.errors import EXIT_DONE, NoDevice, ToolError
from tools.recorder.port import Board
from tools.recorder.ports import Found, ask_running, at_each, look

SUMMARY = "Show the boards that are plugged in, and how they are."
EXAMPLE = "recorder list\nrecorder list --running      (stop nothing that does not answer)"


def add_arguments(command) -> None:
    command.add_argument("--port", action="append", help="look at this port only (repeatable)")
    command.add_argument(
        "--running",
        action="store_true",
        help="ask running recorders only; what does not answer is not stopped",
    )


def run(options, ui) -> int:
    found = at_each(lambda device: seen(device, options.running), options.port)
    if not found:
        raise NoDevice("No serial port of a recorder. Plug one in with a cable that carries data.")
    ui.result([document(board) for board in found], table(found))
    return EXIT_DONE


def seen(device: str, only_running: bool) -> Found:
    """A running recorder answers over its console. What does not is stopped, asked, and given
    back to its work: also a board of somebody else.
    """
    try:
        running = ask_running(device)
    except ToolError as error:
        return Found(device, "silent", fault=str(error))
    if running or only_running:
        return running or Found(device, "silent", fault=f"{device}: no recorder answers.")
    found = look(device)
    if found.was_stopped:
        try:
            Board(device).release()
        except ToolError as error:
            found.fault = f"{found.fault} {error}".strip()
    return found


def document(found: Found) -> dict:
    return {
        "port": found.device,
        "state": found.state,
        "serial_number": found.serial_number,
        "micropython": found.probe.get("micropython") or found.facts.get("micropython"),
        "was_stopped": found.was_stopped,
        "facts": found.facts,
        "reason": reason(found),
        "fault": found.fault,
    }


def reason(found: Found) -> str | None:
    """Why nothing is being sent, or "sending"; None for a board that was not running."""
    return found.status["queue"]["code"] if found.status else None


def table(found: list[Found]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for column in "board state firmware token battery clips free why port".split():
        shown.add_column(column)
    notes = []
    for board in found:
        facts = board.facts
        shown.add_row(
            board.serial_number or "?",
            board.state,
            facts.get("firmware", "-"),
            {True: "present", False: "none"}.get(facts.get("token"), "-"),
            f"{facts['battery_pct']} %" if facts.get("battery_pct") is not None else "-",
            str(facts.get("clips", "-")),
            f"{facts['free_kb']} KiB" if facts.get("free_kb") is not None else "-",
            reason(board) or "-",
            board.device,
        )
        if board.was_stopped:
            notes.append(
                f"{board.device}: did not answer while running; it was stopped, asked, and "
                "started again."
            )
        if board.fault:
            notes.append(board.fault)
    shown.caption = "\n".join(notes) or None
    shown.caption_justify = "left"
    return shown
