"""Whatever is no bundle of the maker's is refused, with a reason and without a trace."""

import hashlib
import io
import json
import random

import pytest
import update_bench as bench
from hypothesis import given, settings
from hypothesis import strategies as st

from device import reasons
from device.errors import DeviceError
from device.update import bundle as bundles
from device.update import install
from tools.bundle import form

CODES = set(reasons.UPDATE.split())


def facts(count=1, size=0, **changes):
    return {
        "kind": "release",
        "version": "0.2.0",
        "arch": bench.ARCH,
        "downgrade": False,
        "files": count,
        "bytes": size,
    } | changes


def entry(path, body=b"x", **changes):
    return [path, changes.get("size", len(body)), hashlib.sha256(body).hexdigest()]


def listed(*paths):
    """Facts and entries of files that hold one letter each, release.json last."""
    names = [*paths, "release.json"]
    return [facts(len(names), len(names)), *map(entry, names)], b"x" * len(names)


def test_the_bench_itself_makes_what_is_taken(flash, maker):
    head, bodies = listed("device/a.mpy", "device/b.mpy")
    assert flash.refusal(maker.signed(head, bodies), dry_run=True) is None
    assert flash.refusal(maker.release("0.2.0")) is None


def test_every_single_bit_counts(flash, maker):
    """Each bit of a small bundle, one at a time: magic, length, signature, list and bodies."""
    files = {"device/a.mpy": b"the program", "release.json": b'{"files": []}'}
    data = form.sign(form.release(files, "0.2.0", bench.ARCH), maker.key)
    assert flash.refusal(data, dry_run=True) is None
    flipped = bytearray(data)
    seen = {}
    for bit in range(len(data) * 8):
        flipped[bit >> 3] ^= 1 << (bit & 7)
        code = flash.refusal(bytes(flipped), dry_run=True)
        assert code in CODES, f"bit {bit}: {code}"
        seen[code] = seen.get(code, 0) + 1
        flipped[bit >> 3] ^= 1 << (bit & 7)
    assert sum(seen.values()) == len(data) * 8 > 5000
    assert set(seen) == {"bad_bundle", "bad_signature", "bad_hash"}


def test_a_flipped_bit_leaves_nothing_live(flash, maker):
    """The same for real, a seeded sample over all bytes: the old release stays the one that runs,
    and no folder looks whole that is not.
    """
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    data = maker.release("0.2.0")
    for at in chance.sample(range(len(data)), 60):
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        assert flash.refusal(bytes(flipped)) in CODES, f"seed {seed} byte {at}"
        assert flash.record() == ("a", "-", 0) and bench.is_whole(flash.path / "a")
        assert not (flash.path / "b" / "release.json").exists(), f"seed {seed} byte {at}"
    assert flash.refusal(data) is None and flash.record() == ("a", "b", 0)


def test_every_shorter_file_is_refused(flash, maker):
    data = maker.release("0.2.0")
    for length in range(0, len(data), 7):
        assert flash.refusal(data[:length], dry_run=True) in CODES, length
    assert flash.refusal(data[:-1]) == "bad_bundle"
    assert flash.refusal(data + b"x") == "bad_bundle"
    assert flash.record() == ("a", "-", 0)


def test_a_head_beyond_all_measure_is_not_even_hashed(flash, maker):
    data = bytearray(maker.release("0.2.0"))
    for length in (0, 65537, 1 << 31, (1 << 32) - 1):
        data[8:12] = length.to_bytes(4, "big")
        read = []

        class Counting(io.BytesIO):
            def readinto(self, out, read=read):
                read.append(len(out))
                return super().readinto(out)

        bundle = bundles.Bundle(Counting(bytes(data)), memoryview(bytearray(256)))
        with pytest.raises(DeviceError) as refused:
            install.install(bundle, "0.1.0", print, flash.folder, bench.ARCH)
        assert refused.value.code == "bad_bundle" and read == []


