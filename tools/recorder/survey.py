"""What lies on a board, read by bare scripts: whatever its program is, was, or is half of.

Reads only, but takes the technician's hold first where a program of ours lets itself be loaded.
"""

import concurrent.futures
import contextlib
import dataclasses
import re

from rescue import boot_record
from tools.recorder.errors import Foreign, NoDevice, ToolError, UsageError
from tools.recorder.manners import ports
from tools.recorder.port import Board
from tools.recorder.ports import text_of
from tools.recorder.scripts import HASH

RELEASES = ("a", "b")
_LIMIT_S = 60.0
_ATTEMPTS = 3  # a serial port drops what a busy laptop does not fetch in time
_FOLDERS = (*RELEASES, "device", "rescue", "incoming", "trust")
# What may lie at the root of a recorder, or of a board that was only ever flashed; "hardware" is
# where a virtual board has its parts.
_OURS = re.compile(
    r"boot\.py|main\.py|boot[01]|update[01]|a|b|device|rescue|trust|incoming|roots(\.new)?|rec|sd"
    r"|state|clips|log|hardware"
    r"|(config|board)\.json(\.new)?"
)
_LEAST_MICROPYTHON = (1, 27)

# The watchdog of the ESP32 outlives the soft reset that began this session. _wind_up() leaves the
# boards of others alone, and runs nothing of the program that is there.
_WIND_UP = """\
import os, sys
_ours = [name for name in ("a", "b", "device") if name in os.listdir()]
def _wind_up():
    if _ours and sys.platform == "esp32":
        import machine
        machine.WDT(timeout=600000)
"""

_HOLD = (
    _WIND_UP
    + """\
try:
    if not _ours:
        raise ImportError
    if sys.platform == "esp32":
        from device.hal.esp32.board import build
    else:
        from device.hal.sim.board import build
    from device.field.entry import hold
    hold(build())
except Exception:
    _wind_up()
for _name in list(sys.modules):
    if _name.split(".")[0] == "device":
        sys.modules.pop(_name)
"""
)

_SURVEY = (
    HASH
    + """\
import json, os, sys
_said = 0
def _say(**values):
    global _said
    _said += 1
    print("@field " + json.dumps({"progress": values}))
def _walk(folder):
    for entry in list(os.ilistdir(folder or "/")):
        path = folder + "/" + entry[0]
        if entry[1] != 0x4000:
            _say(file=path[1:], bytes=os.stat(path)[6], sha256=_hash(path))
        elif folder or entry[0] in %r:
            _say(folder=path[1:])
            _walk(path)
        else:
            _say(other=path[1:])
def _text(path, most):
    try:
        with open(path, "rb") as f:
            return binascii.hexlify(f.read(most)).decode()
    except OSError:
        return None
_walk("")
try:
    import machine
    _unique = binascii.hexlify(machine.unique_id()).decode()
except (ImportError, AttributeError):
    _unique = ""
_flash = os.statvfs("/")
print("@field " + json.dumps({"answer": {"lines": _said,
    "unique_id": _unique, "platform": sys.platform, "mpy": getattr(sys.implementation, "_mpy", 0),
    "micropython": list(sys.implementation[1][:3]),
    "machine": getattr(sys.implementation, "_machine", ""),
    "block_bytes": _flash[0], "free_blocks": _flash[3],
    "boot0": _text("boot0", 80), "boot1": _text("boot1", 80), "boot_py": _text("boot.py", 512),
    "config": _text("config.json", 16384)}}))
"""
)


@dataclasses.dataclass
class Survey:
    """files: path without leading "/" -> (bytes, sha256). others: folders that are not ours."""

    serial_number: str
    platform: str
    mpy: int
    micropython: tuple[int, ...]
    machine: str
    block_bytes: int
    free_blocks: int
    record: tuple[int, str, str, int]
    config: bytes | None
    files: dict[str, tuple[int, str]]
    folders: list[str]
    others: list[str]
    has_stock_boot: bool

    @property
    def state(self) -> str:
        """ "recorder", "empty" (no program, or a first provisioning that was cut), "foreign"."""
        if self.has_application:
            return "recorder"
        is_theirs = self.foreign_names() or "main.py" in self.files or not self.has_stock_boot
        return "foreign" if is_theirs else "empty"

    @property
    def has_application(self) -> bool:
        return any(
            f"{folder}device/app{ending}" in self.files
            for folder in ("", "a/", "b/")
            for ending in (".py", ".mpy")
        )

    def foreign_names(self) -> list[str]:
        """Names at the root that no recorder has."""
        names = {path.split("/")[0] for path in (*self.files, *self.others)}
        return sorted(name for name in names if not _OURS.fullmatch(name))

    def release(self, folder: str) -> dict[str, str]:
        """Path inside a release's folder -> sha256."""
        start = folder + "/"
        return {
            path.removeprefix(start): digest
            for path, (_, digest) in self.files.items()
            if path.startswith(start)
        }

    def hash_of(self, path: str) -> str | None:
        return self.files.get(path, (0, None))[1]


