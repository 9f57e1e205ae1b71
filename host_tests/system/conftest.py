"""A whole bench for a test: the simulated cloud and a virtual recorder, both real."""

import contextlib
import functools
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from host_tests.conftest import ROOT
from tools.cloud import Cloud
from tools.sim import proof
from tools.sim.audio import SAMPLE, read_samples
from tools.sim.board import SSID, VirtualBoard

RATE_HZ = 16000


class Bench:
    """cloud, board and the samples that the board will hear."""

    def __init__(self, folder: pathlib.Path, cloud: Cloud, engine: str, samples: np.ndarray):
        self.cloud = cloud
        self.samples = samples
        self.engine = engine
        (folder / "heard.pcm").write_bytes(samples.tobytes())
        self.heard = folder / "heard.pcm"
        self.device_id, self.token = cloud.register_recorder("REC-" + folder.name[-20:])
        self.board = VirtualBoard(folder / "board", engine)

    def equip(
        self,
        *,
        speed: int = 0,
        recording: dict | None = None,
        driver_ms: int = 500,
        modem: dict | None = None,
        hosts: dict[str, str] | None = None,
        cellular_hosts: dict[str, str] | None = None,
        battery_pct: int | None = None,
        spare_kb: int = 0,
        **config,
    ):
        """recording: settings of that section beside the bench's own; modem: see
        device/hal/sim/modem.py; hosts, cellular_hosts: what names mean over Wi-Fi and
        4G, if not the cloud's; config: whole sections of config.json that replace the bench's.
        """
        cloud = self.cloud
        # FLAC's plain twin takes half of a test's time: with CPython it is proved by the
        # simulator's own test and by host_tests/codec.
        codec = "flac" if self.engine == "micropython" else "wav"
        own = {"mode": "button", "clip_length_s": 30, "codec": codec}
        settings = {
            "recording": own | (recording or {}),
            "wifi": {"networks": [SSID]},
            "cloud": {"api_url": cloud.api_origin, "heartbeat_s": 0},
            "upload": {"retry_first_s": 1, "retry_cap_s": 2},
            "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}", "wait_s": 5},
        }
        self.board.equip(
            audio=self.heard,
            rate_hz=RATE_HZ,
            speed=speed,
            driver_ms=driver_ms,
            modem=modem,
            hosts=hosts or cloud.hosts,
            cellular_hosts=cellular_hosts or cloud.hosts,
            battery_pct=battery_pct,
            spare_kb=spare_kb,
            root_der=cloud.ca_der,
            config=settings | config,
            token=self.token,
            flash_kb=max(8192, len(self.samples) // 256),
        )

    def record_all(self, limit_s: float = 120.0) -> None:
        """Press, hear everything, press; returns when the take is closed."""
        self.board.command("press")
        self.board.control.wait_event("microphone_end", limit_s)
        self.board.command("press")
        self.wait_status(lambda status: status["recorder"]["code"] == "idle", limit_s)

    def wait_status(self, condition, limit_s: float = 60.0) -> dict:
        """Poll the status document until condition(status); fails with the last one."""
        deadline = time.monotonic() + limit_s
        while True:
            status = self.board.status()
            if condition(status):
                return status
            if time.monotonic() > deadline:
                pytest.fail(f"{json.dumps(status)}\n{self.board.serial()[-2000:]}")
            time.sleep(0.1)

    def wait_delivered(self, limit_s: float = 60.0, recorder: str = "idle") -> dict:
        """Until nothing waits, and the recorder shows that code."""
        return self.wait_status(
            lambda status: (
                status["recorder"]["code"] == recorder
                and status["queue"]["code"] == "nothing_to_send"
                and status["queue"]["waiting"] == 0
            ),
            limit_s,
        )

    def truth(self) -> np.ndarray:
        return np.frombuffer((self.board.folder / "truth.pcm").read_bytes(), "<i2")

    def heard_samples(self) -> int:
        """How many samples the microphone has handed over so far."""
        path = self.board.folder / "truth.pcm"
        return path.stat().st_size // 2 if path.exists() else 0

    def prove(self, may_miss: int = 0) -> tuple[list, int]:
        """(proofs, missing samples); fails if a single clip is not as it was heard."""
        proofs = proof.collect(self.cloud, self.board.serial())
        missing = proof.compare_with_truth(proofs, self.truth(), may_miss)
        faults = [(p.number, p.faults) for p in proofs if p.faults]
        assert not faults, (faults, self.board.serial()[-3000:])
        return proofs, missing

    def device_requests(self) -> list:
        return [r for r in self.cloud.log.requests if r.origin != "operator"]


def speech(seconds: float) -> np.ndarray:
    """So much of the sample speech, over and over."""
    sample = read_samples(SAMPLE, RATE_HZ)
    count = int(seconds * RATE_HZ)
    return np.resize(sample, count)


@pytest.fixture
def simulate(tmp_path):
    """Run the simulator in a folder of this test, beside whatever else runs in this checkout."""
    return functools.partial(_simulate, "--folder", str(tmp_path / "simulate"))


def _simulate(*arguments: str, cwd=ROOT, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tools.simulate", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110, **options)


@pytest.fixture
def bench(tmp_path):
    """bench(engine, seconds, **Cloud.start options) -> Bench; everything stops with the test."""
    with contextlib.ExitStack() as stack:

        def make(engine: str, seconds: float = 24.0, **options) -> Bench:
            cloud = stack.enter_context(Cloud.start(tmp_path / "cloud", **options))
            made = Bench(tmp_path, cloud, engine, speech(seconds))
            stack.callback(made.board.stop)
            return made

        yield make
