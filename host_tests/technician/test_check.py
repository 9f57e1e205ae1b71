"""The self-test over the cable, and the guard around `requests`: what it lets through."""

import contextlib
import json
import os
import pathlib

import numpy as np
import pytest
from field_bench import Person, clips_on, recordings

from tools.recorder import verdicts
from tools.recorder.commands import check
from tools.recorder.port import Board
from tools.sim.board import SSID, WIFI_PASSWORD
from tools.sim.serial import SerialBoard

# Runs the guarded client on the board; OUT is what came of each request.
_FETCH = """
import json
from device.hal.sim.board import build
from device.errors import DeviceError
from device.field.probe import fetch
board = build()
board.wifi.connect(%r, %r)
import time
while board.wifi.status() == "joining":
    time.sleep_ms(10)
try:
    status, body = fetch(board.net, *%r)
    out = [status, len(body)]
except DeviceError as e:
    out = [e.code, type(e).__name__]
print("@field " + json.dumps({"answer": out}))
"""
_SECRETS = """
from device.hal.sim.board import build
secrets = build().secrets
for key, value in %r.items():
    secrets.set(key, value)
print('@field {"answer": 1}')
"""


def other_requests():
    """Another generation of `requests` than the frozen one: $RECORDER_REQUESTS, its folder."""
    folder = os.environ.get("RECORDER_REQUESTS")
    found = pathlib.Path(folder).glob("*.py") if folder else ()
    return {"requests/" + path.name: path.read_bytes() for path in found}


def equip(serial, cloud, *, root_der=None, samples=bytes(64000), hosts=None, modem=None):
    """Give an unplugged board a way to the cloud; returns its files."""
    serial.equip(
        hosts=cloud.hosts if hosts is None else hosts,
        root_der=root_der or cloud.ca_der,
        wifi={SSID: WIFI_PASSWORD},
        samples=samples,
        modem=modem,
    )
    config = {
        "cellular": {"apn": "internet" if modem else ""},
        "wifi": {"networks": [SSID]},
        "cloud": {"api_url": cloud.api_origin},
        "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}"},
    }
    return {"config.json": json.dumps(config).encode()} | other_requests()


def plug_in(serial, token=None):
    serial.plug_in()
    secrets = {"wifi:" + SSID: WIFI_PASSWORD} | ({"token": token} if token else {})
    Board(serial.device).run(_SECRETS % (secrets,), 60, "secrets")
    return serial


@pytest.fixture
def bench(tmp_path, application, cloud):
    """bench(serial number, token) -> virtual board that can reach the cloud."""
    with contextlib.ExitStack() as stack:

        def make(serial_number, token=None, **equipment):
            serial = SerialBoard(tmp_path / serial_number, serial_number)
            serial.image(application, equip(serial, cloud, **equipment))
            return plug_in(stack.enter_context(serial), token)

        yield make


@pytest.fixture(scope="module")
def prober(tmp_path_factory, application, running_cloud):
    """One board for all requests through the guard: it keeps nothing of them."""
    with SerialBoard(tmp_path_factory.mktemp("prober") / "b", "REC-P1") as serial:
        serial.image(application, equip(serial, running_cloud))
        yield plug_in(serial)


def fetch(serial, method, url, headers=None, body=b""):
    script = _FETCH % (SSID, WIFI_PASSWORD, (method, url, headers or {}, body))
    return Board(serial.device).run(script, 60, "fetch")


def test_the_guard_lets_a_verified_peer_through(prober, cloud):
    _, token = cloud.register_recorder("REC-P1")
    assert fetch(prober, "GET", cloud.api_origin + "/health")[0] == 200
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    url = cloud.api_origin + "/v1/devices/me/heartbeat"
    assert fetch(prober, "POST", url, headers, b'{"device_state":"idle"}')[0] == 200
    headers["Authorization"] = "Bearer dtok_wrong"
    assert fetch(prober, "POST", url, headers, b"{}")[0] == 401


@pytest.mark.parametrize(
    "case, code",
    [
        ("other_ca", "tls_untrusted"),
        ("wrong_host", "tls_wrong_name"),
        ("expired", "tls_dates"),
    ],
)
def test_the_guard_refuses_a_wrong_certificate_before_a_byte_leaves(prober, cloud, case, code):
    cloud.use_certificate("api", case)
    before = len(cloud.log.requests)
    headers = {"Authorization": "Bearer dtok_x"}
    assert fetch(prober, "GET", cloud.api_origin + "/health", headers) == [code, "NeedsOperator"]
    assert len(cloud.log.requests) == before


