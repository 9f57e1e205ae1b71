"""The rescue program's ports of an ESP32 board, over the faked chip of host_tests/hal."""

import sys
import types

import pytest

from host_tests.hal.fakes import chip as fakes


@pytest.fixture
def chip(monkeypatch):
    """A chip that was just powered up."""
    saved = {name: sys.modules.get(name) for name in ("machine", "network", "esp32", "vfs")}
    yield fakes.power_up()
    for name, module in saved.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module
    for name in ("esp32_chip", "esp32_board", "esp32_secrets"):
        sys.modules.pop("rescue." + name, None)  # they hold this chip's modules


@pytest.fixture
def ticks(monkeypatch):
    """time.ticks_ms and sleep_ms that move only when somebody sleeps or looks."""
    import time

    now = [0]

    def ticks_ms():
        now[0] += 10
        return now[0]

    monkeypatch.setattr(time, "ticks_ms", ticks_ms, raising=False)
    monkeypatch.setattr(time, "ticks_diff", lambda a, b: a - b, raising=False)
    monkeypatch.setattr(
        time, "sleep_ms", lambda ms: now.__setitem__(0, now[0] + ms), raising=False
    )
    return now


def open_chip():
    from rescue.esp32_chip import Chip

    return Chip()


@pytest.mark.parametrize(
    "cause, memory, word, in_hand",
    [
        (1, b"", "power_on", []),
        (1, b"noise after power-on 17", "power_on", []),
        (1, b"bota", "brown_out", []),
        (1, b"bota17", "brown_out", [17]),
        (2, b"bota17 23", "reset", [17, 23]),
        (3, b"bota17", "watchdog", [17]),
        (4, b"bota", "deep_sleep", []),
        (5, b"botaplanned", "planned", []),
        (2, b"botalow memory for a week", "planned", []),
        (3, b"botaplanned", "watchdog", []),
        (3, b"bota-1 x 99999999999", "watchdog", []),
        (0, b"", "unknown", []),
    ],
)
def test_why_it_started_and_what_was_in_hand(chip, cause, memory, word, in_hand):
    chip.reset_cause, chip.rtc_memory = cause, memory
    found = open_chip()
    assert (found.cause(), found.in_hand()) == (word, in_hand)
    assert chip.rtc_memory == memory, "the full program asks the same after this"


def test_both_programs_read_each_other_s_mark(chip):
    from device.hal.esp32.system import System

    open_chip().mark("17")
    assert System().marked == "17"
    system = System()
    assert system.marked == "" and system.reset_cause() == "brown_out"
    system.mark("4 9")
    assert open_chip().in_hand() == [4, 9]


def test_the_watchdog_takes_a_new_limit(chip):
    found = open_chip()
    found.feed()
    found.guard(120_000)
    found.feed()
    found.guard(600_000)
    assert chip.watchdog == [120_000, "fed", 600_000]


def test_secrets_are_those_of_the_full_program(chip):
    from device.hal.esp32 import secrets
    from rescue import esp32_secrets

    theirs, ours = secrets.Secrets(), esp32_secrets.Secrets()
    keys = ["token", "wifi:home", "wifi:" + "ü" * 16, "#odd", "wifi:" + "x" * 32]
    for key in keys:
        assert ours.get(key) is None and ours.counter(key) == 0
        theirs.set(key, key * 20)
        assert ours.get(key) == key * 20
        ours.set(key, "new " + key)
        assert theirs.get(key) == "new " + key
        ours.raise_counter(key, 7)
        ours.raise_counter(key, 3)
        theirs.raise_counter(key, 5)
        assert (ours.counter(key), theirs.counter(key)) == (7, 7)
    assert ours.get("wifi:" + "y" * 32) is None


def open_board(monkeypatch, machine_text="module with ESP32S3"):
    from rescue import esp32_board

    poll = types.SimpleNamespace(register=lambda *_: None, poll=lambda _ms: [])
    monkeypatch.setattr(esp32_board.select, "poll", lambda: poll)
    monkeypatch.setattr(sys.implementation, "_machine", machine_text, raising=False)
    return esp32_board.Board()


def test_a_card_is_mounted_as_the_storage_port_does(chip, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    board = open_board(monkeypatch)
    with pytest.raises(OSError):
        board.mount()
    chip.card = {"slot": 1}
    assert board.mount() == "/sd" and list(chip.mounts) == ["/sd"]


@pytest.mark.parametrize(
    "ssid, password, code",
    [("home", "secret", None), ("home", "wrong", "wifi_refused"), ("away", "", "wifi_not_found")],
)
def test_joining_ends_in_time_with_the_reason(chip, monkeypatch, ticks, ssid, password, code):
    chip.networks = {"home": "secret"}
    board = open_board(monkeypatch)
    breaths = []
    assert board.join(ssid, password, lambda: breaths.append(1)) == code
    assert board.is_up() is (code is None)
    assert code is None or 20_000 <= ticks[0] < 25_000 and len(breaths) > 50
    board.leave()
    assert not board.is_up()
    # By name: the rescue program lets go of modules, so another test may have loaded a second End.
    with pytest.raises(Exception, match="link_down") as caught:
        board.resolve("api.bota.dev", 443)
    assert caught.type.__name__ == "End"


def test_lines_of_the_console(chip, monkeypatch):
    from rescue import esp32_board

    board = open_board(monkeypatch)
    typed = [b'noise\n{"do": "sta', b'tus", "id": 3}\r\n[1]\n', b"x" * 5000]

    class Stdin:
        def __init__(self):
            self.buffer = self
            self.data = b"".join(typed)

        def read(self, n):
            byte, self.data = self.data[:n], self.data[n:]
            return byte

    stdin = Stdin()
    monkeypatch.setattr(esp32_board.sys, "stdin", stdin)
    board._poll.poll = lambda _ms: stdin.data
    assert board.command() == {"do": "status", "id": 3}
    looks = 0
    while stdin.data:
        assert board.command() is None
        looks += 1
    assert looks >= 5000 // 256, "a flood must not stop everything else"
