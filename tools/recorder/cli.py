"""`recorder COMMAND`: one table of commands, one file each, exit codes the same everywhere.

Exit 0 done, 1 failed, 2 usage, 3 no device, 4 verification failed, 130 interrupted.
"""

import argparse
import importlib
import sys

from tools.recorder.errors import EXIT_INTERRUPTED, ToolError
from tools.recorder.ui import Ui

# Order of a recorder's life; each is a module of tools/recorder/commands.
COMMANDS = (
    "list",
    "provision",
    "labels",
    "check",
    "doctor",
    "requeue",
    "pull",
    "deliver",
    "receipt",
    "wipe",
)

_EPILOG = """exit codes:
  0 done, 1 failed, 2 usage, 3 no device, 4 verification failed, 130 interrupted
`recorder COMMAND --help` has an example of each; docs/technician-repair.md explains each job."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="recorder",
        description="Provision, check, repair and collect recorders over the cable.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = _module(name)
        command = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog="example:\n  " + module.EXAMPLE.strip().replace("\n", "\n  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def add_board(command: argparse.ArgumentParser) -> None:
    """--board, for every command that talks to one board (ports.find_board reads it)."""
    command.add_argument(
        "--board",
        metavar="ID",
        help="serial number of the recorder, or its port (needed if there are several)",
    )


def _module(name: str):
    return importlib.import_module("tools.recorder.commands." + name.replace("-", "_"))


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    ui = Ui(options.json)
    try:
        return options.run(options, ui)
    except ToolError as error:
        ui.fault(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        ui.fault("Interrupted. Repeat the command: it goes on where it stopped.", EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
