"""link.ntp and link.timekeeper: a packet is believed only if nothing speaks against it."""

import asyncio
import struct

import fakes
import pytest

from device.errors import Transient
from device.link import ntp
from device.link.clock import Clock
from device.link.timekeeper import TimeKeeper

NONCE = b"\x01\x23\x45\x67\x89\xab\xcd\xef"
NTP_S = fakes.T0 + 2_208_988_800  # RFC 5905 figure 4: 1 Jan 1970 is 2,208,988,800


def packet(flags=0x24, stratum=2, nonce=NONCE, seconds=NTP_S, fraction=0, size=48):
    data = bytearray(48)
    data[0], data[1] = flags, stratum
    data[24:32] = nonce
    struct.pack_into(">II", data, 40, seconds % (1 << 32), fraction)
    return bytes(data[:size])


def test_the_question_is_a_client_packet_with_the_nonce():
    question = ntp.question(NONCE)
    assert (len(question), question[0], question[40:]) == (48, 0x23, NONCE)
    assert question[1:40] == bytes(39)


@pytest.mark.parametrize(
    "fraction, round_trip_ms, wanted",
    [(0, 0, 0), (1 << 31, 0, 500), (0, 200, 100), (0xFFFFFFFF, 40, 1019)],
)
def test_a_good_answer(fraction, round_trip_ms, wanted):
    unix_ms, uncertainty_ms = ntp.answer(packet(fraction=fraction), NONCE, round_trip_ms)
    assert unix_ms == fakes.T0 * 1000 + wanted
    assert uncertainty_ms == round_trip_ms // 2 + 20


@pytest.mark.parametrize("flags", [0x1C, 0x24, 0x64, 0xA4])
def test_versions_and_leap_announcements_that_are_believed(flags):
    assert ntp.answer(packet(flags), NONCE, 0)[0] == fakes.T0 * 1000


def test_era_1_begins_in_2036():
    for unix_s in (2_085_978_495, 2_085_978_497, 2_500_000_000):
        found = ntp.answer(packet(seconds=unix_s + 2_208_988_800), NONCE, 0)[0]
        assert found == unix_s * 1000


BAD = {
    "empty": b"",
    "short": packet(size=47),
    "mode client": packet(0x23),
    "mode broadcast": packet(0x25),
    "mode control": packet(0x26),
    "version 2": packet(0x14),
    "version 7": packet(0x3C),
    "not synchronised": packet(0xE4),
    "stratum 16": packet(stratum=16),
    "stratum 255": packet(stratum=255),
    "another nonce": packet(nonce=NONCE[::-1]),
    "nonce of nothing": packet(nonce=bytes(8)),
    "no time": packet(seconds=0, fraction=5),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_a_bad_answer(name):
    with pytest.raises(Transient) as error:
        ntp.answer(BAD[name], NONCE, 0)
    assert error.value.code == "bad_answer"


def test_an_answer_that_took_too_long_says_little():
    with pytest.raises(Transient):
        ntp.answer(packet(), NONCE, 5_001)


def test_a_kiss_of_death_is_a_wait_and_no_time():
    with pytest.raises(Transient) as error:
        ntp.answer(packet(0xE4, stratum=0), NONCE, 0)
    assert (error.value.code, error.value.retry_after_s) == ("throttled", 3600)


def test_a_kiss_of_death_for_another_question_is_no_kiss():
    with pytest.raises(Transient) as error:
        ntp.answer(packet(0xE4, stratum=0, nonce=bytes(8)), NONCE, 0)
    assert error.value.code == "bad_answer"


class Net:
    """answers: one a question, a function of (question) or an exception."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def exchange_datagram(self, host, port, data, size):
        self.asked.append((host, port, bytes(data[40:])))
        await asyncio.sleep(0.1)
        answer = self.answers.pop(0) if self.answers else Transient("timeout")
        if isinstance(answer, Exception):
            raise answer
        return answer(data)


def good(data):
    return packet(nonce=bytes(data[40:]))


@pytest.mark.parametrize(
    "server, wanted", [("pool.ntp.org", ("pool.ntp.org", 123)), ("n:1123", ("n", 1123))]
)
def test_ask(time, server, wanted):
    net = Net(good)
    unix_ms, uncertainty_ms = fakes.run(ntp.ask(net, server, NONCE), time)
    assert net.asked == [(*wanted, NONCE)]
    assert unix_ms == fakes.T0 * 1000 + 50 and 69 <= uncertainty_ms <= 71


class Link:
    def __init__(self, up=True):
        self.up = up
        self.times = 0

    def is_up(self):
        return self.up

    def time_came(self):
        self.times += 1


def keep(time, net, link, seconds, notify_at=None):
    log, lines = fakes.make_log()
    clock = Clock(fakes.ClockPort(), 1, log)
    numbers = iter(range(1, 10_000))
    keeper = TimeKeeper(net, clock, link, "ntp", lambda bits: next(numbers), log)

    async def main():
        task = asyncio.create_task(keeper.run(lambda within_ms: None))
        if notify_at is not None:
            await asyncio.sleep(notify_at)
            link.up = True
            keeper.notify()
        await asyncio.sleep(seconds - (notify_at or 0))
        fakes.stop(task)

    fakes.run(main(), time)
    return clock, lines


def test_the_time_is_asked_for_when_the_link_comes_up(time):
    net = Net(good)
    clock, _ = keep(time, net, Link(False), 10, notify_at=5)
    assert len(net.asked) == 1 and clock.state == "known"


def test_known_it_is_asked_again_every_few_hours(time):
    net = Net(*[good] * 9)
    keep(time, net, Link(), 86_300)
    assert len(net.asked) == 4
    assert len({nonce for _, _, nonce in net.asked}) == 4


def test_failures_are_repeated_with_growing_pauses(time):
    net = Net()
    clock, lines = keep(time, net, Link(), 3600)
    assert 12 <= len(net.asked) <= 22 and clock.state == "unknown"


def test_a_kiss_of_death_is_obeyed(time):
    net = Net(lambda data: packet(0xE4, stratum=0, nonce=bytes(data[40:])))
    keep(time, net, Link(), 3590)
    assert len(net.asked) == 1


def test_a_kiss_of_death_is_obeyed_also_when_the_link_flaps(time):
    net = Net(lambda data: packet(0xE4, stratum=0, nonce=bytes(data[40:])), good)
    keep(time, net, Link(), 3590, notify_at=300)
    assert len(net.asked) == 1
    net = Net(lambda data: packet(0xE4, stratum=0, nonce=bytes(data[40:])), good)
    clock, _ = keep(time, net, Link(), 3700, notify_at=300)
    assert len(net.asked) == 2 and clock.state == "known", "and after its hour it is asked again"


def test_a_wrong_answer_never_sets_the_clock(time):
    net = Net(*[lambda data: packet(nonce=bytes(8))] * 3, lambda d: b"", lambda d: packet(0x25))
    clock, _ = keep(time, net, Link(), 30)
    assert clock.state == "unknown" and len(net.asked) >= 4