@pytest.mark.parametrize(
    "path",
    [
        "/boot.py",
        "../boot.py",
        "device/../boot.py",
        "device/../../boot0",
        "device/./app.mpy",
        "device//app.mpy",
        "device/.hidden",
        "device/",
        "device",
        "boot.py",
        "main.py",
        "rescue/choice.mpy",
        "incoming/commit",
        "config.json",
        "roots",
        "a/device/app.mpy",
        "device\\..\\boot.py",
        "device/a\x00.mpy",
        "device/a\n.mpy",
        "device/Ångström.mpy",
        "device/one two.mpy",
        "device/" + "a" * 80,
        "device/1/2/3/4/5/6.mpy",
        "device/release.json/x/../../..",
        "",
    ],
)
def test_a_path_outside_the_release_is_refused_even_if_it_is_signed(flash, maker, path):
    head, bodies = listed(path)
    before = bench.below(flash.path)
    assert flash.refusal(maker.signed(head, bodies)) == "bad_bundle"
    assert bench.below(flash.path) == before


def test_files_twice_out_of_order_or_without_the_list(flash, maker):
    for paths in (
        ("device/a", "device/a"),
        ("device/b", "device/a"),
        ("device/a", "release.json", "device/b"),
        ("trust/keys", "device/a"),
    ):
        head, bodies = listed(*paths)
        assert flash.refusal(maker.signed(head, bodies), dry_run=True) == "bad_bundle", paths
    only = [facts(1, 1), entry("device/a")]
    assert flash.refusal(maker.signed(only, b"x"), dry_run=True) == "bad_bundle"


@pytest.mark.parametrize(
    "changes",
    [
        {"files": 3},
        {"files": 1},
        {"files": 0},
        {"files": -1},
        {"files": 501},
        {"files": 2.0},
        {"files": True},
        {"files": "2"},
        {"bytes": 1},
        {"bytes": 3},
        {"bytes": 1 << 62},
        {"bytes": -1},
        {"bytes": None},
        {"kind": "firmware"},
        {"kind": ["release"]},
        {"arch": None},
        {"version": "0.2"},
        {"version": "0.2.0.1"},
        {"version": "0.2.x"},
        {"version": "0.2.-1"},
        {"version": "1.2.99999"},
        {"version": 2},
    ],
)
def test_facts_that_do_not_hold(flash, maker, changes):
    head = [facts(2, 2, **changes), entry("device/a"), entry("release.json")]
    assert flash.refusal(maker.signed(head, b"xx"), dry_run=True) == "bad_bundle"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b'["device/a", 1]\n',
        b'["device/a", 1, "00"]\n',
        b'["device/a", "1", "' + b"0" * 64 + b'"]\n',
        b'["device/a", -1, "' + b"0" * 64 + b'"]\n',
        b'["device/a", 2000000, "' + b"0" * 64 + b'"]\n',
        b'["device/a", 1, "' + b"0" * 64 + b'",]\n',
        b'["device/a" 1 "' + b"0" * 64 + b'"]\n',
        b"[" * 200 + b"\n",
        b'"' + b"a" * 500 + b'"\n',
        b"\xff\xfe\n",
    ],
)
def test_a_line_that_is_no_entry(flash, maker, line):
    head = [facts(2, 2), line, entry("release.json")]
    assert flash.refusal(maker.signed(head, b"xx"), dry_run=True) == "bad_bundle"


def test_who_may_not_update(flash, maker):
    good = maker.release("0.2.0")
    assert flash.refusal(maker.release("0.2.0", maker.other_key)) == "bad_signature"
    assert flash.refusal(form.release(bench.release_files("0.2.0"), "0.2.0", bench.ARCH)) == (
        "bad_signature"
    )
    assert flash.refusal(good, arch="rv32imc") == "wrong_arch"
    assert flash.refusal(good, running="0.2.0") == "installed"
    assert flash.refusal(good, running="0.2.1") == "too_old"
    assert flash.refusal(good, running="0.10.0") == "too_old"
    assert flash.refusal(maker.release("0.2.0", downgrade=True), running="0.10.0") is None
    assert flash.refusal(maker.release("0.11.0")) == "on_trial"


