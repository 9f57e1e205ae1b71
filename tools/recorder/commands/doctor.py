"""Explain a board: what waits and why, what was lost and when, what to do."""

import io
import json
import pathlib
import re
import tarfile

from tools.recorder import logtext, seconds
from tools.recorder.cli import add_board
from tools.recorder.diagnosis import findings
from tools.recorder.errors import EXIT_DONE, ToolError
from tools.recorder.line import Line
from tools.recorder.live import kept_log, kept_log_of
from tools.recorder.ports import find_port
from tools.recorder.sessions import session

SUMMARY = "Explain a board: what waits, why, what was lost, what to do."
EXAMPLE = "recorder doctor --board REC-0001\nrecorder doctor --board REC-0001 --bundle rec1.tar.gz"

# Tokens of every kind, and whatever follows the ? of an address: nothing of it leaves the laptop.
_SECRETS = re.compile(r"\b(dtok|up|sk|rk)_[A-Za-z0-9_-]{4,}|(?<=\?)X-Amz-[^\s\"]*|Bearer \S+")

_LEAST_NAME_LETTERS = 3  # shorter ones are in every other word


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument(
        "--bundle",
        type=pathlib.Path,
        metavar="FILE.tar.gz",
        help="one redacted archive for support",
    )


def run(options, ui) -> int:
    status, said = while_it_runs(options.board)
    clips: list[dict] = []
    with session(options.board, ui) as (board, found):
        listed = board.call("clips", {}, 600, lambda message: clips.append(message["clip"]))
        state = board.call("state", {}, 120)
        said = kept_log_of(board) if said is None else said
    if status and status["device"] != found.facts["device"]:
        status = None
    log = [logtext.parse(text) for text in said]
    shown = findings(found.facts, state, clips, listed["epoch"], status, log)
    document = {"device": found.facts["device"], "findings": shown, "clips": clips}
    document |= {"facts": found.facts, "state": state, "status": status}
    lines = [f"{found.facts['device']}, firmware {found.facts['firmware']}, {len(clips)} clips:"]
    for finding in shown:
        lines.append(f"  {finding['text']}")
        lines += [f"      → {finding['next']}"] if finding["next"] else []
    lines += seconds.table(state.get("days", []), state.get("rtc_unix_s"))
    if options.bundle:
        offsets_ms = logtext.offsets_of(status, state["boots"])
        told = "\n".join(line.shown(offsets_ms) for line in log)
        bundle(options.bundle, document, "\n".join(lines), told)
        lines.append(f"Written for support, without secrets and audio: {options.bundle}")
    ui.result(document, *lines)
    return EXIT_DONE


def while_it_runs(named: str | None) -> tuple[dict | None, list[str] | None]:
    """(status, kept log) of the running recorder, before the session stops it: its last minute is
    not on the flash yet. (None, None) if nobody answers.
    """
    try:
        with Line(find_port(named)) as line:
            status = line.ask({"do": "status"})
            return (status, kept_log(line)) if isinstance(status, dict) else (None, None)
    except ToolError:
        return None, None  # the session says what is wrong


def bundle(path: pathlib.Path, document: dict, report: str, log: str) -> None:
    """report.txt, document.json and log.txt: no secret, no audio, no name of a network."""
    names = list(document["state"]["passwords"])
    aliases = {name: f"(network {i}, {len(name)} letters)" for i, name in enumerate(names, 1)}
    for name in names:
        if len(name) >= _LEAST_NAME_LETTERS:
            log = log.replace(name, aliases[name])
    parts = {
        "report.txt": redact(report, aliases),
        "document.json": json.dumps(redact(document, aliases), indent=1),
        "log.txt": redact(log, aliases),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in parts.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def redact(value, aliases: dict[str, str]):
    """A copy of plain values without secrets; aliases: whole texts, and quoted ones in others."""
    if isinstance(value, dict):
        return {redact(k, aliases): redact(item, aliases) for k, item in value.items()}
    if isinstance(value, list):
        return [redact(item, aliases) for item in value]
    if not isinstance(value, str):
        return value
    if value in aliases:
        return aliases[value]
    for name, alias in aliases.items():
        value = value.replace(repr(name), alias)
    return _SECRETS.sub("(removed)", value)
