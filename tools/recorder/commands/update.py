"""Install a signed bundle on a board, and see the new program prove itself."""

import pathlib
import time

from device import reasons
from tools.bundle import form
from tools.bundle.form import BundleError
from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, BoardFault, NotVerified, ToolError, UsageError
from tools.recorder.sessions import session
from tools.recorder.watching import TAKEN_BACK, watch

SUMMARY = "Install a signed update: tried, and taken back if it fails."
EXAMPLE = """
recorder update --bundle bota-0.2.0-xtensawin.bundle --board REC-0001
recorder update --bundle bota-roots-2026.11.26.bundle --dry-run
"""
ON_BOARD = "/incoming/update.bundle"
_LIMIT_S = 300
_WAIT_MIN = 15


def add_arguments(command) -> None:
    add_board(command)
    command.add_argument(
        "--bundle", type=pathlib.Path, required=True, metavar="FILE", help="what to install"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="the board checks all of it, installs nothing"
    )
    command.add_argument(
        "--wait",
        type=float,
        default=_WAIT_MIN,
        metavar="MIN",
        help=f"how long to watch the new program prove itself (default {_WAIT_MIN}; 0: not)",
    )


def run(options, ui) -> int:
    data, facts = _read(options.bundle)
    what = f"{facts['kind']} {facts['version']}"
    with session(options.board, ui) as (board, found):
        device = found.facts["device"]
        ui.say(f"{device} runs {found.facts['firmware']}; copying {len(data) // 1024} KiB.")
        board.put(ON_BOARD, data)
        done = _install(board, device, what, options.dry_run, ui)
    done = {"device": device, "dry_run": options.dry_run} | done
    if options.dry_run:
        ui.result(done, f"{device}: would take {what}; every file of it was checked there.")
        return EXIT_DONE
    if facts["kind"] != "release":
        ui.result(done, f"{device}: {what} in force.")
        return EXIT_DONE
    return _see_it_through(options, ui, board.device, done)


def _read(path: pathlib.Path) -> tuple[bytes, dict]:
    try:
        data = path.read_bytes()
        found = form.read(data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from None
    except BundleError as error:
        raise UsageError(f"{path}: {error} Nothing was sent.") from None
    if not found.is_signed:
        raise UsageError(f"{path} is not signed; `python -m tools.bundle sign` does it.")
    return data, found.facts


def _install(board, device: str, what: str, is_dry: bool, ui) -> dict:
    files: list[str] = []

    def came(message: dict) -> None:
        files.append(message["file"])
        if len(files) % 25 == 0:
            ui.say(f"  {len(files)} files …")

    args = {"device": device, "path": ON_BOARD, "dry_run": is_dry}
    try:
        return board.call("update", args, _LIMIT_S, came)
    except BoardFault as error:
        if not reasons.is_reason(reasons.UPDATE, error.code):
            raise
        ends = reasons.ends_when(reasons.UPDATE, error.code)
        raise NotVerified(
            f"{device} refused {what}: {error.code}"
            + (f" ({error.detail})" if error.detail else "")
            + f". What would help: {ends}. The board goes on as before."
        ) from None


def _see_it_through(options, ui, port: str, done: dict) -> int:
    """Follow the trial on the console, without stopping it."""
    device, version = done["device"], done["version"]
    ui.say(f"{device}: installed, starting {version}. Leave it plugged in while it is tried.")
    if not options.wait:
        ui.result(done | {"outcome": "on_trial"}, f"{device}: tries {version} now.")
        return EXIT_DONE
    outcome = watch(port, version, time.monotonic() + 60 * options.wait, ui.say)
    done["outcome"] = outcome
    if outcome == TAKEN_BACK:
        raise ToolError(
            f"{device}: {version} did not prove itself; {done['was']} runs again. "
            "`recorder doctor` says what happened."
        )
    words = {
        "proved": f"{device}: {version} runs and has proved itself.",
        "on_trial": f"{device}: {version} runs and is still tried; it proves itself, or the "
        f"board goes back to {done['was']}, without us.",
        "silent": f"{device}: says nothing over its console; `recorder list` shows what runs.",
    }
    ui.result(done, words[outcome])
    return EXIT_DONE