def test_without_a_key_nothing_is_taken(flash, maker):
    (flash.path / "a" / "trust" / "keys").write_bytes(b"# none yet\n")
    assert flash.refusal(maker.release("0.2.0")) == "no_key"
    (flash.path / "a" / "trust" / "keys").unlink()
    assert flash.refusal(maker.release("0.2.0")) == "no_key"


def test_a_card_that_says_something_else_the_second_time(flash, maker):
    """The list is hashed for the signature, then read again: another list is not believed."""
    honest = maker.release("0.2.0")
    evil = form.release(bench.release_files("0.2.0", {"device/app.mpy": b"evil"}), "0.2.0", "x")

    class Card(io.BytesIO):
        reads = 0

        def readline(self, size):
            # Everything until here was hashed for the signature.
            self.reads += 1
            if self.reads == 2:
                at = self.tell()
                self.seek(0)
                self.truncate()
                self.write(evil)
                self.seek(at)
            return super().readline(size)

    bundle = bundles.Bundle(Card(honest), memoryview(bytearray(256)))
    with pytest.raises(DeviceError) as refused:
        install.install(bundle, "0.1.0", lambda path: None, flash.folder, bench.ARCH)
    assert refused.value.code in ("bad_signature", "bad_bundle")
    assert flash.record() == ("a", "-", 0)
    assert not (flash.path / "b" / "release.json").exists()


def test_no_room_is_said_before_anything_is_written(flash, maker, monkeypatch):
    before = bench.below(flash.path)
    blocks = 4 + 16  # files of a block each, and the spare ones
    for free, code in ((blocks - 1, "no_room"), (blocks, None)):
        found = (4096, 4096, 1000, free, free, 0, 0, 0, 0, 255)
        monkeypatch.setattr(install.os, "statvfs", lambda path, found=found: found)
        assert flash.refusal(maker.release("0.2.0")) == code
        assert code is None or bench.below(flash.path) == before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
LINES = st.one_of(
    JSON_VALUES,
    st.binary(max_size=60),
    st.builds(lambda p: entry(p), st.text(max_size=30)),
    st.builds(lambda p: entry("device/" + p), st.text("abz./-\x00", max_size=9)),
    st.builds(facts, st.integers(0, 5), st.integers(0, 5)),
    st.just(entry("release.json")),
)


@given(st.lists(LINES, max_size=5), st.binary(max_size=5))
@settings(max_examples=400)
def test_signed_rubbish_has_a_reason_too(fuzz_flash, maker, lines, bodies):
    """The maker's key over any head: what is taken keeps every rule, the rest has a code."""
    data = maker.signed(lines, bodies)
    taken = fuzz_flash.refusal(data, dry_run=True)
    assert taken is None or taken in CODES
    if taken is None:
        files = form.read(data).files
        assert list(files)[-1] == "release.json"
        assert all(bundles.is_allowed("release", path) for path in files)


@given(st.binary(max_size=600), st.booleans())
@settings(max_examples=400)
def test_unsigned_rubbish_is_never_taken(fuzz_flash, data, has_magic):
    if has_magic:
        data = bundles.MAGIC + data
    assert fuzz_flash.refusal(data) in ("bad_bundle", "bad_signature")


@pytest.fixture(scope="module")
def fuzz_flash(tmp_path_factory, maker):
    return bench.Flash(tmp_path_factory.mktemp("fuzz"), maker)


def test_the_lines_of_a_bundle_are_what_the_docs_say(maker):
    read = form.read(maker.release("0.2.0"))
    lines = read.signed[12:].splitlines()
    assert json.loads(lines[0])["kind"] == "release" and len(lines) == 1 + len(read.files)
