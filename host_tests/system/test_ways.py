"""Two ways out, whole: a virtual recorder with a scripted modem beside or instead of Wi-Fi."""

import contextlib
import socket
import threading

import pytest

from tools.sim.board import APN, MODEM, SIM_PIN, SSID

FOUR_G = {"cellular": {"apn": APN}}
BOTH = FOUR_G | {"wifi": {"networks": [SSID]}}


def test_a_board_with_4g_alone(bench, engine):
    made = bench(engine, 40)
    made.equip(
        modem=MODEM,
        recording={"quality": "30dB"},
        **FOUR_G,
        wifi={"networks": []},
        cloud={"api_url": made.cloud.api_origin, "heartbeat_s": 2},
    )
    made.board.start()
    made.record_all()
    status = made.wait_delivered()
    assert (status["link"]["way"], status["link"]["proved"]) == ("4g", True)
    assert status["link"]["rssi_dbm"] == -75
    proofs, missing = made.prove()
    assert len(proofs) == 2 and missing == 0
    beat = made.cloud.log.wait_for(
        lambda log: next((r for r in log.requests if r.route == "heartbeat" and r.ended_s), None)
    )
    assert beat.body_json["connection_type"] == ["4g"] and beat.body_json["flags"] & 24 == 16
    said = made.board.serial()
    assert SIM_PIN not in said, "the PIN"


def test_wifi_goes_in_the_middle_of_a_put_and_4g_takes_over(bench, engine):
    made = bench(engine, 40)
    made.equip(modem=MODEM, recording={"quality": "lossless"}, **BOTH)
    stall = made.cloud.faults.add("put", "delay", delay_s=4.0)
    made.board.start()
    made.record_all()
    made.cloud.log.wait_for(lambda log: stall.hits)
    made.board.command("wifi", in_reach=False)
    status = made.wait_delivered()
    assert status["link"]["way"] == "4g" and status["link"]["proved"]
    proofs, missing = made.prove()
    assert len(proofs) == 2 and missing == 0
    creates = [r.idempotency_key for r in made.device_requests() if r.route == "create"]
    assert len(set(creates)) == 2, "the same recordings, whatever the way"


class Portal:
    """A captive portal: every name leads to it, and it answers TLS with a page."""

    ADDRESS = "127.0.0.2"

    def __init__(self, ports):
        self._listeners = [socket.create_server((self.ADDRESS, port)) for port in ports]
        for listener in self._listeners:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(OSError):
                    peer.recv(4096)
                    peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n")

    def close(self):
        for listener in self._listeners:
            listener.close()


@pytest.fixture
def portal():
    with contextlib.ExitStack() as stack:

        def open_at(*origins):
            made = Portal([int(origin.rsplit(":", 1)[1]) for origin in origins])
            stack.callback(made.close)
            return made

        yield open_at


def test_a_captive_portal_on_wifi_drives_it_to_4g(bench, portal):
    made = bench("micropython", 20)
    portal(made.cloud.api_origin, made.cloud.storage_origin)
    hosts = dict.fromkeys(made.cloud.hosts, Portal.ADDRESS)
    made.equip(modem=MODEM, hosts=hosts, recording={"quality": "30dB"}, **BOTH)
    made.board.start()
    made.record_all()
    status = made.wait_delivered(40)
    assert status["link"]["way"] == "4g"
    assert "probe way=wifi reason=portal" in made.board.serial()
    made.prove()


def test_a_silent_modem_is_said_and_recording_goes_on(bench):
    made = bench("micropython", 20)
    made.equip(modem=MODEM | {"network": "denied"}, **FOUR_G, wifi={"networks": []})
    made.board.start()
    made.record_all()
    status = made.board.status()
    assert status["queue"]["waiting"] == 1 and not status["link"]["up"]
    made.board.command("modem", spec={"network": "home"})
    made.wait_delivered()
    made.prove()
