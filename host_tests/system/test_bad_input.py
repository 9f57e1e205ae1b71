"""Every bad input has its sentence, a non-zero exit, and nothing left running."""

import functools
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from host_tests import ctrl_c
from host_tests.conftest import ROOT
from tools import bootstrap


@pytest.fixture
def simulate(tmp_path):
    """Run the simulator in a folder of this test, beside whatever else runs in this checkout."""
    return functools.partial(_simulate, "--folder", str(tmp_path / "simulate"))


def _simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tools.simulate", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | environment,
    )


def sentence(result: subprocess.CompletedProcess) -> str:
    """The one sentence on stderr of a run that failed as it should."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("simulate: "), lines
    return lines[0]


def test_a_file_that_is_not_there(simulate):
    words = sentence(simulate("--audio", "nowhere/my.wav"))
    assert "no file nowhere/my.wav" in words and "AUDIO=" in words


def test_a_file_that_is_no_audio(tmp_path, simulate):
    path = tmp_path / "notes.wav"
    path.write_text("these are not samples")
    assert "cannot be read as audio" in sentence(simulate("--audio", str(path)))


def test_a_wav_that_is_not_pcm(tmp_path, simulate):
    path = tmp_path / "float.wav"
    soundfile.write(path, np.zeros(16000), 16000, subtype="FLOAT")
    assert "not PCM" in sentence(simulate("--audio", str(path)))


def test_a_wav_that_is_too_short(tmp_path, simulate):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(100), 16000, subtype="PCM_16")
    assert "shorter than one second" in sentence(simulate("--audio", str(path)))


def test_a_wav_of_another_rate_and_shape_is_resampled(tmp_path, simulate):
    path = tmp_path / "stereo.wav"
    tone = np.sin(np.arange(44100 * 3) / 20)[:, None] * np.array([[0.5, 0.1]])
    soundfile.write(path, tone, 44100, subtype="PCM_24")
    result = simulate("--audio", str(path), "--engine", "cpython")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PROVED 1 clips, 3.0 s" in result.stdout


@pytest.mark.parametrize("option", ["--api-port", "--storage-port"])
def test_a_port_that_is_taken(option, simulate):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = sentence(simulate(option, port))
    assert port in words


def test_no_unix_port_but_asked_for(simulate):
    words = sentence(simulate("--engine", "micropython", MICROPYTHON="/nowhere/micropython"))
    assert "/nowhere/micropython" in words


def test_without_a_unix_port_cpython_is_the_engine_and_it_says_so(monkeypatch, capsys):
    from rich.console import Console

    from tools import simulate as simulator

    monkeypatch.setattr(simulator, "find_micropython", lambda: None)
    assert simulator.choose_engine(None, Console()) == "cpython"
    assert "CPython runs the device code" in capsys.readouterr().out
    with pytest.raises(simulator.SimulationError, match="ENGINE=cpython"):
        simulator.choose_engine("micropython", Console())


def test_no_venv_module(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert bootstrap.main([]) == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_an_old_python(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 10, 1))
    assert bootstrap.main([]) == 1
    assert "Python 3.11 or newer" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_running(number, tmp_path):
    """Neither the board nor the object store outlives the simulator."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.simulate", "--speed", "1", "--folder", str(tmp_path / "it")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ctrl_c.is_heard,
    )
    deadline = time.monotonic() + 60
    while len(descendants(process.pid)) < 2:  # the board and the object store
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    children = descendants(process.pid)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "nothing is left running" in errors and "Traceback" not in errors
    assert [pid for pid in children if is_alive(pid)] == []


def test_two_runs_in_one_folder(simulate, tmp_path):
    from tools import simulate as simulator

    with simulator.only_one_at_a_time(tmp_path / "simulate"):
        assert "Another simulation runs" in sentence(simulate("--engine", "cpython"))


def test_a_folder_of_somebody_elses(simulate, tmp_path):
    (tmp_path / "simulate").mkdir()
    (tmp_path / "simulate" / "thesis.txt").write_text("years of work")
    assert "no simulation made" in sentence(simulate("--engine", "cpython"))
    assert (tmp_path / "simulate" / "thesis.txt").exists()


def descendants(pid: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found += [int(entry), *descendants(int(entry))]
    return found


def is_alive(pid: int) -> bool:
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
