"""The durable record of provisioning: what was begun, what came of it, what lies on which board.

JSON lines, appended and synced before the step that they announce, mode 600. One line:

    at, who, tool      UTC time, user@machine, version of this tool
    board, label, port serial number, what the label says, where it was plugged in
    step, state        "copy" "begin" | "done" | "failed" and error; the last line of a board is
                       step "result" with state "done", "unproved" or "failed"
    live               of a result: what was read back from the board: firmware (fingerprint of all
                       its files), release, config (SHA-256), token (fingerprint), bound_to
    proved             of a result: the cloud has accepted a heartbeat with that token

No secret is in it. A line that a crash has cut off is left alone and passed over.
"""

import collections.abc
import contextlib
import datetime
import getpass
import json
import os
import pathlib
import socket
import threading

from tools.recorder.errors import ToolError, UsageError

RESULT = "result"
DONE, UNPROVED, FAILED = "done", "unproved", "failed"
INTERRUPTED = "interrupted"


class Record:
    """path: the file; made with the first line. For several threads, and several processes."""

    def __init__(self, path: str | pathlib.Path, tool: str):
        self.path = pathlib.Path(path)
        self._fixed = {"who": _who(), "tool": tool}
        self._lock = threading.Lock()

    def write(self, **values) -> None:
        """Append one line, durable when this returns. Raises ToolError: then do not go on."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": now} | self._fixed | values, ensure_ascii=False)
        try:
            with self._lock:
                self._append(line.encode() + b"\n")
        except OSError as error:
            raise ToolError(
                f"{self.path}: the record cannot be written ({error.strerror}); nothing is done "
                "without it. Name another place with --record."
            ) from None

    def _append(self, line: bytes) -> None:
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # a crash has cut off the line before
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.path.parent)

    @contextlib.contextmanager
    def step(self, step: str, **values) -> collections.abc.Iterator[dict]:
        """Announce a step, then say how it ended. The dict yielded goes into the last line."""
        self.write(step=step, state="begin", **values)
        learnt: dict = {}
        try:
            yield learnt
        except ToolError as error:
            self.write(step=step, state=FAILED, error=str(error), **values)
            raise
        except BaseException:
            self.write(step=step, state=INTERRUPTED, **values)
            raise
        self.write(step=step, state="done", **values, **learnt)

    def lines(self) -> list[dict]:
        """All lines that are whole. Raises UsageError if the file is no record."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror}.") from None
        found = [line for line in map(_parse, data.splitlines()) if line]
        if data.strip() and not found:
            raise UsageError(f"{self.path}: this is no record of `recorder provision`.")
        return found

    def results(self) -> dict[str, dict]:
        """Serial number -> its newest result."""
        return {line["board"]: line for line in self.lines() if line.get("step") == RESULT}

    def check_label(self, board: str, label: str) -> None:
        """Raises ToolError if the board had another label, or the label another board."""
        for line in self.lines():
            if line.get("step") != RESULT or not line.get("live"):
                continue
            if line["board"] == board and line["label"] != label:
                raise ToolError(
                    f"{board} was labelled {line['label']} on {line['at'][:10]} ({self.path}), "
                    f"now it is to be {label}. Is it the right board? --force labels it anew."
                )
            if line["label"] == label and line["board"] != board:
                raise ToolError(
                    f"The label {label} was given to {line['board']} on {line['at'][:10]} "
                    f"({self.path}), now to {board}. Is it the right board? --force gives it away."
                )


def _parse(line: bytes) -> dict | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    is_ours = isinstance(found, dict) and {"at", "board", "label", "step", "state"} <= set(found)
    return found if is_ours else None


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "?"  # a user id without a name
    return f"{user}@{socket.gethostname()}"


def _sync_folder(folder: pathlib.Path) -> None:
    """A name is durable when its folder is; Windows has no such thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
