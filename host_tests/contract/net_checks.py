"""Checks of the net port that run on every interpreter; see checks.py."""

import asyncio

from device.compat import sleep_ms, wait_for_ms
from device.errors import DeviceError, NeedsOperator, Transient


async def _talk(connection, data):
    """Write data and read until the peer has sent a line."""
    await wait_for_ms(connection.write(memoryview(data)), 5000)
    buffer, line = bytearray(64), b""
    while not line.endswith(b"\n"):
        n = await wait_for_ms(connection.readinto(memoryview(buffer)), 5000)
        if not n:
            break
        line += bytes(buffer[:n])
    return line


async def _error(net, bench, name, is_tls=True, data=b"secret token\n"):
    """The DeviceError of talking to server `name`; nothing stays open."""
    connection = None
    try:
        connection = await wait_for_ms(net.open(*_address(bench, name), is_tls), 5000)
        answer = await _talk(connection, data)
        raise AssertionError("it talked: %r" % answer)
    except DeviceError as e:
        return e
    finally:
        if connection is not None:
            connection.close()


def _address(bench, name):
    return bench["hosts"][name], bench["ports"][name]


async def a_verified_peer_is_talked_to(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    for text in (b"hello\n", b"again\n"):
        assert await _talk(connection, text) == text
        assert not connection.has_input()
    connection.close()
    connection.close()


async def a_large_body_arrives_whole(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    body = bytes(range(256)) * 16
    for _ in range(75):
        await wait_for_ms(connection.write(memoryview(body)), 5000)
    assert await _talk(connection, b"\n") == b"307200\n"
    connection.close()


async def what_tls_holds_back_is_input(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    await connection.write(memoryview(b"two words\n"))
    assert await wait_for_ms(connection.readinto(memoryview(bytearray(3))), 5000) == 3
    assert connection.has_input(), "the rest of the record is no longer at the socket"
    assert await wait_for_ms(connection.readinto(memoryview(bytearray(64))), 5000) == 7
    assert not connection.has_input()
    connection.close()


async def the_end_of_the_peer_is_an_end(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    assert await _talk(connection, b"bye\n") == b"bye\n"
    for _ in range(1000):
        if connection.has_input():  # so that nobody uses it again
            break
        await sleep_ms(1)
    assert connection.has_input()
    assert await wait_for_ms(connection.readinto(memoryview(bytearray(8))), 5000) == 0
    connection.close()


async def _refused(net, bench, name, code):
    e = await _error(net, bench, name)
    assert isinstance(e, NeedsOperator) and e.code == code, e


async def another_host_name_needs_somebody(net, bench):
    await _refused(net, bench, "wrong_host", "tls_wrong_name")


async def an_expired_certificate_needs_somebody(net, bench):
    await _refused(net, bench, "expired", "tls_dates")


async def a_certificate_of_the_future_needs_somebody(net, bench):
    await _refused(net, bench, "not_yet", "tls_dates")


async def another_authority_needs_somebody(net, bench):
    await _refused(net, bench, "other_ca", "tls_untrusted")


async def a_peer_without_tls_is_a_portal(net, bench):
    e = await _error(net, bench, "plain")
    assert isinstance(e, Transient) and e.code == "portal", e


async def nobody_listens(net, bench):
    e = await _error(net, bench, "refused")
    assert isinstance(e, Transient) and e.code == "connect_failed", e


async def an_unknown_name(net, bench):
    try:
        await net.open("nobody.example", 443, True)
        raise AssertionError("found")
    except Transient as e:
        assert e.code == "dns_failed", e


async def a_silent_peer_can_be_left(net, bench):
    """It accepts and never answers the handshake: the caller's limit ends the wait."""
    connection = await net.open(*_address(bench, "stall"), True)
    try:
        await wait_for_ms(connection.write(memoryview(b"x")), 50)
        raise AssertionError("written to nobody")
    except (OSError, asyncio.TimeoutError):
        pass
    connection.close()


async def a_peer_that_breaks_off_is_a_lost_connection(net, bench):
    e = await _error(net, bench, "breaks")
    assert isinstance(e, Transient) and e.code == "connection_lost", e


async def a_closed_connection_is_lost(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    await _talk(connection, b"hello\n")
    connection.close()
    for call in (
        connection.write(memoryview(b"x")),
        connection.readinto(memoryview(bytearray(9))),
    ):
        try:
            await call
            raise AssertionError("closed, and used")
        except Transient as e:
            assert e.code == "connection_lost", e


async def a_closed_connection_has_an_end_to_read(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    connection.close()
    assert connection.has_input(), "so that nobody uses it again"


async def the_radio_goes_off(net, bench):
    connections = []
    for _ in range(2):
        connections.append(await net.open(*_address(bench, "good"), True))
    await _talk(connections[0], b"hello\n")
    net.drop_all()
    for connection in connections:
        try:
            await connection.write(memoryview(b"x"))
            raise AssertionError("written without a radio")
        except Transient:
            pass
        connection.close()


async def who_waits_for_an_answer_is_told_that_the_radio_went_off(net, bench):
    connection = await net.open(*_address(bench, "good"), True)
    await _talk(connection, b"hello\n")
    asyncio.create_task(_drop_soon(net))  # noqa: RUF006  it ends before we do
    try:
        assert await wait_for_ms(connection.readinto(memoryview(bytearray(9))), 5_000) == 0
    except Transient as e:
        assert e.code == "connection_lost", e
    connection.close()


async def _drop_soon(net):
    await sleep_ms(50)
    net.drop_all()


async def plain_only_where_it_is_asked_for(net, bench):
    connection = await net.open(*_address(bench, "echo"), False)
    assert await _talk(connection, b"hello\n") == b"hello\n"
    connection.close()


async def the_next_address_of_a_name_is_tried(net, bench):
    connection = await net.open(*_address(bench, "moved"), False)
    assert await _talk(connection, b"hello\n") == b"hello\n"
    connection.close()
    host, _ = _address(bench, "moved")
    try:
        await net.open(host, bench["ports"]["refused"], False)
        raise AssertionError("nobody listens at either")
    except Transient as e:
        assert e.code == "connect_failed", e


async def one_question_one_answer(net, bench):
    host, port = _address(bench, "udp")
    for question in (b"\x23" + bytes(47), b"short"):
        assert await net.exchange_datagram(host, port, question, 48) == question
    try:
        await net.exchange_datagram("nobody.example", 123, b"x", 48)
        raise AssertionError("found")
    except Transient as e:
        assert e.code == "dns_failed", e


async def many_in_a_row_leave_nothing_open(net, bench):
    for _ in range(30):
        connection = await net.open(*_address(bench, "echo"), False)
        connection.close()
        await _error(net, bench, "refused")
    await sleep_ms(0)


NET = (
    a_verified_peer_is_talked_to,
    a_large_body_arrives_whole,
    what_tls_holds_back_is_input,
    the_end_of_the_peer_is_an_end,
    another_host_name_needs_somebody,
    an_expired_certificate_needs_somebody,
    a_certificate_of_the_future_needs_somebody,
    another_authority_needs_somebody,
    a_peer_without_tls_is_a_portal,
    nobody_listens,
    an_unknown_name,
    a_silent_peer_can_be_left,
    a_peer_that_breaks_off_is_a_lost_connection,
    a_closed_connection_is_lost,
    a_closed_connection_has_an_end_to_read,
    the_radio_goes_off,
    who_waits_for_an_answer_is_told_that_the_radio_went_off,
    plain_only_where_it_is_asked_for,
    the_next_address_of_a_name_is_tried,
    one_question_one_answer,
    many_in_a_row_leave_nothing_open,
)