def test_without_the_guard_the_same_requests_would_have_gone(prober, cloud):
    """The test above can fail: bare `requests` takes the rogue certificate."""
    cloud.use_certificate("api", "other_ca")
    script = """
import json, requests
class S:
    socket = requests.socket.socket
    SOCK_STREAM = 1
    @staticmethod
    def getaddrinfo(host, port, *kind):
        import socket
        return socket.getaddrinfo("127.0.0.1", port, *kind)
requests.socket = S
print("@field " + json.dumps({"answer": requests.get(%r).status_code}))
"""
    url = cloud.api_origin + "/health"
    assert Board(prober.device).run(script % url, 60, "bare") == 200


def test_plain_http_is_refused(prober, cloud):
    url = cloud.api_origin.replace("https", "http") + "/health"
    assert fetch(prober, "GET", url) == ["config_refused", "NeedsOperator"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("where", ["same", "other"])
def test_no_redirect_is_followed(prober, cloud, status, where):
    url = cloud.api_origin + "/v1/devices/me/heartbeat"
    target = url if where == "same" else cloud.storage_origin + "/x"
    fault = cloud.faults.add(
        "heartbeat", "status", status=status, headers={"Location": target}, times=None
    )
    headers = {"Authorization": "Bearer dtok_x"}
    assert fetch(prober, "POST", url, headers, b"{}") == ["portal", "Transient"]
    assert fault.hits == 1


def test_what_is_read_is_bounded_and_a_cut_is_noticed(prober, cloud):
    url = cloud.api_origin + "/v1/devices/me/heartbeat"
    cloud.faults.add("heartbeat", "status", status=500, body=b"x" * 300_000)
    assert fetch(prober, "POST", url, {}, b"{}") == ["bad_answer", "Transient"]
    _, token = cloud.register_recorder("REC-U1")
    cloud.faults.add("heartbeat", "short_body")
    headers = {"Authorization": "Bearer " + token}
    assert fetch(prober, "POST", url, headers, b"{}") in (
        ["connection_lost", "Transient"],
        ["bad_answer", "Transient"],
    )


def checked(person, serial, *words):
    code, said = person.run("check", "--board", serial.device, *words)
    return code, {test["test"]: test for test in said["tests"]}, said


@pytest.mark.parametrize(
    "modem, code, facts",
    [
        ({"family": "simcom", "csq": 20, "network": "home"}, "", (-73, "home network")),
        ({"family": "quectel", "csq": 20, "no_sim": True}, "sim_absent", None),
        ({"family": "quectel", "pin": "1234"}, "sim_pin_needed", None),
    ],
)
def test_the_modem_is_dialled_and_its_signal_told(
    bench, cloud, capsys, monkeypatch, modem, code, facts
):
    name = "REC-M-" + (code or "good")
    _, token = cloud.register_recorder(name)
    serial = bench(name, token, modem=modem)
    _, tests, said = checked(Person(capsys, monkeypatch), serial)
    found = tests["modem"]
    assert found["code"] == code and found["ok"] is (not code)
    if facts:
        assert (found["rssi_dbm"], found["said"]) == facts
    else:
        assert verdicts.NEXT[code] in verdicts.line(found)
    assert tests["heartbeat"]["ok"], "and Wi-Fi is tried all the same"


def test_a_good_board_is_good(bench, cloud, capsys, monkeypatch):
    _, token = cloud.register_recorder("REC-V1")
    tone = np.sin(2 * np.pi * 1000 * np.arange(64000) / 16000) * 6000
    serial = bench("REC-V1", token, samples=tone.astype("<i2").tobytes())
    code, tests, said = checked(Person(capsys, monkeypatch), serial, "--tone", "1000")
    assert code == 0, said
    assert set(tests) == {
        "microphone", "storage", "battery", "roots", "modem", "wifi", "dns", "clock", "tls",
        "heartbeat", "second_opinion", "indicator", "button"
    }  # fmt: skip
    asks = {name for name, test in tests.items() if test["ok"] is None}
    assert asks == {"modem", "indicator", "button"}, "what was not tested is said"
    # A sine of amplitude 6000: 20 log(6000 / sqrt(2) / 32768) = -17.8 dB of full scale.
    assert abs(tests["microphone"]["level_dbfs"] + 17.8) < 0.3
    assert tests["microphone"]["tone_share_pct"] > 95
    assert "Both ways to the cloud work" in said["opinion"]
    assert token not in json.dumps(said) + (serial.folder / "serial.log").read_text("latin-1")


def test_a_trial_clip_goes_the_whole_way_and_leaves_nothing(bench, cloud, capsys, monkeypatch):
    _, token = cloud.register_recorder("REC-Y1")
    serial = bench("REC-Y1", token)
    words = ("--trial-clip", "--no-ask")
    _, tests, said = checked(Person(capsys, monkeypatch), serial, *words)
    trial = tests["trial_clip"]
    assert trial["ok"], trial
    (row,) = recordings(cloud)
    assert (row["id"], row["status"]) == (trial["recording"], "uploaded")
    samples = np.frombuffer(cloud.object_bytes(row["id"])[44:], "<i2")
    assert len(samples) == 32000
    loudest = np.argmax(np.abs(np.fft.rfft(samples[:16000]))) * 1.0
    assert abs(loudest - 1000) < 20, "the tone"
    assert clips_on(serial) == {}


def test_a_trial_clip_that_fails_says_how_far_it_came_and_is_not_lost(
    bench, cloud, capsys, monkeypatch
):
    _, token = cloud.register_recorder("REC-Z1")
    serial = bench("REC-Z1", token)
    cloud.use_certificate("storage", "other_ca")
    code, tests, _ = checked(Person(capsys, monkeypatch), serial, "--trial-clip")
    trial = tests["trial_clip"]
    assert code == 1 and tests["tls"]["ok"] and trial["code"] == "tls_untrusted"
    assert "is created" in trial["detail"]
    assert [clip["state"] for clip in clips_on(serial).values()] == ["created"]


def test_the_step_that_fails_is_the_first_that_is_bad(bench, cloud, capsys, monkeypatch):
    _, token = cloud.register_recorder("REC-A2")
    person = Person(capsys, monkeypatch)
    serial = bench("REC-A2", token, hosts={})
    _, tests, said = checked(person, serial)
    bad = [test["test"] for test in said["tests"] if test["ok"] is False]
    assert tests["dns"]["code"] == "dns_failed" and "tls" not in tests
    assert bad[0] == "microphone" and "dns" in bad and tests["wifi"]["ok"]


def test_light_and_button_need_somebody(bench, cloud, capsys, monkeypatch):
    monkeypatch.setattr(check, "_PRESS_S", 1)
    serial = bench("REC-B2")
    code, tests, _ = checked(Person(capsys, monkeypatch), serial, "--no-network", "--yes")
    assert tests["indicator"]["ok"] is True
    assert tests["button"] == {"test": "button", "ok": False, "code": "not_pressed"}
    assert "wifi" not in tests and code == 1


def test_silence_and_a_refused_token_are_told_apart(bench, cloud, capsys, monkeypatch):
    serial = bench("REC-W1", "dtok_dead")
    code, tests, said = checked(Person(capsys, monkeypatch), serial)
    assert code == 1 and tests["microphone"]["code"] == "stuck"
    assert tests["heartbeat"]["code"] == tests["second_opinion"]["code"] == "auth_refused"
    assert "network, the clock or the token" in said["opinion"]
    assert "Renew it" in verdicts.line(tests["heartbeat"])


def test_a_rogue_authority_fails_both_ways(bench, cloud, capsys, monkeypatch):
    _, token = cloud.register_recorder("REC-X1")
    serial = bench("REC-X1", token)
    cloud.use_certificate("api", "other_ca")
    _, tests, said = checked(Person(capsys, monkeypatch), serial)
    assert tests["heartbeat"]["code"] == tests["second_opinion"]["code"] == "tls_untrusted"


def test_one_way_that_fails_is_our_software():
    good, bad = {"ok": True}, {"ok": False}
    assert "our software" in verdicts.opinion(
        [{"test": "heartbeat"} | bad, {"test": "second_opinion"} | good]
    )
