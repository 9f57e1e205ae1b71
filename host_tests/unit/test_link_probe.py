"""link.probe: what a look at the way proves, and what it costs the cloud."""

import fakes
import pytest
from test_link_ntp import packet

from device.errors import NeedsOperator, Transient
from device.link import probe

NONCE = b"12345678"


class Net:
    def __init__(self, answers):
        self._answers = answers
        self.asked = []

    async def exchange_datagram(self, host, port, data, size):
        self.asked.append((host, port))
        return self._answers(data)


class Http:
    def __init__(self, fault=None):
        self._fault = fault
        self.asked = []

    async def request(self, method, url, headers, body, max_body_bytes):
        self.asked.append((method, url, headers, body))
        if self._fault:
            raise self._fault


def true_time(data):
    return packet(nonce=bytes(data[40:]))


def kiss(data):
    return packet(0xE4, stratum=0, nonce=bytes(data[40:]))


def false_time(data):
    return packet(nonce=bytes(8))


def silence(data):
    raise Transient("timeout", "datagram")


def no_name(data):
    raise Transient("dns_failed", "ntp")


def look(time, answers, http):
    net = Net(answers)
    origin = "https://api.example:8443"
    found = fakes.run(probe.ask_time(net, "ntp.example:1123", NONCE), time)
    if http is not None:
        found = fakes.run(probe.ask_cloud(http, origin, found), time)
    assert net.asked == [("ntp.example", 1123)]
    return found


@pytest.mark.parametrize("answers", [true_time, kiss, silence, no_name, false_time])
def test_any_verified_answer_of_the_cloud_proves_the_way(time, answers):
    for fault in (None, Transient("bad_answer", "no HTTP")):
        http = Http(fault)
        assert look(time, answers, http) == (None, answers in (true_time, kiss))
        assert http.asked == [("GET", "https://api.example:8443/health", [], b"")], "no token"


@pytest.mark.parametrize(
    "answers, code", [(true_time, "away"), (kiss, "away"), (silence, "timeout")]
)
def test_without_leave_the_cloud_is_not_asked(time, answers, code):
    assert look(time, answers, None) == (code, code == "away")


def test_an_answer_to_another_question_is_none(time):
    assert look(time, false_time, None) == ("bad_answer", False)


@pytest.mark.parametrize("code", ["connect_failed", "timeout", "dns_failed", "connection_lost"])
def test_a_cloud_that_is_away_is_told_from_a_dead_way(time, code):
    assert look(time, true_time, Http(Transient(code))) == ("away", True)
    assert look(time, silence, Http(Transient(code))) == (code, False)


@pytest.mark.parametrize(
    "fault",
    [
        Transient("portal"),
        Transient("low_memory"),
        NeedsOperator("tls_untrusted"),
        NeedsOperator("tls_wrong_name"),
        NeedsOperator("tls_dates"),
    ],
)
def test_who_answers_in_its_place_is_named_though_the_time_passes(time, fault):
    assert look(time, true_time, Http(fault)) == (fault.code, True)
    assert look(time, silence, Http(fault)) == (fault.code, False)
