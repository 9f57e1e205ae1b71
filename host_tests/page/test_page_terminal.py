"""UI=terminal: the picture on a pseudo terminal, knobs by letters."""

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

from host_tests import ctrl_c
from host_tests.conftest import ROOT
from tools.page.terminal import letters

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _control_terminal() -> None:
    ctrl_c.is_heard()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """A process on a pseudo terminal; what it wrote, without escapes."""

    def __init__(self, *arguments: str):
        self._port, slave = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40", "CI": "true"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.simulate", *arguments],
            cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True, preexec_fn=_control_terminal,  # so that Ctrl-C is one
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def wait(self, wanted: str, limit_s: float = 150.0) -> None:
        """Until something like it (a regular expression) is written from now on."""
        start = len(self.text)
        deadline = time.monotonic() + limit_s
        while not re.search(wanted, self.text[start:]):
            assert time.monotonic() < deadline, (wanted, self.text[-3000:])
            if select.select([self._port], [], [], 0.2)[0]:
                try:
                    data = os.read(self._port, 65536).decode(errors="replace")
                except OSError:  # its end
                    assert re.search(wanted, self.text[start:]), (wanted, self.text[-3000:])
                    return
                self.text += _ESCAPES.sub("", data)

    def type(self, text: str) -> None:
        os.write(self._port, text.encode())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._port)


def test_the_terminal_goes_on_and_its_keys_turn_knobs(tmp_path):
    folder = tmp_path / "simulate"
    screen = Screen("--keep", "--ui", "terminal", "--speed", "30", "--folder", str(folder))
    try:
        screen.wait("Recording")
        screen.wait("PROVED")
        keys = {name: key for key, name in letters().items()}
        screen.wait("No network")
        screen.type(keys["wifi"])
        screen.type(keys["press"])
        screen.wait(r"\n +4 +[2-9]\.\d ")  # clip 4 lasts two seconds by now
        screen.type(keys["press"])
        screen.wait("Wi-Fi is out of reach")
        screen.type("\x03")
        screen.wait("PROVED 4 clips")
        assert screen.process.wait(60) == 0
    finally:
        screen.end()
    events = json.loads((folder / "knobs.json").read_text())["events"]
    assert ("wifi", True) in [(event["knob"], event["on"]) for event in events]
