"""Starting and stopping: nothing is left running, nothing is lost, and refusals are sentences."""

import os
import pathlib
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import pytest

from host_tests import ctrl_c
from tools.cloud import Cloud, CloudError, swift
from tools.cloud.ca import Authority
from tools.cloud.storage import Endpoint

_ROOT = pathlib.Path(__file__).resolve().parents[2]

_VICTIM = """
import pathlib, sys, time
from tools.cloud import Cloud
cloud = Cloud.start(pathlib.Path(sys.argv[1]))
print("up", flush=True)
time.sleep(600)
"""


def swift_pids(folder):
    """Processes whose command line names `folder`."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"tools.cloud.swift_process" in words and str(folder).encode() in b"\0".join(words):
            found.append(int(entry.name))
    return found


def wait_until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def ports_of(cloud):
    origins = (cloud.api_origin, cloud.storage_origin, cloud._operator_origin)
    return [int(origin.rsplit(":", 1)[1]) for origin in origins]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks at /proc")
def test_everything_stops_also_after_an_exception(tmp_path):
    with pytest.raises(ZeroDivisionError), Cloud.start(tmp_path) as cloud:
        ports = ports_of(cloud)
        assert all(map(answers, ports))
        assert len(swift_pids(tmp_path)) == 1
        raise ZeroDivisionError
    assert not any(map(answers, ports))
    assert swift_pids(tmp_path) == []
    cloud.stop()  # once more does no harm


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_dying_parent_takes_the_object_store_along(tmp_path, how):
    command = [sys.executable, "-c", _VICTIM, str(tmp_path)]
    victim = subprocess.Popen(
        command,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=ctrl_c.is_heard,
    )
    try:
        assert victim.stdout.readline() == b"up\n"
        assert len(swift_pids(tmp_path)) == 1
        victim.send_signal(how)
        victim.wait(30)
        wait_until(lambda: swift_pids(tmp_path) == [])
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()


def test_a_restart_remembers(tmp_path):
    with Cloud.start(tmp_path) as first:
        device_id, token = first.register_recorder("S-restart")
        with first.client(token) as api, first.client() as storage:
            recording_id = api.post("/recordings", json={}).json()["id"]
            wish = {"content_type": "audio/flac"}
            url = api.post(f"/recordings/{recording_id}/upload-url", json=wish).json()[
                "upload_url"
            ]
            storage.put(url, content=b"kept", headers={"Content-Type": "audio/flac"})
    with Cloud.start(tmp_path) as second:
        assert second.ca_pem == first.ca_pem
        assert second.object_bytes(recording_id) == b"kept"
        with second.client(token) as api:
            done = api.post(f"/recordings/{recording_id}/upload-complete", json={}).json()
        assert (done["status"], done["device_id"]) == ("uploaded", device_id)


@pytest.mark.parametrize("which", ["api_port", "storage_port", "ntp_port"])
def test_a_taken_port_gets_a_sentence_and_nothing_runs(tmp_path, which):
    kind = socket.SOCK_DGRAM if which == "ntp_port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(CloudError, match=f"Port {port} .* in use.*another"):
            Cloud.start(tmp_path, **{which: port})
    assert swift_pids(tmp_path) == []


def test_a_platform_without_swift_is_told_of_the_option(tmp_path, monkeypatch):
    monkeypatch.setattr(swift.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CloudError, match="storage_endpoint"):
        Cloud.start(tmp_path)


def test_a_store_that_cannot_start_says_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(swift.swift_process, "__name__", "tools.cloud.no_such_module")
    with pytest.raises(CloudError, match="No module named"):
        Cloud.start(tmp_path)


def test_another_s3_server_can_be_named(cloud, tmp_path):
    theirs = cloud._endpoint
    with Cloud.start(tmp_path, storage_endpoint=theirs) as own:
        device_id, token = own.register_recorder("S-other-store")
        with own.client(token) as api, own.client() as storage:
            recording_id = api.post("/recordings", json={}).json()["id"]
            wish = {"content_type": "audio/flac"}
            url = api.post(f"/recordings/{recording_id}/upload-url", json=wish).json()[
                "upload_url"
            ]
            assert url.startswith(own.storage_origin)
            put = storage.put(url, content=b"x", headers={"Content-Type": "audio/flac"})
            assert put.status_code == 200
        assert own.object_bytes(recording_id) == b"x"
    assert swift_pids(tmp_path) == []


def test_an_s3_server_without_keys_or_bucket_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(CloudError, match="AWS_SECRET_ACCESS_KEY"):
        Cloud.start(tmp_path, storage_endpoint="http://127.0.0.1:9")


def test_an_s3_server_that_is_not_there_gets_a_sentence(tmp_path):
    with socket.socket() as silent:  # bound, so that nobody else gets the port, and not listening
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CloudError, match="does not answer"):
            Cloud.start(tmp_path, storage_endpoint=Endpoint(url, "key", "secret"))


def test_private_files_are_private(tmp_path):
    Authority(tmp_path)
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def ask_time(cloud):
    """One SNTP question: (mode, stratum, reference, seconds since 1970) or None if silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5 if not cloud.ntp.silent else 0.2)
        client.sendto(b"\x23" + bytes(39) + b"\1\2\3\4\5\6\7\x08", cloud.ntp_address)
        try:
            data = client.recv(100)
        except TimeoutError:
            return None
    assert data[24:32] == b"\1\2\3\4\5\6\7\x08"  # our transmit time as their originate time
    seconds, fraction = struct.unpack("!II", data[40:48])
    return data[0] & 7, data[1], data[12:16], seconds - 2_208_988_800 + fraction / 2**32


def test_the_clock_server_tells_the_time_or_not(cloud):
    mode, stratum, _reference, now = ask_time(cloud)
    assert (mode, stratum) == (4, 2)
    assert now == pytest.approx(time.time(), abs=30)
    cloud.ntp.offset_s = -3600.0
    assert ask_time(cloud)[3] == pytest.approx(time.time() - 3600, abs=30)
    cloud.ntp.kiss_of_death = True
    assert ask_time(cloud)[1:3] == (0, b"RATE")
    asked = cloud.ntp.asked
    cloud.ntp.silent = True
    assert ask_time(cloud) is None
    assert cloud.ntp.asked == asked + 1
