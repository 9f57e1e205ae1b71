"""Storage and net: the same checks in this process and on the unix port."""

import asyncio
import errno
import json
import pathlib
import shutil
import socket
import subprocess
import sys

import checks
import net_checks
import pytest

from device.errors import DeviceError, NeedsOperator, Transient
from device.hal import sockets as net_module

ROOT = pathlib.Path(__file__).parents[2]
MICROPYTHON = shutil.which("micropython", path=str(pathlib.Path(sys.executable).parent))


def named(checks_of_a_port):
    return pytest.mark.parametrize("check", checks_of_a_port, ids=lambda check: check.__name__)


@named(checks.STORAGE)
def test_storage(hal, tmp_path, servers, check):
    check(hal.storage(tmp_path), servers.bench)


@named(net_checks.NET)
def test_net(hal, servers, check):
    asyncio.run(asyncio.wait_for(check(hal.net(servers), servers.bench), 8))


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
import json
import checks
with open(sys.argv[3]) as f:
    checks.main(json.load(f))
"""


@pytest.fixture(scope="module")
def on_the_unix_port(servers, tmp_path_factory):
    """name of a check -> "ok" or what went wrong."""
    if not MICROPYTHON:
        pytest.skip("no unix port on this machine")
    folder = tmp_path_factory.mktemp("board")
    (folder / "bench.json").write_text(json.dumps({**servers.bench, "folder": str(folder)}))
    (folder / "script.py").write_text(SCRIPT)
    arguments = [str(ROOT), str(pathlib.Path(__file__).parent), str(folder / "bench.json")]
    result = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=2M", str(folder / "script.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.strip().splitlines()[-1])


@named(checks.STORAGE + checks.FLASH + net_checks.NET)
def test_on_the_unix_port(on_the_unix_port, check):
    assert on_the_unix_port[check.__name__] == "ok"


BAD_PEERS = ("wrong_host", "expired", "not_yet", "other_ca", "plain")


@pytest.mark.parametrize("name", BAD_PEERS)
def test_nothing_is_said_before_the_peer_is_verified(hal, servers, name):
    with pytest.raises(DeviceError):
        raise asyncio.run(net_checks._error(hal.net(servers), servers.bench, name))
    assert b"secret" not in servers.heard[name]


def test_without_a_radio_nothing_is_opened(hal, servers):
    net = hal.net(servers, is_up=lambda: False)
    for call in (net.open("good.example", 443, True), net.exchange_datagram("udp", 1, b"x", 9)):
        with pytest.raises(Transient) as error:
            asyncio.run(call)
        assert error.value.code == "link_down"


def test_an_address_that_is_silent_has_its_turn_and_no_more(servers, monkeypatch, hal):
    """A full backlog: Linux drops what comes, as a firewall does."""
    monkeypatch.setattr(net_module, "_TURN_MS", 50)
    port = servers.bench["ports"]["moved"]
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.2", port))
        full.listen(0)
        for caller in (one, two):
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.2", port))

        async def main():
            net = hal.net(servers)
            connection = await net.open("moved.example", port, False)
            assert await net_checks._talk(connection, b"hello\n") == b"hello\n"
            connection.close()
            assert len(net._open) == 0

        asyncio.run(asyncio.wait_for(main(), 8))


def test_a_question_without_an_answer_ends(servers, monkeypatch, hal):
    monkeypatch.setattr(net_module, "_DATAGRAM_MS", 30)
    host, port = servers.bench["hosts"]["udp"], servers.bench["ports"]["udp"]
    with pytest.raises(Transient) as error:
        asyncio.run(hal.net(servers).exchange_datagram(host, port, b"silence", 48))
    assert error.value.code == "timeout"


@pytest.mark.parametrize(
    "found, code",
    [
        (OSError(12, "x"), "low_memory"),
        (MemoryError(), "low_memory"),
        (OSError(-32512, "x"), "low_memory"),
        (OSError(-29184, "x"), "portal"),
        (OSError(errno.ECONNRESET, "x"), "connection_lost"),
        (OSError(errno.ETIMEDOUT, "x"), "connection_lost"),
        (OSError(113, "x"), "connection_lost"),
        (OSError(23, "x"), "connection_lost"),
    ],
)
def test_what_sockets_raise_becomes_one_of_ours(found, code):
    error = net_module.translate(found, "write")
    assert type(error) is Transient and error.code == code


def test_a_certificate_fault_of_unknown_words_still_needs_somebody():
    error = net_module.translate(ValueError("certificate has weak key"), "write")
    assert (type(error), error.code) == (NeedsOperator, "tls_untrusted")


@pytest.mark.parametrize("fault", ["name", "empty", "sockets"])
def test_faults_before_the_connect_are_translated(hal, servers, monkeypatch, fault):
    def fail(number):
        def call(*details):
            raise OSError(number)

        return call

    net = hal.net(servers)
    if fault == "sockets":
        loop_socket = socket.socket
        monkeypatch.setattr(net_module.socket, "getaddrinfo", lambda *d: [(2, 1, 6, "", ("", 1))])

        class Full(loop_socket):
            def __init__(self, *details, **more):
                if details[:2] == (2, 1) and not more:
                    raise OSError(24)
                super().__init__(*details, **more)

        monkeypatch.setattr(net_module.socket, "socket", Full)
    else:
        answer = fail(-202) if fault == "name" else lambda *details: []
        monkeypatch.setattr(net_module.socket, "getaddrinfo", answer)

    async def main():
        with pytest.raises(DeviceError):
            await net.open("good.example", 443, True)

    asyncio.run(main())
