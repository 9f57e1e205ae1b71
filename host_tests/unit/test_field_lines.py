"""Lines of the field cases that no other test feeds (host_tests/field_cases/cases.toml)."""

import asyncio
import json
import socket
import subprocess

import fakes
import pytest
from test_supervisor import Bench as Supervised
from test_transfer_wire import Bench

from device import config
from device.config_kept import load_settings
from device.errors import Permanent
from device.hal import sockets as net
from device.queue.waits import Waits
from device.store.slots import Slots
from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build


@pytest.fixture
def bench(tmp_path, time):
    return lambda **how: Bench(tmp_path, time, **how)


def refused(status, code, **headers):
    body = b"<Error><Code>%s</Code><Message>m</Message></Error>" % code.encode()
    return fakes.answer(status, body, Content_Type="application/xml", **headers)


def test_a_parked_set_up_fault_names_the_headers(bench):
    """B08: names, never values."""
    b = bench()
    given = {"Content-Type": "audio/wav", "Cache-Control": "no-store", "x-amz-meta-d": "secret7"}
    url = {"upload_url": "https://bucket.example/k/rec_1?X-Amz-Signature=0f", "headers": given}
    b.server.replaced["url"] = [fakes.answer(200, json.dumps(url).encode())] * 2
    b.server.replaced["put"] = [refused(403, "SignatureDoesNotMatch")] * 2
    error = b.attempt()
    assert isinstance(error, Permanent) and error.code == "refused"
    assert "SignatureDoesNotMatch" in error.detail
    assert "sent=Content-Type,Cache-Control,x-amz-meta-d" in error.detail
    assert "secret7" not in error.detail and b.server.routes().count("put") == 2


@pytest.mark.parametrize(
    "location, wanted",
    [
        ("https://bucket.eu.example:9000/k/rec_1?X-Amz-Signature=0f", "bucket.eu.example:9000"),
        ("https://user:pass@bucket.eu.example/k", "bucket.eu.example"),
    ],
)
def test_a_parked_redirect_names_the_wanted_endpoint(bench, location, wanted):
    """B40: the host alone; the rest of the URL may be a signature."""
    b = bench()
    b.server.replaced["put"] = [refused(307, "TemporaryRedirect", Location=location)] * 2
    error = b.attempt()
    assert isinstance(error, Permanent) and f" wants={wanted} " in error.detail
    assert "Signature" not in error.detail and "pass" not in error.detail
    assert {origin[0] for _, origin, _ in b.server.requests} == {"api.example", "bucket.example"}


def test_the_token_stays_with_its_port(bench):
    """B14: storage on the API's host, another port."""
    b = bench()
    url = {"upload_url": "https://api.example:8443/k/upload-url?X-Amz-Signature=0f", "headers": {}}
    b.server.replaced["url"] = [fakes.answer(200, json.dumps(url).encode())] * 2
    b.attempt()
    to_storage = [r for _, origin, r in b.server.requests if origin[1] == 8443]
    assert to_storage and all(r.header("Authorization") is None for r in to_storage)


def test_a_long_escaped_url_arrives_byte_for_byte(bench):
    r"""B41: \u0026 and \/ in the JSON, 1,400 characters of escapes."""
    b = bench()
    target = "/b/dev%207%2Fa%2Bb%40c.wav?X-Amz-Credential=AK%2F20260301%2Faws4_request"
    target += "&X-Amz-Security-Token=" + "%2B%2F%3D" * 156 + "&X-Amz-Signature=0f"
    text = json.dumps({"upload_url": "https://bucket.example:9000" + target, "headers": {}})
    escaped = text.replace("&", "\\u0026").replace("/", "\\/")
    b.server.replaced["url"] = [fakes.answer(200, escaped.encode())]
    assert b.attempt() is None
    (put,) = [r for route, _, r in b.server.requests if route == "put"]
    assert put.target == target and put.header("Host") == "bucket.example:9000"


GOOD = b'{"recording":{"mode":"continuous"},"upload":{"retry_first_s":40}}'


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:40],
        b"",
        GOOD.replace(b"40}", b"40,}"),
        GOOD.decode().encode("utf-16"),
        b"[]",
        GOOD.replace(b"40", b'"40"'),
        GOOD.replace(b"continuous", b"always"),
        None,
    ],
)
def test_a_bad_settings_file_leaves_the_last_good_one_in_force(tmp_path, bad):
    """B29: all of it, not its values one by one; and the status says so."""
    kept = Slots("config1", str(tmp_path / "config"))
    settings, faults, changes = load_settings(GOOD, kept, {})
    assert faults == [] and settings["upload.retry_first_s"] == 40
    kept.write(changes)
    for _ in range(2):  # also at the boot after
        found, faults, changes = load_settings(bad, Slots("config1", str(tmp_path / "config")), {})
        assert found == settings and changes is None
        assert "last good settings are in force" in faults[-1] and len(faults) >= 2
    assert load_settings(GOOD, Slots("config1", str(tmp_path / "config")), {})[1:] == ([], None)


