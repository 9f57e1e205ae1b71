"""Many boards: each is recognised by its serial number when it appears, and worked on by itself.

Boards may hang on a hub or be plugged one after another, in any order. A row that fails is tried
again when its board is unplugged and plugged in anew, or by the same command later: what the
record says is done stays done.
"""

import concurrent.futures
import hashlib
import os
import threading
import time

from tools.recorder import inputs
from tools.recorder.batch_file import Row
from tools.recorder.batch_view import BatchView
from tools.recorder.board_steps import give_back
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, ToolError
from tools.recorder.manners import ports
from tools.recorder.plan import Wanted
from tools.recorder.port import Board
from tools.recorder.provisioning import Provisioning
from tools.recorder.record import DONE, FAILED, UNPROVED, Record
from tools.recorder.survey import survey

WAITING = "waiting"
_POLL_S = 0.3
_SCRIPT_WAIT_S = 60.0  # without a person who plugs boards in, an empty bench ends the batch


class Stopped(ToolError):
    """The person has stopped the batch."""


class State:
    """Of one row, for the view: result (WAITING, a step's name, or of record.py) and words."""

    def __init__(self, row: Row):
        self.row = row
        self.result = WAITING
        self.percent: int | None = None
        self.text = ""
        self.was_done_before = False

    @property
    def is_over(self) -> bool:
        return self.result in (DONE, UNPROVED, FAILED)


