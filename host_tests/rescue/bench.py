"""A board that breaks, run process by process on the unix port, and what the cloud got of it.

The folder of a board is copied from one that the device's own store has written, so a case costs a
second. The bench is the board's power and its watchdog: it starts the program again whenever it
ends, and kills what does not feed the watchdog for STARVED_S, whatever limit it had asked for.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time

from host_tests.conftest import ROOT
from rescue import boot_record
from tools.cloud import Cloud
from tools.image import romfs_image
from tools.sim.board import (
    HEAP_KB,
    RESET_EXIT_CODE,
    SSID,
    WIFI_PASSWORD,
    find_micropython,
    heap_of_rom,
)
from tools.sim.build import HOST_ARCH, build, compile_module
from tools.sim.proof import flash_leftovers, list_recordings

START = ROOT / "tools" / "sim" / "start.py"
STARVED_S = 4.0  # the supervisor feeds every 2 s
STORE_ID = "0a0b0c0d"
# Three clips of a take, two seconds each: enough to tell one from the other.
_MAKE = """
import sys
sys.path.insert(0, %r)
from device.hal.sim.board import build
from device.store.store import ClipStore
from device.codec.wav import WavCodec
board = build()
board.secrets.set("store_id", %r)
board.secrets.raise_counter("epoch", 1)
board.secrets.raise_counter("boot", 1)
store = ClipStore(board.storage, board.secrets)
store.prepare()
codec = WavCodec(8000)
header = memoryview(bytearray(44))
codec.write_header(header)
for index in range(%d):
    facts = dict(codec="wav", hz=8000, take=min(index, 1), index=index, first=16000 * index,
                 boot=1, up=9 + 2000 * index, epoch=1, start=1772366400000 + 2000 * index)
    clip, writer = store.open(facts)
    writer.write_header(header)
    for second in range(2):
        writer.write(memoryview(bytes([clip.number, second]) * 8000), 8000)
    store.close(clip, writer, samples=16000, last=int(index == %d - 1))
