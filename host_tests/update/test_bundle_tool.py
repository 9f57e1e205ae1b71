"""python -m tools.bundle: from a key to a signed release, and what it says of a file."""

import json

import pytest
import update_bench as bench

from device.update.bundle import MAGIC
from device.update.signature import read_keys
from host_tests.conftest import ROOT
from tools.bundle import form, keys
from tools.bundle.__main__ import main
from tools.image import tree


@pytest.fixture
def trust(tmp_path, maker):
    path = tmp_path / "keys"
    path.write_bytes(maker.trust)
    return path


@pytest.fixture
def key_file(tmp_path_factory, maker):
    """maker's key, as keygen left it."""
    return next(tmp_path_factory.getbasetemp().glob("maker*/maker.pem"))


def test_a_release_of_this_tree_is_made_signed_and_taken(
    tmp_path, trust, key_file, flash, maker, capsys
):
    out = tmp_path / "new.bundle"
    words = ["make", "--board", "esp32-c3", "--key", key_file, "-o", out, "--trust", trust]
    assert main(list(map(str, words))) == 0
    said = capsys.readouterr().out
    version = tree.version()
    assert f"release {version} for rv32imc" in said and "signed by maker" in said
    read = form.read(out.read_bytes())
    files = tree.release_files("rv32imc") | {"trust/keys": maker.trust}
    assert read.files == files | {"release.json": tree.release_json(files, version, "rv32imc")}
    listed = json.loads(read.files["release.json"])["files"]
    assert len(listed) == len(files) > 100
    flash.install(out.read_bytes(), running="0.0.9", arch="rv32imc")
    assert bench.below(flash.path / "b") == read.files and bench.is_whole(flash.path / "b")
    assert flash.record() == ("a", "b", 0)


def test_a_release_that_would_take_no_further_update_is_not_made(tmp_path, key_file, capsys):
    nobody = tmp_path / "nobody"
    nobody.write_text("# no key yet\n")
    words = ["make", "--board", "esp32-c3", "--key", key_file, "--trust", nobody]
    assert main(list(map(str, words))) == 1
    assert "holds no key" in capsys.readouterr().err


def test_the_same_source_and_key_give_the_same_bytes(tmp_path, key_file):
    made = []
    for name in ("one", "two"):
        words = ["roots", "--key", key_file, "-o", tmp_path / name]
        assert main(list(map(str, words))) == 0
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]


def test_a_bundle_made_without_a_key_is_signed_later(tmp_path, trust, key_file, flash, capsys):
    out = tmp_path / "roots.bundle"
    assert main(["roots", "-o", str(out)]) == 0
    assert "NOT SIGNED" in capsys.readouterr().out
    assert flash.refusal(out.read_bytes()) == "bad_signature"
    assert main(["sign", str(out), "--key", str(key_file), "--trust", str(trust)]) == 0
    assert "signed by maker" in capsys.readouterr().out
    assert flash.refusal(out.read_bytes()) is None


def test_inspect_says_who_signed_and_what_is_in_it(tmp_path, trust, maker, capsys):
    out = tmp_path / "x.bundle"
    out.write_bytes(maker.release("0.2.0", downgrade=True))
    assert main(["inspect", str(out), "--trust", str(trust), "--files"]) == 0
    said = capsys.readouterr().out
    assert "may replace a newer version" in said and "device/app.mpy" in said
    out.write_bytes(maker.release("0.2.0", maker.other_key))
    assert main(["inspect", str(out), "--trust", str(trust)]) == 0
    assert "signed by NO KEY" in capsys.readouterr().out


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda data: b"", "no bundle"),
        (lambda data: MAGIC + bytes(4), "head cannot be read"),
        (lambda data: data[:-1], "not what its list says"),
        (lambda data: data + b"x", "follow its end"),
        (lambda data: data[:500], "cut off"),
    ],
)
def test_inspect_says_what_is_wrong(tmp_path, maker, capsys, spoil, why):
    out = tmp_path / "x.bundle"
    out.write_bytes(spoil(maker.release("0.2.0")))
    assert main(["inspect", str(out)]) == 1
    assert why in capsys.readouterr().err


def test_keygen_makes_a_key_and_tells_the_boards_of_it(tmp_path, capsys):
    path, trust = tmp_path / "mine.pem", tmp_path / "keys"
    assert main(["keygen", str(path), "--trust", str(trust)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    modulus = keys.load(path).public_key().public_numbers().n.to_bytes(384, "big")
    assert read_keys(str(trust)) == [modulus]
    assert list(keys.read_trusted(trust.read_text())) == ["mine"]
    assert b"PRIVATE" not in trust.read_bytes()
    said = capsys.readouterr()
    assert main(["keygen", str(path)]) == 1
    assert "never written over" in capsys.readouterr().err
    assert "PRIVATE" not in said.out + said.err


def test_a_key_with_a_passphrase_asks_for_it(tmp_path, monkeypatch, capsys):
    asked = []

    def getpass(prompt):
        asked.append(prompt)
        return "open sesame"

    monkeypatch.setattr("getpass.getpass", getpass)
    path, out = tmp_path / "k.pem", tmp_path / "r.bundle"
    assert main(["keygen", str(path), "--encrypt"]) == 0
    assert b"ENCRYPTED" in path.read_bytes()
    assert main(["roots", "--key", str(path), "-o", str(out)]) == 0 and len(asked) == 2
    monkeypatch.setattr("getpass.getpass", lambda prompt: "wrong")
    assert main(["roots", "--key", str(path), "-o", str(out)]) == 1
    assert "not the passphrase" in capsys.readouterr().err


def test_the_trust_file_of_the_tree_is_one_that_boards_read():
    path = ROOT / "trust" / "keys"
    assert len(read_keys(str(path))) == len(keys.read_trusted(path.read_text()))