class Batch:
    """rows: of batch_file.read. jobs: boards at once."""

    def __init__(self, rows: list[Row], record: Record, jobs: int, ui):
        self._record = record
        self._jobs = jobs
        self._ui = ui
        self._states = {row.board: State(row) for row in rows}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._busy: set[str] = set()  # ports that are worked on
        self._seen: dict[str, tuple] = {}  # port -> which plugging of it was looked at
        self._others: dict[str, str] = {}  # port -> what is there that no row means
        results = record.results()
        for board, state in self._states.items():
            if board in results and is_done(state.row, results[board]):
                state.result, state.was_done_before = DONE, True

    def run(self, is_dry: bool = False, wait_s: float | None = None) -> int:
        """Until every row has its result, or nothing new came for wait_s (None: for ever where
        somebody looks on). Returns the exit code.
        """
        if is_dry:
            return self._show_plan()
        if wait_s is None:
            wait_s = float("inf") if self._ui.is_terminal else _SCRIPT_WAIT_S
        is_stopped = False
        with BatchView(self._ui, list(self._states.values())) as view:
            self._view = view
            try:
                self._watch(wait_s)
            except KeyboardInterrupt:
                is_stopped = True
                view.say("Stopping: the boards in hand go back to their work …")
        return self._finish(is_stopped)

    def _watch(self, wait_s: float) -> None:
        with concurrent.futures.ThreadPoolExecutor(max_workers=self._jobs) as pool:
            try:
                quiet_since = time.monotonic()
                while not all(state.is_over for state in self._states.values()):
                    if self._begin_new(pool) or self._busy:
                        quiet_since = time.monotonic()
                    if time.monotonic() - quiet_since > wait_s:
                        return
                    time.sleep(_POLL_S)
            finally:
                self._stop.set()

    def _begin_new(self, pool: concurrent.futures.Executor) -> bool:
        """Hand every board that was plugged in since the last look to a worker."""
        there = {}
        for port in ports():
            plugging = _plugging(port["device"])
            if plugging:
                there[port["device"]] = plugging
        is_new = False
        with self._lock:
            for device in set(self._seen) - set(there):
                del self._seen[device]
                self._others.pop(device, None)
            for device, plugging in there.items():
                if self._seen.get(device) == plugging or device in self._busy:
                    continue
                self._seen[device] = plugging
                self._busy.add(device)
                is_new = True
                pool.submit(self._work, device)
        return is_new

    def _work(self, device: str) -> None:
        try:
            self._provision(device)
        except ToolError as error:
            if not isinstance(error, Stopped):
                self._other(device, str(error))
        finally:
            with self._lock:
                self._busy.discard(device)

    def _provision(self, device: str) -> None:
        board = Board(device)
        board.on_step = self._on_cable
        found = survey(board)
        state = self._states.get(found.serial_number)
        if state is None or state.result == DONE:
            what = "done already" if state else "not in the list: left alone"
            self._other(device, f"{found.serial_number} at {device}: {what}.")
            give_back(board)
            return

        def stepped(step: str, percent: int | None = None) -> None:
            state.result, state.percent = step, percent
            self._view.changed(state)

        provisioning = Provisioning(board, state.row.order, self._record, stepped)
        try:
            outcome = provisioning.run(found)
            state.result, state.text = outcome.result, outcome.note
        except Stopped:
            state.result, state.text = WAITING, "stopped"
        except ToolError as error:
            state.result, state.text = FAILED, f"{provisioning.at_step}: {error}"
        except BaseException as error:
            state.result, state.text = FAILED, f"a fault of this tool: {type(error).__name__}"
            raise
        finally:
            self._view.changed(state)

    def _on_cable(self, step: str) -> None:
        if self._stop.is_set() and step != "release":
            raise Stopped("The batch was stopped.")

    def _other(self, device: str, text: str) -> None:
        with self._lock:
            self._others[device] = text
        self._view.say(text)

    # The end ---------------------------------------------------------------------------------

    def _finish(self, is_stopped: bool) -> int:
        states = list(self._states.values())
        count = {
            result: sum(state.result == result for state in states)
            for result in (DONE, UNPROVED, FAILED)
        }
        left = sum(not state.is_over for state in states)
        document = {
            "rows": [_document(state) for state in states],
            "counts": count | {"left": left},
            "others": sorted(self._others.values()),
            "record": str(self._record.path),
        }
        shown = [
            f"{count[DONE]} done, {count[UNPROVED]} written but not proved, {count[FAILED]} "
            f"failed, {left} left. Recorded in {self._record.path}."
        ]
        shown += [
            f"  {state.result}: {state.row.label} ({state.row.board}): {state.text}"
            for state in states
            if state.result in (FAILED, UNPROVED)
        ]
        if count[DONE] < len(states):
            shown.append("The same command goes on from here; what is done stays done.")
        self._ui.result(document, *shown)
        if is_stopped:
            return EXIT_INTERRUPTED
        return EXIT_DONE if not (left or count[FAILED]) else EXIT_FAILED

    def _show_plan(self) -> int:
        states = list(self._states.values())
        for state in states:
            state.text = "done before" if state.was_done_before else "would be provisioned"
        shown = [
            f"line {state.row.line}: {state.row.label} ({state.row.board}) {state.text}"
            for state in states
        ]
        self._ui.result({"rows": [_document(state) for state in states]}, *shown)
        return EXIT_DONE


def is_done(row: Row, line: dict) -> bool:
    """True if the record's result of the board is what the row asks for today."""
    live = line.get("live") or {}
    if line["state"] != DONE or line["label"] != row.label or row.order.is_new_token:
        return False
    try:
        wanted = Wanted.for_arch(live.get("arch", ""), {})
    except ToolError:
        return False
    if live.get("firmware") != wanted.fingerprint:
        return False
    order = row.order
    if order.token is not None and live.get("token") != order.token.fingerprint():
        return False
    if order.config_file is None:
        return True
    names = None if order.networks is None else [ssid for ssid, _ in order.networks]
    config = inputs.make_config(order.config_file, names, order.apn)
    return live.get("config") == hashlib.sha256(config).hexdigest()


def _document(state: State) -> dict:
    row = state.row
    return {
        "line": row.line,
        "board": row.board,
        "label": row.label,
        "result": state.result,
        "text": state.text,
        "before": state.was_done_before,
    }


def _plugging(device: str) -> tuple | None:
    """Tells one plugging of a port from the next; None: nothing is plugged in there."""
    try:
        found = os.stat(device)
    except OSError:
        return None
    return (found.st_rdev, found.st_ino, os.path.realpath(device))