"""
CLIPS = 3


def clip_bytes(number: int) -> bytes:
    """What storage must hold for a clip of _MAKE."""
    from device.codec.wav import WavCodec

    header = memoryview(bytearray(44))
    WavCodec(8000).upload_header(16000, [], header)
    return bytes(header) + b"".join(bytes([number, second]) * 8000 for second in range(2))


def break_module(code: pathlib.Path, name: str, fault: str) -> None:
    """Replace "device/….mpy" in code by one that is broken in that way."""
    target = code / name
    data = target.read_bytes()
    target.unlink()  # it may be a link to the sound one
    if fault == "torn":
        target.write_bytes(data[: len(data) // 2])
        return
    text = {
        "raises": "raise RuntimeError('broken on purpose')\n",
        "heap": "kept = []\nwhile True:\n    kept.append(bytearray(1000))\n",
        # No feed any more, as in a loop without end, but the bench keeps its CPU.
        "hangs": "import time\ntime.sleep(3600)\n",
    }[fault]
    source = code / "broken.py"
    source.write_text(text)
    compile_module(source, target, name, HOST_ARCH)
    source.unlink()


@dataclasses.dataclass
class Factory:
    """Makes boards with three waiting clips. cloud: running; folder: for all of them."""

    cloud: Cloud
    folder: pathlib.Path
    code: pathlib.Path
    count: int = 0

    @classmethod
    def open(cls, cloud: Cloud, folder: pathlib.Path) -> "Factory":
        factory = cls(cloud, folder, build(ROOT / "build" / "device"))
        first = folder / "first"
        (first / "registers").mkdir(parents=True)
        (folder / "heard.pcm").write_bytes(bytes(3200))
        (first / "root.der").write_bytes(cloud.ca_der)
        factory._equip(first, "first", "power_on")
        script = _MAKE % (str(factory.code), STORE_ID, CLIPS, CLIPS)
        run = [find_micropython(), "-X", "heapsize=1M", "-c", script]
        done = subprocess.run(run, cwd=first, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return factory

    def _equip(self, folder: pathlib.Path, device_id: str, cause: str, **more) -> None:
        spec = {
            "device_id": device_id,
            "flash_kb": 512,
            "rate_hz": 16000,
            "audio": str(self.folder / "heard.pcm"),
            "speed": 1,
            "wifi": {SSID: WIFI_PASSWORD},
            "hosts": self.cloud.hosts,
            "control": None,
            "rtc": "host",
            "cause": cause,
        }
        (folder / "board.json").write_text(json.dumps(spec | more))

    def board(self, *broken: tuple[str, str], starts: int = 0, **more) -> "BrokenBoard":
        """A board whose program is broken: (module, fault), …. starts: in its boot record."""
        self.count += 1
        name = f"board-{self.count}"
        folder = self.folder / name
        shutil.copytree(self.folder / "first", folder)
        code = self.folder / f"code-{self.count}"
        shutil.copytree(self.code, code, copy_function=os.link)
        for module, fault in broken:
            break_module(code, module, fault)
        _, token = self.cloud.register_recorder(name)
        secrets = json.loads((folder / "secrets.json").read_text())
        secrets["values"] |= {"wifi:" + SSID: WIFI_PASSWORD, "token": token}
        (folder / "secrets.json").write_text(json.dumps(secrets))
        config = {
            "recording": {"mode": "button", "codec": "wav"},
            "wifi": {"networks": [SSID]},
            "cloud": {"api_url": self.cloud.api_origin, "heartbeat_s": 0},
            "upload": {"retry_first_s": 1, "retry_cap_s": 2},
            "clock": {"ntp_server": f"ntp.bota.test:{self.cloud.ntp_address[1]}", "wait_s": 5},
        }
        (folder / "config.json").write_text(json.dumps(config))
        if starts:
            boot_record.write(boot_record.NONE, boot_record.NONE, starts, f"{folder}/")
        return BrokenBoard(self, folder, code, more)


class BrokenBoard:
    """Its life is run(); `causes` are those of the starts so far."""

    def __init__(self, factory: Factory, folder: pathlib.Path, code: pathlib.Path, more: dict):
        self.factory = factory
        self.folder = folder
        self.code = code
        self.more = more
        self.heap_kb = HEAP_KB
        self.rom: pathlib.Path | None = None
        self.causes: list[str] = []

    def patch(self, module: str, old: str, new: str) -> None:
        """Change a line of the program that it carries. module: path in the project."""
        text = (ROOT / module).read_text()
        assert text.count(old) == 1, f"{old!r} is not once in {module}"
        source = self.code / "patched.py"
        source.write_text(text.replace(old, new))
        target = (self.code / module).with_suffix(".mpy")
        target.unlink()  # a link to the sound one
        compile_module(source, target, module, HOST_ARCH)
        source.unlink()

    def lay_out(self, release: str, *others: str) -> None:
        """Put the program into release folders of the board's own, as a real board has it."""
        for name in (release, *others):
            shutil.copytree(self.code / "device", self.folder / name / "device")
        shutil.rmtree(self.code / "device")

    def move_to_rom(self) -> None:
        """What it carries beside its files lies in a ROM file system from now on."""
        files = {
            path.relative_to(self.code).as_posix(): path.read_bytes()
            for path in self.code.rglob("*.mpy")
        }
        self.rom = self.code.with_suffix(".romfs")
        self.rom.write_bytes(romfs_image.write(files))
        shutil.rmtree(self.code / "device")
        shutil.rmtree(self.code / "rescue")

    def run(self, until, limit_s: float = 60.0, cause: str = "power_on", starts: int = 12) -> str:
        """Start it again and again until until(serial log) holds; returns the log. Power off."""
        deadline = time.monotonic() + limit_s
        for _ in range(starts):
            self.causes.append(cause)
            cause = self._live(cause, until, deadline)
            if cause == "":
                return self.serial()
        raise AssertionError(f"{starts} starts did not do: {self.causes}\n{self.serial()[-3000:]}")

    def _live(self, cause: str, until, deadline: float) -> str:
        """One start: the cause of the next one, "" if until() holds."""
        self.factory._equip(self.folder, self.folder.name, cause, **self.more)
        for register in (self.folder / "registers").iterdir():
            register.unlink()
        heap_bytes = self.heap_kb * 1024
        command = [find_micropython(), "-X", "", START, self.code]
        if self.rom is not None:
            heap_bytes += heap_of_rom(self.rom.stat().st_size)
            command.append(self.rom)
        command[2] = f"heapsize={heap_bytes}"
        with (self.folder / "serial.log").open("ab") as log:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"MICROPYPATH": ".:.frozen", "RECORDER_HARDWARE": str(self.folder)},
                umask=0o077,
            )
        began = time.time()
        try:
            while True:
                code = process.poll()
                if until(self.serial()):
                    return ""
                if code is not None:
                    return "reset" if code == RESET_EXIT_CODE else "unknown"
                assert time.monotonic() < deadline, self.causes + [self.serial()[-3000:]]
                if time.time() - max(self._fed(), began) > STARVED_S:
                    return "watchdog"
                time.sleep(0.03)
        finally:
            process.kill()
            process.wait()

    def _fed(self) -> float:
        """When the watchdog was fed last, by the host's clock."""
        times = [0.0]
        for name in ("watchdog", "fed"):
            try:
                times.append((self.folder / "registers" / name).stat().st_mtime)
            except OSError:
                continue
        return max(times)

    def deliver(self, **options) -> str:
        """run() until every clip is called delivered."""
        return self.run(lambda log: log.count("clip delivered clip=") >= CLIPS, **options)

    def serial(self) -> str:
        path = self.folder / "serial.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def record(self) -> tuple:
        return boot_record.read(f"{self.folder}/")[1:]

    def faults(self) -> list[str]:
        """What the cloud lacks, has twice or has wrong; what the flash still holds."""
        found = []
        ours = {}
        with self.factory.cloud.operator() as operator:
            for recording in list_recordings(operator):
                if recording["metadata"]["device_recording_uuid"].startswith(self.folder.name):
                    ours.setdefault(recording["metadata"]["clip"], []).append(recording)
        for number in range(1, CLIPS + 1):
            recordings = ours.pop(number, [])
            if len(recordings) != 1:
                found.append(f"clip {number}: {len(recordings)} recordings")
                continue
            data = self.factory.cloud.object_bytes(recordings[0]["id"])
            sha256 = hashlib.sha256(data).hexdigest()
            if data != clip_bytes(number) or recordings[0].get("content_sha256") != sha256:
                found.append(f"clip {number}: not what was recorded")
        found += [f"unknown clip {number}" for number in ours]
        return found + flash_leftovers(self.folder)
