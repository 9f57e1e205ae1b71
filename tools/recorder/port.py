"""The board port: drives the real mpremote as a subprocess, with a time limit on everything.

    board = Board("/dev/ttyUSB0")
    board.hold()                                   # the watchdog cannot end the session
    facts = board.call("facts", {}, timeout_s=20)  # device/field/facts.py runs on the board
    board.put("/config.json", data)                # whole or not at all, read back
    board.release()                                # back to its work: hard reset into main.py

`call` sends a few lines that hand over to device/field/entry.py; the answer is one framed JSON
object. Secrets (secret.Secret) may stand in its arguments: the lines go to mpremote in a file of
mode 600, never as a process argument, and nothing that comes back is shown unmasked. mpremote is a
subprocess because its library says of itself that it is going to change, prints to stdout, and
hangs on a silent port; killing a process always works.
"""

import base64
import collections.abc
import contextlib
import hashlib
import json
import os
import pathlib
import sys

from tools.recorder import line as serial_line
from tools.recorder.errors import BoardFault, Foreign, NoDevice, NotVerified, ToolError
from tools.recorder.manners import busy_message
from tools.recorder.process import printable, private_file, watched
from tools.recorder.scripts import HASH, FileSteps
from tools.recorder.secret import mask, revealed, secrets_in

FRAME = "@field "
START_LIMIT_S = 15.0  # mpremote's own start, Ctrl-C, soft reset and boot.py
COPY_BYTES_PER_S = 2000  # the slowest cable: 115200 baud, and mpremote's escapes

_CALL = """\
import sys
if sys.platform == "esp32":
    from device.hal.esp32.board import build
else:
    from device.hal.sim.board import build
from device.field.entry import serve
serve(build, %r, __import__("json").loads(%r))
"""

# Hashes what was copied beside its final name, and only if all is right gives it that name.
_SETTLE = (
    HASH
    + """\
import json, os
_wanted = %r
_wrong = [path for path, digest in _wanted if _hash(path + ".new") != digest]
if not _wrong:
    for path, _ in _wanted:
        os.rename(path + ".new", path)
print("@field " + json.dumps({"answer": _wrong}))
"""
)

_GET = """\
import hashlib, binascii, json
h = hashlib.sha256()
with open(%r, "rb") as f:
    while True:
        piece = f.read(768)
        if not piece:
            break
        h.update(piece)
        text = binascii.b2a_base64(piece, newline=False).decode()
        print('@field {"progress": "' + text + '"}')
print("@field " + json.dumps({"answer": binascii.hexlify(h.digest()).decode()}))
"""

_SHA256 = (
    HASH
    + """\
import json
print("@field " + json.dumps({"answer": {path: _hash(path) for path in %r}}))
"""
)


