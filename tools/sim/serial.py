"""A virtual recorder behind a serial port: a PTY that mpremote takes for a board.

    with SerialBoard(folder) as board:     # folder/hardware: board.json, system.img, flash.img …
        board.image(build_folder, config)  # or leave it empty, as it comes from the factory
        board.plug_in()                    # power and cable
        mpremote connect board.device …

The unix port has raw REPL and raw paste of its own. What a board does besides is done here: soft
reset (the process ends and is started again), hard reset (main.py runs), Ctrl-C (a signal while
code runs), the watchdog (hardware/registers), and the cable that somebody pulls.
"""

import json
import os
import pathlib
import pty
import select
import signal
import ssl
import subprocess
import threading
import time
import tty

import trustme

from tools.image import littlefs_image
from tools.sim.board import RESET_EXIT_CODE, BoardError, find_micropython, is_starved
from tools.sim.ctrl_c import CtrlC

START = pathlib.Path(__file__).with_name("serial_start.py")
# A board has 2,048 for files (host_tests/hal/test_sizes.py). Two releases of this machine's own
# architecture, whose code is larger, fit with room for clips in:
SYSTEM_KB = 2560
_RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_FRIENDLY_BANNER = b'Type "help()"'
_LOOK_S = 0.05
_LOOK_DUE_S = 0.002  # while Ctrl-C waits for a place
_START_LIMIT_S = 10.0
_SLOW_READER_S = 2.0


def _some_root() -> bytes:
    """A root certificate that has signed nothing, for a board that never meets a cloud."""
    pem = trustme.CA().cert_pem.bytes().decode("ascii")
    return ssl.PEM_cert_to_DER_cert(pem)


