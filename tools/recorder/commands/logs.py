"""The log that a recorder keeps over resets, and the one that goes on."""

from tools.recorder import logtext
from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, UsageError
from tools.recorder.line import Line, answer_of
from tools.recorder.live import duration_s, kept_log, kept_log_of
from tools.recorder.ports import find_port
from tools.recorder.sessions import session

SUMMARY = "Print the log that a recorder keeps; -f goes on with what comes."
EXAMPLE = """
recorder logs --board REC-0001 --last 50
recorder logs -f            (leave with Ctrl-C; the recorder goes on)
"""


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument("-f", "--follow", action="store_true", help="then show what comes, live")
    command.add_argument("--for", dest="lasts", metavar="TIME", help="with -f: 10s, 5m, 1h")
    command.add_argument("--last", type=int, metavar="N", help="only the last N lines")
    command.add_argument(
        "--running", action="store_true", help="do not stop a board that does not answer"
    )


def run(options, ui) -> int:
    limit_s = duration_s(options.lasts) if options.lasts else None
    if options.follow and ui.is_json and limit_s is None:
        raise UsageError("--json shows its document at the end: say how long with --for 10s.")
    device = find_port(options.board)
    shown: list[logtext.LogLine] = []
    with Line(device) as line:
        status = line.ask({"do": "status"})
        kept = kept_log(line) if status else None
        offsets_ms = logtext.offsets_of(status)
        if kept is not None or options.follow:
            show([] if kept is None else kept, options.last, offsets_ms, shown, ui)
            if status is None:
                ui.say(f"{device}: nothing answers there; what comes is shown all the same.")
            if options.follow:
                follow(line, limit_s, offsets_ms, shown, ui)
    if kept is None and not options.follow:
        if options.running:
            raise UsageError(
                f"{device}: no running recorder answers, and --running stops nothing."
            )
        ui.say(f"{device}: no running recorder answers; it is stopped and asked.")
        with session(device, ui) as (board, _):
            offsets_ms = logtext.offsets_of(boots=board.call("state", {}, 120)["boots"])
            show(kept_log_of(board), options.last, offsets_ms, shown, ui)
    ui.result({"port": device, "lines": [line.document(offsets_ms) for line in shown]})
    return EXIT_DONE


def show(texts, last: int | None, offsets_ms, shown: list, ui) -> None:
    for text in texts[-last:] if last else texts:
        line = logtext.parse(text)
        shown.append(line)
        if not ui.is_json:
            ui.out.print(line.shown(offsets_ms), markup=False)


def follow(line, limit_s, offsets_ms, shown: list, ui) -> None:
    try:
        for text in line.lines(limit_s):
            if text and answer_of(text) is None:
                show([text], None, offsets_ms, shown, ui)
    except KeyboardInterrupt:
        ui.say("")  # asked to leave: no fault
