"""Explain a board: what waits and why, what was lost and when, what to do."""

import io
import json
import pathlib
import re
import tarfile

from tools.recorder.cli import add_board
from tools.recorder.diagnosis import findings
from tools.recorder.errors import EXIT_DONE
from tools.recorder.sessions import session

SUMMARY = "Explain a board: what waits, why, what was lost, what to do."
EXAMPLE = "recorder doctor --board REC-0001\nrecorder doctor --board REC-0001 --bundle rec1.tar.gz"

# Tokens of every kind, and whatever follows the ? of an address: nothing of it leaves the laptop.
_SECRETS = re.compile(r"\b(dtok|up|sk|rk)_[A-Za-z0-9_-]{4,}|(?<=\?)X-Amz-[^\s\"]*|Bearer \S+")


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument(
        "--bundle",
        type=pathlib.Path,
        metavar="FILE.tar.gz",
        help="one redacted archive for support",
    )


def run(options, ui) -> int:
    clips: list[dict] = []
    with session(options.board, ui) as (board, found):
        listed = board.call("clips", {}, 600, lambda message: clips.append(message["clip"]))
        state = board.call("state", {}, 120)
    shown = findings(found.facts, state, clips, listed["epoch"])
    document = {"device": found.facts["device"], "findings": shown, "clips": clips}
    document |= {"facts": found.facts, "state": state}
    lines = [f"{found.facts['device']}, firmware {found.facts['firmware']}, {len(clips)} clips:"]
    for finding in shown:
        lines.append(f"  {finding['text']}")
        lines += [f"      → {finding['next']}"] if finding["next"] else []
    if options.bundle:
        bundle(options.bundle, document, "\n".join(lines))
        lines.append(f"Written for support, without secrets and audio: {options.bundle}")
    ui.result(document, *lines)
    return EXIT_DONE


def bundle(path: pathlib.Path, document: dict, report: str) -> None:
    """report.txt and document.json, redacted: no secret, no audio, no name of a network."""
    names = list(document["state"]["passwords"])
    aliases = {name: f"(network {i}, {len(name)} letters)" for i, name in enumerate(names, 1)}
    parts = {
        "report.txt": redact(report, aliases),
        "document.json": json.dumps(redact(document, aliases), indent=1),
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
