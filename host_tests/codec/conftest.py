"""The codec on MicroPython's unix port: compiled once a session, run as a subprocess."""

import os
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.codec import compile_codec

_BIN = Path(sys.executable).parent
_DRIVER = Path(__file__).with_name("port_driver.py")


class Port:
    """Runs port_driver.py in a folder that holds the compiled codec."""

    def __init__(self, folder, viper=True):
        self.folder = folder
        compile_codec(folder, viper)
        self._runs = 0

    def run(self, *args, prefix=(), heap="8M"):
        """Run the driver with args; return (stdout, stderr)."""
        command = [*prefix, _BIN / "micropython", "-X", "heapsize=" + heap, _DRIVER, *args]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=dict(os.environ, PYTHONHASHSEED="0", MICROPYPATH=f"{self.folder}:.frozen"),
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return done.stdout, done.stderr

    def files(self):
        self._runs += 1
        return self.folder / f"in{self._runs}.bin", self.folder / f"out{self._runs}.bin"

    def encode(self, cases):
        """Encode [(rate_hz, snr_db, step_bytes, pcm)]; return the streams with true headers."""
        given, made = self.files()
        with open(given, "wb") as f:
            for rate_hz, snr_db, step, pcm in cases:
                f.write(struct.pack("<IIII", rate_hz, snr_db, step, len(pcm)) + pcm)
        self.run("encode", given, made)
        data = made.read_bytes()
        streams = []
        while data:
            n = int.from_bytes(data[:4], "little")
            streams.append(data[4 : 4 + n])
            data = data[4 + n :]
        return streams


def _need_port():
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("viper code is compiled for x86-64 here")
    if not (_BIN / "micropython").exists():
        pytest.skip("micropython is not installed beside this Python")


@pytest.fixture(scope="session")
def port(tmp_path_factory):
    _need_port()
    return Port(tmp_path_factory.mktemp("viper"))


@pytest.fixture(scope="session")
def plain_port(tmp_path_factory):
    """The port without the viper modules: the plain twin runs."""
    _need_port()
    return Port(tmp_path_factory.mktemp("plain"), viper=False)


@pytest.fixture(scope="session")
def program():
    """Return a function that finds a program or skips the test and says which."""

    def find(name):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed (apt-get install ffmpeg flac valgrind)")
        return name

    return find
