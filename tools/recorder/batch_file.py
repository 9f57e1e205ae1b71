"""devices.csv: a board a row. All of it is read and checked before the first board is touched.

    board       serial number, as `recorder list` shows it; the one column that must be there
    label       what its label says (else: the serial number)
    config, wifi, apn, pin_from, hardware, token_from   as the options of `recorder provision`
    note        anything; for people

Files are looked for beside the CSV. Comma or semicolon, with or without a BOM, as spreadsheets
leave it. Secrets are never in it: it names where they are.
"""

import csv
import dataclasses
import difflib
import io
import pathlib

from tools.recorder.errors import UsageError
from tools.recorder.orders import NAMES, InputFault, Sources
from tools.recorder.provisioning import Order

COLUMNS = ("board", *NAMES, "note")
_MAX_ROWS = 10_000
_MAX_FAULTS = 20


@dataclasses.dataclass
class Row:
    line: int
    board: str
    label: str
    order: Order


def read(path: str, sources: Sources) -> list[Row]:
    """Raises UsageError with every fault, by line and column."""
    file = pathlib.Path(path)
    lines = _lines(file)
    head = [name.strip().lower() for name in lines[0][1]]
    faults = _faults_of_head(head)
    if faults:
        raise UsageError(f"{path}, line 1: " + " ".join(faults))
    rows: list[Row] = []
    for number, cells in lines[1:]:
        try:
            rows.append(_row(number, head, cells, file.parent, sources))
        except UsageError as error:
            faults.append(f"line {number}, {error}")
    faults += _twins(rows, "board") + _twins(rows, "label")
    if not rows and not faults:
        faults.append("there is no row with a board.")
    if faults:
        more = f"\n  … and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
        raise UsageError(
            f"{path}: nothing was begun.\n  " + "\n  ".join(faults[:_MAX_FAULTS]) + more
        )
    return rows


def _lines(file: pathlib.Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not empty."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8: save it as CSV UTF-8.") from None
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((reader.line_num, cells))
            if len(found) > _MAX_ROWS:
                raise UsageError(f"{file}: more than {_MAX_ROWS} rows.")
    except csv.Error as error:
        raise UsageError(f"{file}, line {reader.line_num}: {error}.") from None
    if not found:
        raise UsageError(f"{file} is empty: its first line names the columns ({_names()}).")
    return found


def _faults_of_head(head: list[str]) -> list[str]:
    faults = []
    for name in head:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, 1)
            meant = f" Is {near[0]!r} meant?" if near else ""
            faults.append(f"there is no column {name!r} ({_names()}).{meant}")
        elif head.count(name) > 1:
            faults.append(f"the column {name!r} is there twice.")
    if "board" not in head:
        faults.append("the column 'board' (serial number) is missing.")
    return faults


def _row(number: int, head: list[str], cells: list[str], folder, sources: Sources) -> Row:
    if len(cells) > len(head):
        raise UsageError(f"column {len(head) + 1}: more cells than columns.")
    values = dict(zip(head, (cell.strip() for cell in cells), strict=False))
    board = values.get("board", "")
    if not board or not board.isprintable() or " " in board:
        raise UsageError(f"column board: {board!r} is no serial number.")
    given = {name: values.get(name) or None for name in NAMES}
    given["label"] = given["label"] or board
    for name in ("config", "wifi"):
        given[name] = given[name] and str(folder / given[name])
    for name in ("token_from", "pin_from"):
        source = given[name] or ""
        if source.startswith("file:"):
            given[name] = f"file:{folder / source.removeprefix('file:')}"
    try:
        return Row(number, board, given["label"], sources.order(**given))
    except InputFault as fault:
        raise UsageError(f"column {fault.name}: {fault}") from None


def _twins(rows: list[Row], column: str) -> list[str]:
    faults, first = [], {}
    for row in rows:
        value = getattr(row, column)
        if value in first:
            faults.append(f"line {row.line}, column {column}: {value} is in line {first[value]}.")
        first.setdefault(value, row.line)
    return faults


def _names() -> str:
    return ", ".join(COLUMNS)
