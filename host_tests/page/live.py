"""A running simulation with its page, for tests and for the pictures of the documents."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx

from host_tests import ctrl_c
from host_tests.conftest import ROOT
from tools.page.job import AT_REST

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
NO_BROWSER = (
    "no Chromium is installed: `apt-get install chromium-headless-shell`, or name one in CHROMIUM"
)
_ADDRESS = re.compile(r"^page +(http://\S+)$", re.MULTILINE)
_KEY = re.compile(r'name="bench-key" content="([^"]+)"')


def find_browser() -> str | None:
    """$CHROMIUM, or one that is installed."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


class Live:
    """`make simulate` as a process, its page's event stream, and hands for its knobs."""

    def __init__(self, folder: pathlib.Path, *arguments: str):
        self.folder = folder
        self._log = folder.with_suffix(".log")
        command = [sys.executable, "-m", "tools.simulate", "--folder", str(folder), *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ctrl_c.is_heard,
        )
        found = self._wait_output(_ADDRESS)
        self.address = found[1]
        self.client = httpx.Client(base_url=self.address, trust_env=False, timeout=30)
        self.key = _KEY.search(self.client.get("/").text)[1]
        self.scene: dict = {}
        self.scenes = 0
        self.has_ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def _wait_output(self, pattern: re.Pattern, limit_s: float = 120.0) -> re.Match:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            found = pattern.search(self.output())
            if found:
                return found
            assert self.process.poll() is None, self.output()
            time.sleep(0.05)
        raise AssertionError(self.output())

    def _follow(self) -> None:
        try:
            with self.client.stream("GET", "/events", timeout=60) as stream:
                for line in stream.iter_lines():
                    if line == "event: end":
                        break
                    if line.startswith('data: {"'):
                        with self._changed:
                            self.scene = json.loads(line[6:])
                            self.scenes += 1
                            self._changed.notify_all()
        except httpx.HTTPError:
            pass
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def wait(self, condition, limit_s: float = 90.0):
        """condition(scene) once it is true; fails with the last picture."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self.scene and condition(self.scene) or self.has_ended, limit_s
            )
            told = {key: self.scene.get(key) for key in ("run", "says", "log", "clips")}
            assert found and not (self.has_ended and not condition(self.scene)), (
                json.dumps(told)[-3000:] + self.output()[-2000:]
            )
            return found

    def post(self, path: str, **options) -> httpx.Response:
        return self.client.post(path, headers={"X-Bench-Key": self.key}, **options)

    def turn(self, name: str, on: bool = True) -> None:
        answer = self.post(f"/knobs/{name}", json={"on": on})
        assert answer.status_code == 200, answer.text

    def knob(self, name: str) -> dict:
        return next(knob for knob in self.scene["knobs"] if knob["name"] == name)

    def said(self, name: str) -> set[str]:
        return {one["code"] for one in self.knob(name)["said"]}

    def wait_open(self) -> None:
        self.wait(lambda scene: scene["run"]["phase"] == "open", 180)

    def wait_idle(self, limit_s: float = 120.0) -> None:
        """Until nothing is recorded and nothing waits."""
        self.wait(is_idle, limit_s)

    def take(self, seconds: float = 1.3) -> None:
        """Press, let it hear so much, press; until the take is closed."""
        self.wait(lambda scene: scene["status"] and scene["status"]["recorder"]["code"] in AT_REST)
        before = self.scene["heard_s"]
        self.turn("press")
        self.wait(lambda scene: scene["heard_s"] - before >= seconds)
        self.turn("press")
        self.wait(lambda scene: scene["status"] and scene["status"]["recorder"]["code"] == "idle")

    def finish(self, limit_s: float = 200.0) -> int:
        """Ctrl-C, the proof, the exit code."""
        os.kill(self.process.pid, signal.SIGINT)
        return self.process.wait(limit_s)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # delivers what waits
            time.sleep(0.5)
            self.process.terminate()  # stops at once
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.client.close()


def is_idle(scene: dict) -> bool:
    status = scene["status"]
    return bool(
        status
        and status["recorder"]["code"] == "idle"
        and status["queue"]["code"] == "nothing_to_send"
        and status["queue"]["waiting"] == 0
    )