def survey(board: Board, takes_hold: bool = True) -> Survey:
    """Ask a board what lies on it; begins with a soft reset. Raises NoDevice, Foreign."""
    for _ in range(_ATTEMPTS):
        seen: list[dict] = []
        scripts = [_HOLD if takes_hold else _WIND_UP + "_wind_up()\n", _SURVEY % (_FOLDERS,)]
        answers = board.run_each(scripts, _LIMIT_S, "identify", on_progress=seen.append)
        if answers and answers[-1]["lines"] == len(seen):
            return _survey_of(answers[-1], seen)
    if answers:
        raise NoDevice(
            f"{board.device}: lines are lost on the way. Is the laptop very busy, or the cable "
            "long? Try again."
        )
    raise Foreign(f"{board.device}: MicroPython answers, but not to a question about files.")


def _survey_of(answer: dict, seen: list[dict]) -> Survey:
    lines = [_bytes_of(answer["boot0"]), _bytes_of(answer["boot1"])]
    records = [record for record in map(boot_record.parse, filter(None, lines)) if record]
    return Survey(
        serial_number=text_of(answer["unique_id"]),
        platform=answer["platform"],
        mpy=answer["mpy"],
        micropython=tuple(answer["micropython"]),
        machine=answer["machine"],
        block_bytes=answer["block_bytes"],
        free_blocks=answer["free_blocks"],
        record=max(records, default=(0, boot_record.NONE, boot_record.NONE, 0)),
        config=_bytes_of(answer["config"]),
        files={item["file"]: (item["bytes"], item["sha256"]) for item in seen if "file" in item},
        folders=[item["folder"] for item in seen if "folder" in item],
        others=[item["other"] for item in seen if "other" in item],
        has_stock_boot=_is_comment(_bytes_of(answer["boot_py"]) or b""),
    )


def find(named: str | None, is_forced: bool = False) -> tuple[Board, Survey]:
    """The one board meant, by serial number or port; the others go back to their work.

    is_forced: a board, named by its port, whose program hangs when it is loaded is surveyed
    without. Raises NoDevice, Foreign, UsageError (several are there, and none was named).
    """
    if named and is_port(named):
        board = Board(named)
        try:
            return board, survey(board)
        except NoDevice:
            if not is_forced:
                raise
            return board, survey(board, takes_hold=False)
    found, faults = {}, []
    devices = [port["device"] for port in ports()]
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(8, len(devices)))) as pool:
        for device, answer in zip(devices, pool.map(_look, devices), strict=True):
            if isinstance(answer, Survey):
                found[device] = answer
            else:
                faults.append(str(answer))
    meant = [d for d, seen in found.items() if named is None or seen.serial_number == named]
    for device in found:
        if device not in meant or len(meant) > 1:
            with contextlib.suppress(ToolError):
                Board(device).release()
    if not meant:
        what = f"No board {named} on any port." if named else "No board on any serial port."
        raise NoDevice(
            f"{what} Plug it in with a cable that carries data; `recorder list` shows what is "
            "there. " + " ".join(faults)
        )
    if len(meant) > 1:
        names = ", ".join(f"{found[d].serial_number} at {d}" for d in meant)
        raise UsageError(f"There are several boards ({names}): name one with --board.")
    return Board(meant[0]), found[meant[0]]


def is_port(named: str) -> bool:
    """True for the name of a port ("/dev/ttyUSB0", "COM3"), False for a serial number."""
    return "/" in named or bool(re.fullmatch(r"COM\d+", named))


def _look(device: str) -> Survey | ToolError:
    try:
        return survey(Board(device))
    except ToolError as error:
        return error


def guard(found: Survey, where: str, is_forced: bool) -> None:
    """Refuse what is no recorder and no empty board, unless a person insists. Raises Foreign."""
    if found.platform not in ("esp32", "linux"):
        raise ToolError(
            f"{where}: a board of the kind {found.platform!r}; this application is for the ESP32."
        )
    if is_forced:
        return
    if found.micropython[:2] < _LEAST_MICROPYTHON:
        version = ".".join(map(str, found.micropython))
        raise Foreign(
            f"{where}: MicroPython {version} is older than the 1.27 that the application is "
            "made for. `recorder flash` puts a new one on the board; --force tries without."
        )
    if found.state == "foreign":
        names = ", ".join(found.foreign_names()[:5]) or "main.py or boot.py"
        raise Foreign(
            f"{where} ({found.serial_number}): another program is on this board ({names}). Is it "
            "the right board? Nothing was written. --force puts the recorder's program there."
        )


def _bytes_of(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)


def _is_comment(boot_py: bytes) -> bool:
    """True for the boot.py that stock firmware writes: nothing in it but comments."""
    lines = boot_py.decode("utf-8", "replace").splitlines()
    return all(not line.strip() or line.lstrip().startswith("#") for line in lines)