class SerialBoard:
    """folder: the board's own. serial_number: what the maker printed on it, its unique id.

    device: path of the serial port, the same over all plugging. heap_kb: of the unix port.
    """

    def __init__(self, folder: pathlib.Path, serial_number: str = "SIM-0001", heap_kb: int = 512):
        self.folder = folder
        self.hardware = folder / "hardware"
        self.serial_number = serial_number
        self.heap_kb = heap_kb
        self.device = str(folder / "tty")
        self.resets: list[str] = []
        self.received_bytes = 0  # from the laptop, since the cable was last plugged in
        self.cut_after_bytes: int | None = None  # pull the cable by itself then
        self.sent_bytes = 0  # to the laptop, likewise
        self.cut_after_sent_bytes: int | None = None
        self._child: subprocess.Popen | None = None
        self._port = self._console = -1
        self._held_open: list[int] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._is_raw = False
        self._has_prompt = False  # since this start
        self.port_deaths = 0  # of the unix port, that no board dies (ctrl_c.py)
        self._ctrl_c: CtrlC | None = None  # of this child
        self._is_deaf = False  # the laptop has not read for long
        self._tail = b""
        self._lock = threading.Lock()
        (self.hardware / "registers").mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "SerialBoard":
        return self

    def __exit__(self, *_details) -> None:
        self.pull_cable()

    def equip(
        self,
        *,
        hosts: dict[str, str] | None = None,
        root_der: bytes | None = None,
        samples: bytes = bytes(32000),
        wifi: dict[str, str] | None = None,
        control: tuple[str, int] | None = None,
        rate_hz: int = 16000,
        speed: int = 1,
        flash_kb: int = 4096,
        system_kb: int = SYSTEM_KB,
        rtc: str = "unset",
        modem: dict | None = None,
    ) -> None:
        """Write the virtual hardware: what is heard, which networks are in reach, who answers."""
        spec = {
            "device_id": self.serial_number,
            "flash_kb": flash_kb,
            "rate_hz": rate_hz,
            "audio": "/hardware/heard.pcm",
            "speed": speed,
            "wifi": wifi or {},
            "hosts": hosts or {},
            "control": list(control) if control else None,
            "rtc": rtc,
            "modem": modem,
        }
        (self.hardware / "board.json").write_text(json.dumps(spec))
        (self.hardware / "root.der").write_bytes(root_der or _some_root())
        (self.hardware / "heard.pcm").write_bytes(samples)
        if not (self.hardware / "system.img").exists():
            (self.hardware / "system.img").write_bytes(b"\xff" * (system_kb * 1024))

    def image(self, build_folder: pathlib.Path | None, files: dict[str, bytes]) -> None:
        """Write the system flash at once, as a factory would: a built application, and files."""
        path = self.hardware / "system.img"
        wanted = {}
        for source in sorted(build_folder.rglob("*")) if build_folder else ():
            if source.suffix in (".py", ".mpy"):
                wanted[str(source.relative_to(build_folder))] = source.read_bytes()
        path.write_bytes(littlefs_image.write(wanted | files, path.stat().st_size))

    def read_image(self) -> dict[str, bytes]:
        """Every file on the system flash, read without the board."""
        return littlefs_image.read((self.hardware / "system.img").read_bytes())

    def secrets(self) -> dict:
        """The secrets store, read without the board."""
        path = self.hardware / "secrets.json"
        return json.loads(path.read_text())["values"] if path.exists() else {}

    def register(self, name: str) -> dict | None:
        """What a part shows: "indicator", "watchdog". None: it showed nothing since power came."""
        try:
            return json.loads((self.hardware / "registers" / name).read_text())
        except (OSError, ValueError):
            return None

    def plug_in(self, runs_main: bool = True) -> None:
        """Give power and a port. Raises BoardError without a unix port to run. runs_main: without,
        it stops after boot.py, until the next reset.
        """
        micropython = find_micropython()
        if micropython is None:
            raise BoardError("There is no micropython: set MICROPYTHON to a unix port.")
        self._micropython = micropython
        for register in (self.hardware / "registers").iterdir():
            register.unlink()
        self.received_bytes = self.sent_bytes = 0
        self._stop.clear()
        self._port, port_slave = pty.openpty()
        tty.setraw(port_slave)
        self._held_open = [port_slave]  # or the first mpremote that leaves would end the port
        link = pathlib.Path(self.device)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(port_slave))
        self._spawn(runs_main, cause="power_on")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def is_at_prompt(self) -> bool:
        """True once the REPL has answered since this start."""
        return self._has_prompt

    def pull_cable(self) -> None:
        """Take port and power away, both at once, in the middle of whatever happens."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
        self._unplug()

    def _unplug(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.kill()
                self._child.wait()
                self._child = None
            for descriptor in (self._port, self._console, *self._held_open):
                if descriptor >= 0:
                    os.close(descriptor)
            self._port = self._console = -1
            self._held_open = []
            pathlib.Path(self.device).unlink(missing_ok=True)

    def _spawn(self, runs_main: bool, cause: str) -> None:
        (self.hardware / "started").unlink(missing_ok=True)
        console, slave = pty.openpty()
        tty.setraw(slave)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "TERM": "dumb",
            "MICROPYPATH": ".frozen",
            "RECORDER_HARDWARE": "/hardware",
            "RECORDER_HARDWARE_HOST": str(self.hardware.resolve()),
            "RECORDER_UNIQUE_ID": self.serial_number,
            "RECORDER_CAUSE": cause,
            "RECORDER_RUNS_MAIN": "1" if runs_main else "0",
        }
        self._child = subprocess.Popen(
            [self._micropython, "-X", f"heapsize={self.heap_kb}K", "-i", str(START)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.hardware,
            env=environment,
            start_new_session=True,
            umask=0o077,
        )
        self._ctrl_c = CtrlC(self._child, self.hardware / "started")
        os.close(slave)
        self._console = console
        self._is_raw = self._has_prompt = False
        self._tail = b""

    def _serve(self) -> None:
        """Carry bytes both ways until the cable is pulled."""
        while not self._stop.is_set():
            look_s = _LOOK_DUE_S if self._ctrl_c.is_due else _LOOK_S
            ready, _, _ = select.select([self._port, self._console], [], [], look_s)
            try:
                if self._port in ready:
                    self._from_laptop(os.read(self._port, 4096))
                if self._console in ready:
                    self._from_board()
            except OSError:
                if self._stop.is_set():
                    break
            self._ctrl_c.tick()
            if self._is_starved():
                self.resets.append("watchdog")
                self._child.kill()
            if self._is_cut():
                self._stop.set()
                self._unplug()

    def _is_cut(self) -> bool:
        for limit, count in (
            (self.cut_after_bytes, self.received_bytes),
            (self.cut_after_sent_bytes, self.sent_bytes),
        ):
            if limit is not None and count >= limit:
                return True
        return False

    def _from_laptop(self, data: bytes) -> None:
        self.received_bytes += len(data)
        *before, last = data.split(b"\x03")
        for part in before:
            self._write(self._console, part)
            is_heard = self._ctrl_c.is_heard()
            if is_heard or not self._has_prompt:
                # The port gives the terminal its old mode while code runs: a byte would not do. A
                # board remembers it while it starts; a pipe to a process does not.
                self._ctrl_c.press()
            if not is_heard:
                self._write(self._console, b"\x03")
        self._write(self._console, last)

    def _from_board(self) -> None:
        try:
            data = os.read(self._console, 4096)
        except OSError:
            data = b""
        if not data:
            self._child_ended()
            return
        self._tail = (self._tail + data)[-80:]
        raw, friendly = self._tail.rfind(_RAW_BANNER), self._tail.rfind(_FRIENDLY_BANNER)
        if max(raw, friendly) >= 0:
            self._is_raw = raw > friendly
            self._has_prompt = True
            self._ctrl_c.forget()
        with (self.folder / "serial.log").open("ab") as log:
            log.write(data)
        self.sent_bytes += len(data)
        self._write(self._port, data)

    def _child_ended(self) -> None:
        """A soft reset (back into the raw REPL if it came from there), or a hard one."""
        code = self._child.wait()
        os.close(self._console)
        is_soft = code == 0
        is_reset = code in (RESET_EXIT_CODE, -signal.SIGTERM)
        is_watchdog = code == -signal.SIGKILL
        if not is_soft:
            if code == 1 and self._ctrl_c.was_sent:
                self.port_deaths += 1
            else:
                self.resets.append("reset" if is_reset else f"exit code {code}")
        was_raw = self._is_raw and is_soft
        if is_soft:
            self._write(self._port, b"MPY: soft reboot\r\n")
        else:
            (self.hardware / "registers" / "watchdog").unlink(missing_ok=True)
        # Only a soft reset out of the raw REPL leaves main.py out.
        self._spawn(runs_main=not was_raw, cause="watchdog" if is_watchdog else "reset")
        if was_raw:
            said = self._read_until(b">>> ")
            self._write(self._port, said[: max(0, said.find(b"MicroPython "))])
            self._write(self._console, b"\x01")
            self._read_until(b"\r\n>")
            self._write(self._port, _RAW_BANNER + b">")
            self._is_raw = self._has_prompt = True
            self._ctrl_c.forget()

    def _read_until(self, ending: bytes) -> bytes:
        said = b""
        deadline = time.monotonic() + _START_LIMIT_S
        while not said.endswith(ending):
            if not select.select([self._console], [], [], _LOOK_S)[0]:
                if time.monotonic() > deadline or self._stop.is_set():
                    raise OSError("the virtual board does not start: " + repr(said[-200:]))
                continue
            said += os.read(self._console, 1)
        return said

    def _write(self, descriptor: int, data: bytes) -> None:
        waited_s = 0.0
        while data:
            look_s = 0 if descriptor == self._port and self._is_deaf else _LOOK_S
            _, ready, _ = select.select([], [descriptor], [], look_s)
            if ready:
                data = data[os.write(descriptor, data) :]
                waited_s = 0.0
                if descriptor == self._port:
                    self._is_deaf = False
                continue
            waited_s += _LOOK_S
            if descriptor == self._port and (self._is_deaf or waited_s > _SLOW_READER_S):
                # Nobody listens: a serial port drops what nobody takes.
                self._is_deaf = True
                return
            if self._stop.is_set():
                return

    def _is_starved(self) -> bool:
        """True if a watchdog runs and was not fed in time."""
        return is_starved(self.hardware / "registers")
