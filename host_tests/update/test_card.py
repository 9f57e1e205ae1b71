"""A bundle on the card: found at the start, handled once, and what came of it stands beside it."""

import os

import pytest
import update_bench as bench

from device.update import card, install, note
from rescue import boot_record


class Indicator:
    def __init__(self):
        self.shown = []

    def show(self, code):
        self.shown.append(code)


class Watchdog:
    def __init__(self):
        self.limit_ms, self.fed = None, 0

    def start(self, limit_ms):
        self.limit_ms = limit_ms

    def feed(self):
        self.fed += 1


class Board:
    """What card.run asks of a board."""

    def __init__(self, flash, card_path):
        self.flash = flash
        self.card = card_path
        self.storage = self
        self.root = str(card_path)
        self.system = self
        self.firmware_version = "0.1.0"
        self.indicator = Indicator()
        self.watchdog = Watchdog()
        self.log = []
        self.log_sink = self.log.append

    def start(self) -> bool:
        return card.run(self, self.flash.folder, bench.ARCH)

    def put(self, data: bytes) -> None:
        (self.card / card.NAME).write_bytes(data)

    @property
    def text(self) -> str:
        path = self.card / card.SAID
        return path.read_text() if path.exists() else ""

    def status(self) -> dict:
        return note.as_dict(self.firmware_version, self.flash.folder)

    def prove(self, version):
        """What the supervisor does once a trial has proved itself."""
        _, _, trial, _ = boot_record.read(self.flash.folder)
        boot_record.write(trial, boot_record.NONE, 0, self.flash.folder)
        self.firmware_version = version


@pytest.fixture
def board(flash, tmp_path):
    (tmp_path / "card").mkdir()
    return Board(flash, tmp_path / "card")


def test_a_release_is_installed_once_tried_and_proved(board, maker, flash):
    board.put(maker.release("0.2.0"))
    assert board.start() and board.log == ["I update version=0.2.0 installed "]
    assert board.indicator.shown == ["held"]
    assert board.watchdog.limit_ms and board.watchdog.fed == 4  # once a file
    assert "release 0.2.0" in board.text and "tries it now" in board.text
    assert flash.record() == ("a", "b", 0)
    assert board.status()["last"]["outcome"] == "on_trial"
    board.firmware_version = "0.2.0"  # the trial runs
    assert not board.start() and "tries it now" in board.text
    board.prove("0.2.0")
    assert not board.start() and "proved itself" in board.text
    assert board.status() == {
        "release": "b",
        "trial": "-",
        "starts": 0,
        "last": {"kind": "release", "version": "0.2.0", "outcome": "proved"},
    }
    assert len(board.log) == 1


def test_one_that_was_taken_back_is_not_installed_again(board, maker, flash):
    board.put(maker.release("0.2.0"))
    assert board.start()
    boot_record.write("a", boot_record.NONE, 0, flash.folder)  # what boot.py does after 3 starts
    for _ in range(3):
        assert not board.start()
    assert "did not prove itself" in board.text and flash.record() == ("a", "-", 0)
    assert board.status()["last"]["outcome"] == "taken_back"
    (board.card / card.SAID).unlink()  # the person asks for another try
    assert board.start() and flash.record() == ("a", "b", 0)


def test_a_bad_one_is_set_aside_with_a_reason(board, maker, flash, monkeypatch):
    bad = bytearray(maker.release("0.2.0"))
    bad[-400] ^= 1
    board.put(bytes(bad))
    assert not board.start()
    assert "Refused: bad_hash" in board.text and "copied again" in board.text
    said = board.status()["last"]
    assert (said["outcome"], said["code"]) == ("refused", "bad_hash")
    assert said["ends_when"].startswith("the file is copied again")

    def never(*arguments, **options):
        raise AssertionError("it was looked at again")

    with monkeypatch.context() as patched:
        patched.setattr(install, "install", never)
        assert not board.start() and not board.start()
    board.put(maker.release("0.2.1"))  # another file
    assert board.start()


def test_the_same_file_copied_well_is_taken_when_the_text_is_removed(board, maker):
    good = maker.release("0.2.0")
    board.put(good[:-30] + bytes(30))
    assert not board.start()
    board.put(good)
    (board.card / card.SAID).unlink()
    assert board.start()


def test_a_card_that_cannot_be_written_does_not_bring_it_again(board, maker, monkeypatch, flash):
    monkeypatch.setattr(card, "_say", lambda path, text: False)
    board.put(maker.release("0.2.0"))
    assert board.start()
    boot_record.write("a", boot_record.NONE, 0, flash.folder)
    assert not board.start() and flash.record() == ("a", "-", 0)
    board.put(maker.release("0.3.0"))
    assert board.start()


def test_the_power_went_before_it_was_noted(board, maker, flash, monkeypatch):
    """Installed and on trial, but neither text nor note: the trial does not install itself."""
    monkeypatch.setattr(card, "_say", lambda path, text: False)
    with monkeypatch.context() as patched:
        patched.setattr(note, "write", lambda value, folder: None)
        board.put(maker.release("0.2.0"))
        assert board.start()
    board.firmware_version = "0.2.0"
    assert not board.start() and flash.record() == ("a", "b", 0)
    assert board.status()["last"]["code"] == "installed"


@pytest.mark.parametrize("code", ["no_key", "on_trial"])
def test_what_passes_is_looked_at_again_at_each_start(board, maker, flash, code):
    keys = flash.path / "a" / "trust" / "keys"
    if code == "no_key":
        keys.write_bytes(b"")
    else:
        boot_record.write("a", "b", 1, flash.folder)
        (flash.path / "b").mkdir()
        (flash.path / "b" / "trust").mkdir()
        (flash.path / "b" / "trust" / "keys").write_bytes(maker.trust)
    board.put(maker.release("0.2.0"))
    assert not board.start() and code in board.text
    before = os.stat(flash.folder + "update1").st_mtime_ns
    assert not board.start()
    assert os.stat(flash.folder + "update1").st_mtime_ns == before, "no write for nothing new"
    keys.write_bytes(maker.trust)
    boot_record.write("a", boot_record.NONE, 0, flash.folder)
    assert board.start()
