"""A virtual recorder as a process: its folder, its power, its console.

board.json (read by device/hal/sim/board.py):
    device_id, flash_kb, rate_hz      the board             wifi      network name -> password
    audio   raw 16-bit mono samples   what is heard         hosts     name -> address
            (or [address, port] of a room, tools/page/room.py)
    speed   times real time, 0: as fast as it is taken      control   [address, port] of our end
    limits  setting -> highest number                       driver_ms  what its buffers hold
    rtc     "host", "unset", "2000"                             cause     reset cause of this start
    haste   how many times faster the rescue program's hours pass (absent: 1)
    modem   what device/hal/sim/modem.py takes; none: the board has no modem
    cellular_hosts  name -> address over 4G, where they are other ones than `hosts`
    battery_pct  what its cell holds, null: on the mains    charging  whether it is charged
    spare_kb  its second medium (spare.img), which takes over while flash.img is pulled like a card
    card_out  true: it is out at the start
Beside it: config.json, secrets.json (0600), root.der, truth.pcm (what was heard), serial.log,
rtc_memory, registers/ (the watchdog and its feeds until the supervisor has its own).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

from tools.sim.build import ROOT, SOURCE_FILES, build
from tools.sim.control import ControlServer

START = ROOT / "tools" / "sim" / "start.py"
RESET_EXIT_CODE = 3
MAX_RESETS = 20
HEAP_KB = 384  # words are twice as wide here as on the board
SSID = "bench"
WIFI_PASSWORD = "bench-password"
SIM_PIN = "47110815"  # as long as one may be: four digits stand in any hash by chance
APN = "iot.bota.test"
MODEM = {"family": "quectel", "pin": SIM_PIN, "apn": APN, "latency_ms": 20, "noise": True}


class BoardError(Exception):
    """One sentence for the person at the simulator."""


def find_micropython() -> str | None:
    """The unix port: $MICROPYTHON, or the one of our own environment; None where there is none."""
    named = os.environ.get("MICROPYTHON")
    if named and shutil.which(named) is None:
        raise BoardError(f"MICROPYTHON names {named}, which is no program that can be run.")
    if named:
        return named
    return shutil.which("micropython", path=str(pathlib.Path(sys.executable).parent))


def heap_of_rom(size_bytes: int) -> int:
    """How much more heap the unix port needs to hold a ROM image that a board has in its flash:
    blocks of 32 bytes, and 3 bits of tables for each (py/gc.c of MicroPython).
    """
    blocks = size_bytes // 32 + 1
    return 32 * blocks + (3 * blocks + 7) // 8


def is_starved(registers: pathlib.Path) -> bool:
    """True if the watchdog of these registers runs and was not fed in time."""
    times = []
    limit_ms = None
    for name in ("watchdog", "fed"):
        try:
            times.append((registers / name).stat().st_mtime)
            if name == "watchdog":
                limit_ms = json.loads((registers / name).read_text())["limit_ms"]
        except (OSError, ValueError):
            continue  # it does not run, or is being written
    return limit_ms is not None and time.time() - max(times) > limit_ms / 1000


class VirtualBoard:
    """folder: the board's own, kept over power cuts. engine: "micropython" or "cpython". rom: the
    image of its ROM file system, which then holds the whole program but boot.py and main.py.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        engine: str = "micropython",
        heap_kb: int = HEAP_KB,
        rom: pathlib.Path | None = None,
    ):
        self.folder = folder
        self.rom = rom
        self.engine = engine
        self.heap_kb = heap_kb
        self.code: pathlib.Path | None = None  # built elsewhere than usual
        folder.mkdir(parents=True, exist_ok=True)
        self.control = ControlServer()
        self.resets: list[str] = []
        self._process: subprocess.Popen | None = None
        self._spec: dict = {}
        self._power = threading.Event()
        self._watcher: threading.Thread | None = None

    def equip(
        self,
        *,
        audio: pathlib.Path | tuple[str, int],
        rate_hz: int,
        speed: int,
        hosts: dict[str, str],
        root_der: bytes,
        config: dict,
        token: str | None,
        device_id: str = "sim-0001",
        flash_kb: int = 16384,
        rtc: str = "unset",
        driver_ms: int = 500,
        modem: dict | None = None,
        cellular_hosts: dict[str, str] | None = None,
        battery_pct: int | None = None,
        charging: bool = False,
        haste: int = 1,
        spare_kb: int = 0,
    ) -> None:
        """Write everything the board carries. May be called again between starts."""
        self._spec = {
            "device_id": device_id,
            "flash_kb": flash_kb,
            "rate_hz": rate_hz,
            "audio": str(audio) if isinstance(audio, pathlib.Path) else list(audio),
            "speed": speed,
            "wifi": {SSID: WIFI_PASSWORD},
            "hosts": hosts,
            "control": list(self.control.address),
            "rtc": rtc,
            "driver_ms": driver_ms,
            "modem": modem,
            "cellular_hosts": cellular_hosts or hosts,
            "battery_pct": battery_pct,
            "charging": charging,
            "haste": haste,
            "spare_kb": spare_kb,
            # A pre-roll of a second takes 25 KiB (FLAC, 16 kHz).
            "limits": {"activity.pre_roll_s": 10 if self.has_room() else 1},
        }
        (self.folder / "root.der").write_bytes(root_der)
        (self.folder / "config.json").write_text(json.dumps(config))
        self.provision(token)

    def has_room(self) -> bool:
        """True if it has memory to spare, as a board with PSRAM."""
        return self.engine == "cpython" or self.heap_kb >= 512

    def provision(self, token: str | None, epoch: int = 1) -> None:
        """Put the device token and the Wi-Fi password into the secrets store."""
        path = self.folder / "secrets.json"
        tree = {"values": {}, "counters": {}}
        if path.exists():
            tree = json.loads(path.read_text())
        tree["values"]["wifi:" + SSID] = WIFI_PASSWORD
        tree["values"]["cellular:pin"] = SIM_PIN
        tree["values"].pop("token", None)
        if token:
            tree["values"]["token"] = token
        tree["counters"]["epoch"] = epoch
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path.with_suffix(".tmp"), flags, 0o600)
        with os.fdopen(descriptor, "w") as f:
            json.dump(tree, f)
        os.replace(path.with_suffix(".tmp"), path)

    def start(self, cause: str = "power_on") -> None:
        """Switch the power on."""
        self.write_spec(cause=cause)
        self.control.forget_feeds()
        for register in (self.folder / "registers").glob("*"):
            register.unlink()
        self._process = subprocess.Popen(
            self.command_line(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "serial.log").open("ab"),
            stderr=subprocess.STDOUT,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C is ours to answer
            umask=0o077,  # secrets.json is written anew by the board
        )
        self._power.set()
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()

    def write_spec(self, **changes) -> None:
        """board.json, with some of its keys changed."""
        self._spec |= changes
        (self.folder / "board.json").write_text(json.dumps(self._spec))

    def command_line(self, start: pathlib.Path = START) -> list[str]:
        start = str(start)
        if self.engine == "cpython":
            return [sys.executable, start, str(ROOT)]
        micropython = find_micropython()
        if micropython is None:
            raise BoardError("There is no micropython: set MICROPYTHON, or use ENGINE=cpython.")
        code = self.code or build(ROOT / "build" / "device")
        if self.rom is None:
            return [micropython, "-X", f"heapsize={self.heap_kb}K", start, str(code)]
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        for name in SOURCE_FILES:
            shutil.copy(code / name, files / name)
        heap_bytes = self.heap_kb * 1024 + heap_of_rom(self.rom.stat().st_size)
        return [micropython, "-X", f"heapsize={heap_bytes}", start, str(files), str(self.rom)]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"MICROPYPATH": ".frozen", "PYTHONDONTWRITEBYTECODE": "1"}

    def kill(self) -> None:
        """Pull the power: kill -9."""
        self._power.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Power off for good, and close our end."""
        self.kill()
        self.control.close()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def command(self, do: str, timeout_s: float = 10.0, **values) -> dict:
        """Send a command and return its answer. Raises BoardError if there is none in time."""
        try:
            return self.control.command(do, timeout_s, **values)
        except TimeoutError:
            raise BoardError(
                f"The board did not answer {do!r} within {timeout_s:g} s; "
                f"its last words are in {self.folder / 'serial.log'}."
            ) from None

    def status(self) -> dict:
        return self.command("status")

    def serial(self) -> str:
        path = self.folder / "serial.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _watch(self) -> None:
        """Be the board's watchdog and its reset line."""
        while True:
            self._power.wait()
            time.sleep(0.05)
            process = self._process
            code = process.poll()
            if code is None:
                if self._is_starved():
                    process.kill()
                    process.wait()
                    self._restart("watchdog")
            elif self._power.is_set() and process is self._process:
                self._restart("reset" if code == RESET_EXIT_CODE else f"exit code {code}")

    def _is_starved(self) -> bool:
        """True if the watchdog runs and was not fed in time: by the supervisor over the control
        channel, before it and in the rescue program by registers (rescue/sim_chip.py).
        """
        if self.control.has_watchdog():
            return self.control.is_starved()
        return is_starved(self.folder / "registers")

    def _restart(self, cause: str) -> None:
        if not self._power.is_set():
            return
        self.resets.append(cause)
        if len(self.resets) > MAX_RESETS:
            self._power.clear()
            return
        time.sleep(0.2)
        if self._power.is_set():
            self.start(cause if cause in ("watchdog", "reset") else "unknown")
