"""Sheets of labels for the boards of a record."""

import pathlib

from tools.recorder import application
from tools.recorder.errors import EXIT_DONE, ToolError
from tools.recorder.record import Record

SUMMARY = "Print labels with QR codes for the boards of a record."
EXAMPLE = "recorder labels --record devices.record.jsonl -o labels.pdf"


def add_arguments(command) -> None:
    command.add_argument(
        "--record", metavar="FILE", required=True, help="what `recorder provision` has recorded"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        type=pathlib.Path,
        help="labels.pdf, .png or .svg: A4 with 3 x 7 labels of 63.5 x 38.1 mm (Avery L7160)",
    )
    command.add_argument(
        "--only", metavar="LABEL", action="append", help="this label only (repeatable)"
    )


def run(options, ui) -> int:
    from tools.recorder import labels  # here, because it loads a drawing library

    results = Record(options.record, application.local_version()).results()
    wanted = labels.labels_of(results)
    if options.only:
        missing = set(options.only) - {label.label for label in wanted}
        if missing:
            raise ToolError(
                f"{options.record}: no board was labelled {', '.join(sorted(missing))}."
            )
        wanted = [label for label in wanted if label.label in options.only]
    if not wanted:
        raise ToolError(f"{options.record}: no board in it is provisioned yet.")
    files = labels.write(wanted, options.output)
    names = ", ".join(map(str, files))
    document = {"labels": [label.label for label in wanted], "files": [str(f) for f in files]}
    ui.result(document, f"{len(wanted)} labels in {names}.")
    return EXIT_DONE