class Board:
    """device: path or name of the serial port. Not for several threads at once."""

    def __init__(self, device: str):
        self.device = device
        self.on_step = lambda name: None  # told before each use of the cable (progress, tests)
        self._said = ""  # by the board in the last session, secrets masked
        self._has_prompt = False  # our session holds it: nothing of its own runs

    # Sessions ------------------------------------------------------------------------------

    def hold(self, timeout_s: float = 30.0) -> dict:
        """Take the technician's hold: the program is stopped, the watchdog wound up for 10 min,
        and the indicator says so. Every call() takes it again."""
        return self.call("held", {}, timeout_s)

    def release(self, timeout_s: float = 20.0) -> None:
        """Give the board back to its work: a hard reset, which runs main.py."""
        self._mpremote(["reset"], timeout_s, "release", resume=True)
        self._has_prompt = False

    def call(
        self,
        name: str,
        args: dict,
        timeout_s: float = 60.0,
        on_progress: collections.abc.Callable[[dict], None] | None = None,
    ) -> dict:
        """Run device/field/<name>.py on the board and return its answer.

        Begins with a soft reset, so each call finds the same fresh heap. Raises BoardFault (the
        function said no), NoDevice (busy, silent, gone), Foreign (no such application there).
        """
        # Plain UTF-8: MicroPython reads an escaped emoji as two halves.
        script = _CALL % (name, json.dumps(revealed(args), ensure_ascii=False))
        return self.run(script, timeout_s, name, secrets_in(args), on_progress)

    def run(
        self,
        script: str,
        timeout_s: float,
        step: str,
        secrets: list[str] | tuple = (),
        on_progress: collections.abc.Callable[[dict], None] | None = None,
        resume: bool = False,
    ):
        """Run lines of MicroPython on the board; returns what they printed as framed answer.

        For boards that have no application yet. resume: without the soft reset before.
        """
        answers = self.run_each([script], timeout_s, step, secrets, on_progress, resume)
        if not answers:
            raise self._no_answer(step)
        return answers[-1]

    def run_each(
        self,
        scripts: list[str],
        timeout_s: float,
        step: str,
        secrets: list[str] | tuple = (),
        on_progress: collections.abc.Callable[[dict], None] | None = None,
        resume: bool = False,
    ) -> list:
        """Run scripts one after another in one session, names kept from one to the next; the
        first that raises ends it. Returns the framed answers of all, as far as they gave one.
        """
        answers: list[dict] = []

        def line_came(line: str) -> bool:
            message = _framed(line)
            if message is None:
                return False
            if "progress" not in message:
                answers.append(message)
            elif on_progress is not None:
                on_progress(message["progress"])
            return True

        with contextlib.ExitStack() as stack:
            commands: list[str] = []
            for script in scripts:
                path = stack.enter_context(private_file(script.encode()))
                commands += (["+"] if commands else []) + ["run", str(path)]
            self._said = self._mpremote(
                commands, timeout_s, step, resume, list(secrets), line_came
            )
        for answer in answers:
            if "error" in answer:
                error = answer["error"]
                raise BoardFault(error["code"], mask(error["detail"], list(secrets)))
        return [answer["answer"] for answer in answers]

    def _no_answer(self, step: str) -> Foreign:
        return Foreign(
            f"{self.device}: the board gave no answer to {step!r}; it said: "
            f"{self._said.strip()[-300:] or 'nothing'}. "
            "Is this application on it? `recorder provision` installs it."
        )

    # Files ---------------------------------------------------------------------------------

    def get(self, path: str, timeout_s: float = 300.0) -> bytes:
        """A file of the board, its hash compared with what the board reads. Raises NotVerified.

        As base64 in one go: `mpremote fs cp` asks for each 256 bytes anew and gets them as text
        of three times the size.
        """
        pieces: list[str] = []
        digest = self.run(_GET % path, timeout_s, "get", on_progress=pieces.append, resume=True)
        try:
            data = b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
        except ValueError:
            data = b""
        if digest != hashlib.sha256(data).hexdigest():
            raise NotVerified(f"{self.device}: {path} did not arrive whole; try again.")
        return data

    def put(self, path: str, data: bytes, timeout_s: float | None = None) -> None:
        self.put_all({path: data}, timeout_s)

    def put_all(self, files: dict[str, bytes], timeout_s: float | None = None) -> None:
        """Write files (absolute paths). Each comes beside its name, is read back and hashed, and
        gets its name only when all of them are right. Raises NotVerified; then none changed.
        """
        if not files:
            return
        size = sum(map(len, files.values()))
        limit_s = timeout_s or START_LIMIT_S + 2 * len(files) + size / COPY_BYTES_PER_S
        wanted = [(path, hashlib.sha256(data).hexdigest()) for path, data in files.items()]
        steps = FileSteps()
        for parent in parents(files):
            steps.folder(parent)
        for path, data in files.items():
            steps.write(path + ".new", data)
        scripts = [*steps.scripts(), _SETTLE % (wanted,)]
        answers = self.run_each(scripts, limit_s, "put", resume=True)
        if answers != [[]]:
            wrong = answers[-1] if answers else files
            raise NotVerified(
                f"{self.device}: {', '.join(wrong)} did not arrive whole; nothing was "
                "changed. Try again; if it comes back, try another cable or port."
            )

    def sha256(self, paths: list[str], timeout_s: float = 60.0) -> dict[str, str | None]:
        """Path -> SHA-256 as the board reads it, None where there is no such file."""
        return self.run(_SHA256 % (paths,), timeout_s, "hash", resume=True)

    # mpremote ------------------------------------------------------------------------------

    def _mpremote(
        self,
        commands: list[str],
        timeout_s: float,
        step: str,
        resume: bool = False,
        secrets: list[str] | tuple = (),
        line_came: collections.abc.Callable[[str], bool] = lambda line: False,
    ) -> str:
        """Run mpremote once; returns all it said. Raises NoDevice, ToolError."""
        self.on_step(step)
        if not self._has_prompt:
            self._reach_prompt(min(timeout_s, serial_line.PROMPT_LIMIT_S))
        arguments = [sys.executable, "-m", "mpremote", "connect", self.device]
        arguments += (["resume"] if resume else []) + commands
        code, said = watched(arguments, timeout_s, line_came)
        if code and "could not enter raw repl" in said:
            # What comes while a board starts is lost, and mpremote sends its Ctrl-C only once.
            code, said = watched(arguments, timeout_s, line_came)
        said = mask(said, list(secrets))
        if code == 0:
            return said
        self._has_prompt = False
        raise self._fault(code, said, timeout_s, step)

    def _reach_prompt(self, limit_s: float) -> None:
        """Stop what runs there. Raises NoDevice (absent, busy, silent), Foreign."""
        with serial_line.Line(self.device) as line:
            self._has_prompt, heard = line.to_prompt(limit_s)
        if self._has_prompt:
            return
        if not heard.strip("\x00\r\n "):
            raise NoDevice(
                f"{self.device}: silent for {limit_s:.0f} s. Is it powered, and the cable one "
                "that carries data? Press its reset button and try again."
            )
        raise Foreign(
            f"{self.device}: something answers, but not MicroPython's prompt; it said: "
            f"{printable(heard)[-120:]!r}. If this is a recorder, press its reset button and try "
            "again; `recorder flash --firmware FILE.bin` puts MicroPython on a board."
        )

    def _fault(self, code: int | None, said: str, timeout_s: float, step: str) -> ToolError:
        if code is None:
            return NoDevice(
                f"{self.device}: no answer to {step!r} within {timeout_s:.0f} s. Is it powered, "
                "and the cable one that carries data? Press its reset button and try again."
            )
        if "failed to access" in said or "in use" in said:
            return NoDevice(busy_message(self.device))
        if "could not enter raw repl" in said:
            return Foreign(
                f"{self.device}: something answers, but not MicroPython's REPL. `recorder flash "
                "--firmware FILE.bin` puts MicroPython on a board."
            )
        if not os.path.exists(self.device) or "Input/output error" in said:
            return NoDevice(
                f"{self.device}: the board went away during {step!r}. Plug it in again and repeat "
                "the command: it goes on where it stopped."
            )
        if "OSError: 28" in said or "ENOSPC" in said:
            return ToolError(
                f"{self.device}: the flash is full; {step!r} ended before it was done, and "
                "nothing of it is live. Does it hold clips (`recorder pull`, `receipt`) or files "
                "of others? Make room, then repeat the command."
            )
        if "ImportError" in said and "device" in said:
            return Foreign(
                f"{self.device}: MicroPython answers, but this recorder's application is not on "
                "it. `recorder provision` installs it."
            )
        return ToolError(
            f"{self.device}: {step!r} failed on the board: {said.strip()[-300:] or code}. "
            "Repeat the command; `recorder console` shows what the board says."
        )


def _framed(line: str) -> dict | None:
    start = line.find(FRAME)  # the board's own half line may stand before it
    if start < 0:
        return None
    try:
        message = json.loads(line[start + len(FRAME) :])
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def parents(files: collections.abc.Iterable[str]) -> list[str]:
    """Every folder above files, outermost first."""
    found = {str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents}
    return sorted(found - {"/", "."}, key=lambda path: (path.count("/"), path))
