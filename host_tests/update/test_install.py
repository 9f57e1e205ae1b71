"""A release goes beside the one that runs, whole or not at all; the record is the last thing."""

import os

import pytest
import update_bench as bench

from device.errors import DeviceError
from device.update import install
from rescue import boot_record


def test_a_release_is_installed_and_put_on_trial(flash, maker):
    data = maker.release("0.2.0")
    bundle = flash.install(data)
    assert (bundle.kind, bundle.version) == ("release", "0.2.0")
    expected = bench.release_files("0.2.0", {"trust/keys": maker.trust})
    assert bench.below(flash.path / "b") == expected
    assert bench.is_whole(flash.path / "b") and bench.is_whole(flash.path / "a")
    assert flash.record() == ("a", "b", 0)


def test_what_lay_in_the_folder_before_is_gone(flash, maker):
    stale = flash.path / "b" / "device" / "old"
    stale.mkdir(parents=True)
    (stale / "app.py").write_text("it would win over app.mpy")
    (flash.path / "b" / "release.json").write_text("{}")
    flash.install(maker.release("0.2.0"))
    assert not stale.exists() and bench.is_whole(flash.path / "b")


def test_the_next_update_goes_into_the_other_folder(flash, maker):
    flash.install(maker.release("0.2.0"))
    boot_record.write("b", boot_record.NONE, 0, flash.folder)  # it proved itself
    flash.install(maker.release("0.3.0"), running="0.2.0")
    assert flash.record() == ("b", "a", 0)
    assert bench.below(flash.path / "a")["device/app.mpy"].endswith(b"0.3.0")


def test_a_flat_program_is_left_alone_and_a_is_tried(tmp_path, maker):
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "keys").write_bytes(maker.trust)
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "app.mpy").write_bytes(b"flat")
    flash = bench.Flash.__new__(bench.Flash)
    flash.path, flash.folder = tmp_path, str(tmp_path) + "/"
    flash.install(maker.release("0.2.0"))
    assert flash.record() == ("-", "a", 0) and bench.is_whole(tmp_path / "a")
    assert (tmp_path / "device" / "app.mpy").read_bytes() == b"flat"


def test_while_a_release_is_tried_the_proved_one_is_not_touched(flash, maker):
    flash.install(maker.release("0.2.0"))
    before = bench.below(flash.path)
    assert flash.refusal(maker.release("0.3.0"), running="0.2.0") == "on_trial"
    assert bench.below(flash.path) == before


def test_a_dry_run_reads_all_and_writes_nothing(flash, maker):
    before = bench.below(flash.path)
    flash.install(maker.release("0.2.0"), dry_run=True)
    assert bench.below(flash.path) == before


def test_what_the_flash_did_not_keep_is_found_when_it_is_read_back(flash, maker, monkeypatch):
    def forgetful(f):
        f.flush()
        f.seek(0)
        f.write(b"?")

    monkeypatch.setattr(install, "sync_file", forgetful)
    assert flash.refusal(maker.release("0.2.0")) == "bad_hash"
    assert flash.record() == ("a", "-", 0)
    assert not (flash.path / "b" / "release.json").exists()


@pytest.mark.parametrize("name", ["mkdir", "remove", "rename"])
def test_a_flash_that_fails_leaves_the_old_release(flash, maker, monkeypatch, name):
    (flash.path / "b" / "device").mkdir(parents=True)
    (flash.path / "b" / "release.json").write_text("{}")

    def fails(*paths):
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, name, fails)
    path = flash.path / "new.bundle"
    path.write_bytes(maker.release("0.2.0"))
    noted, detail = install.attempt(str(path), "0.1.0", print, flash.folder, bench.ARCH)
    assert noted["code"] == "storage_failed" and detail == "errno=5"
    assert flash.record() == ("a", "-", 0) and bench.is_whole(flash.path / "a")


def test_an_attempt_says_what_came_of_it(flash, maker):
    path = flash.path / "new.bundle"
    path.write_bytes(maker.release("0.2.0"))
    seen = []
    noted, detail = install.attempt(str(path), "0.1.0", seen.append, flash.folder, bench.ARCH)
    assert (noted["kind"], noted["version"], noted["code"]) == ("release", "0.2.0", "")
    assert seen[-1] == "release.json" and len(seen) == 4 and detail == ""
    path.write_bytes(b"rubbish")
    assert install.attempt(str(path), "0.1.0", print, flash.folder)[0]["code"] == "bad_bundle"
    path.unlink()
    assert install.attempt(str(path), "0.1.0", print, flash.folder)[0]["code"] == "storage_failed"


def test_too_little_memory_is_a_reason(flash, maker, monkeypatch):
    path = flash.path / "new.bundle"
    path.write_bytes(maker.release("0.2.0"))

    def starves(*arguments):
        raise MemoryError

    monkeypatch.setattr(install.signature, "is_signed", starves)
    noted, _ = install.attempt(str(path), "0.1.0", print, flash.folder, bench.ARCH)
    assert noted["code"] == "low_memory"


def test_nothing_is_asked_of_a_folder_that_does_not_run(flash, maker):
    """What an update that was broken off left in b/ trusts nobody."""
    (flash.path / "b" / "trust").mkdir(parents=True)
    (flash.path / "b" / "trust" / "keys").write_bytes(
        b"rsa3072 %x evil\n" % maker.other_key.public_key().public_numbers().n
    )
    with pytest.raises(DeviceError, match="bad_signature"):
        flash.install(maker.release("0.2.0", maker.other_key))
