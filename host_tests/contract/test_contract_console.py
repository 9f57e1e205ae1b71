"""The console: which lines are commands, who carries them out, and that one ends a sleep."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.hal.commands import parse_command
from device.hal.sim.control import Console
from device.hal.sim.sleep import Sleep


@pytest.mark.parametrize(
    "line", [b'{"do":"status"}', b' {"do": "record", "on": true, "id": 1}\r\n']
)
def test_a_command_is_an_object_with_a_word(line):
    assert parse_command(line)["do"] in ("status", "record")


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"status\n", b"{}", b"[]", b'{"do":7}', b'{"do":null}', b'{"did":"status"}']
    + [b'"do"', b"\xff\xfe", b'{"do":"status"', b"{" * 4000, b'{"do":"x","y":"' + b"z" * 5000]
    + [b"[" * 4000, b"\x00" * 10],
)
def test_anything_else_is_none(line):
    assert parse_command(line) is None


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_line_is_a_command_or_none(line):
    found = parse_command(line)
    assert found is None or isinstance(found["do"], str)


async def served(talk, body):
    """What body makes of a console at whose other end there is talk(reader, writer)."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    console = Console(server.sockets[0].getsockname())
    try:
        return await asyncio.wait_for(body(console), 5)
    finally:
        server.close()
        if console._socket is not None:
            console._socket.close()
        await asyncio.sleep(0.01)  # talk meets the end


class Peer:
    """The other end of the console's line."""

    def __init__(self):
        self.lines = []

    async def run(self, to_send, body):
        async def talk(reader, writer):
            for line in to_send:
                writer.write(line)
            await writer.drain()
            while line := await reader.readline():
                self.lines.append(json.loads(line))

        return await served(talk, body)


def test_commands_for_the_world_are_carried_out_and_others_handed_on():
    peer = Peer()
    pressed = []

    async def body(console):
        console.attach({"press": pressed.append})
        console.event("early", n=1)
        command = await console.next_command()
        console.reply(command, {"a": 1})
        await asyncio.sleep(0.02)
        return command

    lines = [b'{"do":"press","id":1}\n', b"rubbish\n", b'{"do":"status","id":2}\n']
    assert asyncio.run(peer.run(lines, body))["id"] == 2
    assert len(pressed) == 1
    assert peer.lines == [
        {"event": "early", "n": 1},
        {"answer": 1, "value": {"ok": True}},
        {"answer": 2, "value": {"a": 1}},
    ]


def test_an_endless_line_is_passed_over():
    async def body(console):
        return await console.next_command()

    lines = [b"x" * 200_000 + b"\n", b'{"do":"status"}\n']
    assert asyncio.run(Peer().run(lines, body))["do"] == "status"


def test_a_console_without_a_line_waits_and_drops_what_it_has_to_say():
    console = Console(None)

    async def main():
        console.event("a")
        console.reply({"id": 1}, {})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(console.next_command(), 0.01)

    asyncio.run(main())


def test_a_console_with_input_ends_the_sleep_of_a_virtual_board():
    async def body(console):
        command = await console.next_command()
        sleep = Sleep(console.line, console.event)
        quiet = sleep.light(30)
        console.reply(command, {})
        await asyncio.sleep(0.05)  # the other end writes again
        return quiet, sleep.light(5000)

    async def talk(reader, writer):
        writer.write(b'{"do":"status","id":1}\n')
        await reader.readline()
        await reader.readline()
        writer.write(b'{"do":"press"}\n')

    assert asyncio.run(served(talk, body)) == ("time", "other")
