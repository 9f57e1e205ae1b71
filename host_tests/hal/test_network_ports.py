"""What the ports to the network do with the odd ways of drivers, name servers and sockets."""

import asyncio
import errno

import pytest

from device.errors import Transient

# -- Wi-Fi ------------------------------------------------------------------------------------


@pytest.fixture
def wifi(chip):
    import network

    from device.hal.esp32.wifi import Wifi

    chip.networks = {"home": "right", "open": ""}
    port = Wifi()
    port.connect("home", "right")
    port.disconnect()
    station = network.WLAN()
    station.is_slow = True
    return port, station


def test_the_reason_of_the_last_network_is_not_taken_for_this_one(wifi, chip):
    port, station = wifi
    port.connect("away", "x")
    station.pump()
    assert port.status() == "not_found"
    port.connect("home", "right")
    assert station.status() == 201, "the driver still tells of the last one"
    assert port.status() == "joining"
    station.pump()
    assert port.status() == "up"


def test_a_network_that_is_away_again_is_believed_after_a_while(wifi, chip):
    port, station = wifi
    for _ in range(2):
        port.connect("away", "x")
        station.pump()
    assert port.status() == "joining"
    chip.run(5000)
    assert port.status() == "not_found"


def test_an_address_of_the_network_before_is_not_taken_for_this_one(wifi, chip):
    port, station = wifi
    port.connect("home", "right")
    station.pump()
    assert port.status() == "up"
    port.connect("away", "x")
    assert port.status() == "joining", "the driver still says: connected"
    station.pump()
    assert port.status() == "not_found"


def test_the_driver_does_not_go_on_with_a_wrong_password(wifi):
    port, station = wifi
    port.connect("home", "wrong")
    for _ in range(5):
        station.pump()
    assert station.attempts == 2, "the one of the fixture and this one"
    assert port.status() == "refused"


@pytest.mark.parametrize("reason", [15, 204])
def test_a_handshake_that_times_out_is_a_wrong_password(wifi, reason):
    port, station = wifi
    station.refuses_with = reason
    port.connect("home", "wrong")
    station.pump()
    assert port.status() == "refused"


def test_a_link_that_goes_is_seen_and_can_be_joined_again(wifi):
    port, station = wifi
    port.connect("home", "right")
    station.pump()
    station.drop()
    assert port.status() == "failed" and port.rssi_dbm() is None
    port.disconnect()
    assert not station.active(), "an idle radio costs 100 mA"
    assert port.status() == "idle"
    port.connect("open", "")
    station.pump()
    assert port.status() == "up"


def test_a_driver_that_refuses_is_translated(wifi, monkeypatch):
    port, station = wifi

    def fail(*arguments):
        raise RuntimeError("Wifi Unknown Error 0x3001")

    monkeypatch.setattr(type(station), "connect", fail)
    with pytest.raises(Transient) as error:
        port.connect("home", "right")
    assert error.value.code == "wifi_error" and "right" not in str(error.value)


def test_the_address_is_what_dhcp_gave(wifi, chip):
    port, station = wifi
    assert port.address() is None
    port.connect("home", "right")
    station.pump()
    assert port.address() == "192.0.2.7"
    chip.address = "192.0.2.9"
    assert port.address() == "192.0.2.9"


# -- names ------------------------------------------------------------------------------------


def test_a_name_is_asked_for_once_and_again_after_a_failure(chip, monkeypatch):
    from device.hal import sockets
    from device.hal.esp32 import net

    asked = []

    def look_up(host, port, kind):
        asked.append(host)
        if host == "nowhere.example":
            raise Transient("dns_failed", "errno=-202")
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(sockets, "look_up", look_up)
    port = net.Net([], lambda: True)

    async def main():
        for _ in range(3):
            assert (await port._find("a.example", 443, 1))[0][-1] == ("127.0.0.1", 443)
        assert asked.count("a.example") == 1
        for _ in range(2):
            with pytest.raises(Transient) as error:
                await port._find("nowhere.example", 443, 1)
            assert error.value.code == "dns_failed"
        assert asked.count("nowhere.example") == 2
        with pytest.raises(Transient):
            await port.open("a.example", 1, False)  # nobody listens there
        await port._find("a.example", 443, 1)
        assert asked.count("a.example") == 2
        port.drop_all()
        await port._find("a.example", 443, 1)
        assert asked.count("a.example") == 3

    asyncio.run(main())


def test_the_loop_goes_on_while_a_name_server_is_silent(chip, monkeypatch):
    import threading

    from device.hal import sockets
    from device.hal.esp32 import net

    answer = threading.Event()

    def look_up(host, port, kind):
        if host == "slow.example":
            answer.wait(5)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(sockets, "look_up", look_up)
    monkeypatch.setattr(net, "_LOOK_UP_LIMIT_MS", 100)
    port = net.Net([], lambda: True)

    async def main():
        for _ in range(2):  # the second finds the same question still open: no second thread
            with pytest.raises(Transient) as error:
                await port._find("slow.example", 443, 1)
            assert error.value.code == "dns_failed"
        threads = threading.active_count()
        with pytest.raises(Transient):
            await port._find("other.example", 443, 1)
        assert threading.active_count() == threads
        answer.set()
        await asyncio.sleep(0.05)
        assert (await port._find("other.example", 443, 1))[0][-1][0] == "127.0.0.1"

    asyncio.run(main())


def test_newlibs_number_for_connected_is_known():
    """errno 127 on a board, 106 on Linux; MicroPython's errno module has no name for it."""
    from device.hal import sockets

    class Sock:
        def __init__(self):
            self.calls = 0

        def connect(self, address):
            self.calls += 1
            raise OSError(errno.EINPROGRESS if self.calls == 1 else 127, "")

    async def at_once(sock):
        pass

    sock, kept = Sock(), sockets.wait_writable
    sockets.wait_writable = at_once
    try:
        asyncio.run(sockets.Net._connect(sock, ("127.0.0.1", 1)))
    finally:
        sockets.wait_writable = kept
    assert sock.calls == 2