def test_without_a_last_good_one_the_good_values_of_a_bad_file_are_taken(tmp_path):
    bad = GOOD.replace(b"continuous", b"always")
    settings, faults, changes = load_settings(bad, Slots("config1", str(tmp_path / "config")), {})
    assert settings["upload.retry_first_s"] == 40 and len(faults) == 1 and changes is None
    assert settings["recording.mode"] == config.defaults()["recording.mode"]


def test_a_last_good_one_that_this_firmware_no_longer_takes_is_not_used(tmp_path):
    Slots("config1", str(tmp_path / "config")).write({"recording.mode": "by_moon"})
    settings, _, _ = load_settings(b"", Slots("config1", str(tmp_path / "config")), {})
    assert settings == config.defaults()


def test_the_same_key_twice_is_one_valid_value(tmp_path):
    """B29: JSON leaves open which; both are valid, so one of them holds, and no crash."""
    twice = b'{"upload":{"retry_first_s":40,"retry_first_s":50}}'
    settings, faults, _ = load_settings(twice, Slots("config1", str(tmp_path / "config")), {})
    assert settings["upload.retry_first_s"] in (40, 50) and faults == []


class Clock:
    def uptime_ms(self):
        return 0


def test_a_fleet_does_not_come_at_once_when_the_power_returns():
    """B01, design 7: the first attempt has a moment of its own, within the first wait."""
    moments = []
    for share in (0, 300, 1023):
        waits = Waits(30, 1800, Clock(), lambda bits, share=share: share)
        waits.spread()
        moments.append(waits.left_ms())
        assert waits.code == "starting"
    assert moments[0] == 0 and moments == sorted(set(moments)) and moments[-1] < 30_000


@pytest.mark.parametrize("seconds", [12, 15])
def test_a_long_single_call_does_not_trip_the_default_watchdog(time, seconds):
    """B20: TLS of 12 s, DNS of 15 s, in one call that holds the loop."""
    b = Supervised(time)

    async def blocks(check_in):
        while True:
            check_in(60_000)
            await asyncio.sleep(1)
            time.advance(seconds * 1000)

    b.supervisor.add("lane", blocks)
    assert b.run(600) is None
    gaps = [later - at for at, later in zip(b.watchdog.fed, b.watchdog.fed[1:], strict=False)]
    assert seconds <= max(gaps) < config.defaults()["watchdog.limit_s"] // 2


class Grudging:
    """A socket that takes what B37 says, and then everything."""

    def __init__(self, sock):
        self.fileno = sock.fileno
        self.takes = [16_384, 0, BlockingIOError(), 1, 0]
        self.taken = bytearray()

    def send(self, data):
        n = self.takes.pop(0) if self.takes else len(data)
        if isinstance(n, Exception):
            raise n
        self.taken += data[:n]
        return n


def test_a_socket_that_takes_little_or_nothing_gets_every_byte_once(monkeypatch, time):
    """B37: taking nothing is no reason to turn in a circle without letting others run."""
    waits = []

    async def wait(sock):
        waits.append(sock)

    monkeypatch.setattr(net, "wait_writable", wait)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        grudging = Grudging(ours)
        body = fakes.pcm(20_000)
        fakes.run(net.Connection(grudging, grudging, None).write(memoryview(body)), time)
    assert grudging.taken == body and len(waits) == 3


FINISH = """
import sys
sys.path[:0] = sys.argv[1:3]
from ram_flash import Flash, Storage
from device.store.writer import ClipWriter

class Big(Flash):
    def __init__(self):
        super(Flash, self).__init__(256, 4096)

flash = Big()
flash.mount()
writer = ClipWriter(Storage(flash), "/cut/a.wav", 16000)
piece = memoryview(bytearray(2000))
for _ in range(351):
    writer.write(piece, 1000)
flash.power_on(0, False)
flash.bytes = 0
put = flash._put
def counted(start, content):
    flash.bytes += len(content)
    put(start, content)
flash._put = counted
writer.close()
flash.unmount()
print(flash.operations, flash.bytes)
"""


@pytest.mark.skipif(find_micropython() is None, reason="no unix port on this machine")
def test_finishing_a_long_clip_costs_a_few_blocks(tmp_path):
    """B26: 702,000 bytes on 256 blocks; more than half of the medium, so no copy would fit."""
    (tmp_path / "finish.py").write_text(FINISH)
    words = [find_micropython(), "-X", "heapsize=8M", tmp_path / "finish.py"]
    words += [build(ROOT / "build" / "device"), ROOT / "host_tests" / "power"]
    found = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0, found.stderr
    operations, size_bytes = map(int, found.stdout.split())
    assert operations and size_bytes <= 3 * 4096 + 1024, (operations, size_bytes)
