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
    "flash",
    "provision",
    "labels",
    "check",
    "doctor",
    "update",
    "logs",
    "console",
    "send",
    "requeue",
    "pull",
    "deliver",
    "receipt",
    "wipe",
)

_EPILOG = """exit: 0 done, 1 failed, 2 usage, 3 no device, 4 not verified, 130 interrupted
`recorder COMMAND --help` has examples; docs/technician.md a page for each job."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that fits a screen of 80 by 24: no heading for the commands, a line an option."""

    def __init__(self, prog: str, max_help_position: int = 27):
        super().__init__(prog, max_help_position=max_help_position, width=80)

    def _format_action(self, action):
        text = super()._format_action(action)
        if action.nargs == argparse.PARSER:
            text = "\n".join(text.splitlines()[1:]) + "\n"
        return text


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="recorder",
        usage="recorder COMMAND [options]",
        description="Provision, check, repair and collect recorders over the cable.",
        epilog=_EPILOG,
        formatter_class=lambda prog: _Help(prog, 16),
        add_help=False,
    )
    _add_help(top)
    subparsers = top.add_subparsers(dest="command", title="commands", required=True)
    for name in COMMANDS:
        module = _module(name)
        command = subparsers.add_parser(
            name,
            prog="recorder " + name,
            usage=f"recorder {name} {getattr(module, 'TAKES', '')} [options]".replace("  ", " "),
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog="example:\n  " + module.EXAMPLE.strip().replace("\n", "\n  "),
            formatter_class=_Help,
            add_help=False,
        )
        _add_help(command)
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        command.set_defaults(run=module.run)
    return top


def _add_help(command: argparse.ArgumentParser) -> None:
    command.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)


def add_board(command: argparse.ArgumentParser) -> None:
    """--board, for every command that talks to one board (ports.find_board reads it)."""
    command.add_argument(
        "--board", metavar="ID", help="its serial number or port; needed if there are several"
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
