"""`recorder update` against a virtual board on a real serial port, with the real mpremote."""

import json

import pytest
from test_roots import ca_der, folder_of
from update_bench import is_whole

from rescue import boot_record
from tools.bundle import form, roots
from tools.image import tree
from tools.recorder import watching
from tools.recorder.cli import main
from tools.sim.board import find_micropython
from tools.sim.serial import SerialBoard

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
NEW = "0.9.0"


@pytest.fixture(scope="module")
def release(maker):
    """A few files in place of a program: what arrives counts here, not what it does."""
    files = {"device/app.mpy": b"M", "device/hal/x.mpy": bytes(5000), "trust/keys": maker.trust}
    return files | {"release.json": tree.release_json(files, NEW, "x64")}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, maker, release):
    path = tmp_path_factory.mktemp("bundle") / "new.bundle"
    path.write_bytes(form.sign(form.release(release, NEW, "x64"), maker.key))
    return path


@pytest.fixture
def serial(tmp_path, maker):
    """A recorder that trusts maker, plugged in."""
    with SerialBoard(tmp_path / "board", "SIM-0007") as board:
        board.equip()
        files = tree.board_tree("x64", boot_record.NONE, config=b"{}")
        board.image(None, files | {"trust/keys": maker.trust})
        board.plug_in()
        yield board


def recorder(capsys, serial, *words):
    """(exit code, the document of --json, what was said besides)."""
    capsys.readouterr()
    code = main(["update", "--board", serial.device, "--json", *map(str, words)])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def on_flash(serial, tmp_path):
    """What lies there, as files of the host; the boot record."""
    serial.pull_cable()
    target = tmp_path / "flash"
    for name, data in serial.read_image().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return target, boot_record.read(str(target) + "/")[1:]


def test_an_update_arrives_and_is_tried(serial, bundle, release, capsys, tmp_path):
    code, done, _ = recorder(capsys, serial, "--bundle", bundle, "--dry-run")
    assert code == 0 and done["version"] == NEW and done["dry_run"]
    code, done, _ = recorder(capsys, serial, "--bundle", bundle, "--wait", "0")
    assert code == 0, done
    assert (done["device"], done["version"], done["was"]) == ("SIM-0007", NEW, tree.version())
    assert done["outcome"] == "on_trial"
    flash, record = on_flash(serial, tmp_path)
    assert record[:2] == ("-", "a") and is_whole(flash / "a")
    lies = {n[2:]: d for n, d in serial.read_image().items() if n.startswith("a/")}
    assert lies == release
    assert not (flash / "incoming" / "update.bundle").exists()


def test_a_bundle_of_somebody_else_is_refused_in_words(serial, maker, release, tmp_path, capsys):
    before = serial.read_image()
    path = tmp_path / "evil.bundle"
    path.write_bytes(form.sign(form.release(release, NEW, "x64"), maker.other_key))
    code, done, _ = recorder(capsys, serial, "--bundle", path)
    assert code == 4 and "bad_signature" in done["error"]
    assert "that the maker's key signed" in done["error"]
    path.write_bytes(form.sign(form.release(release, "0.0.1", "x64"), maker.key))
    code, done, _ = recorder(capsys, serial, "--bundle", path)
    assert code == 4 and "too_old" in done["error"]
    serial.pull_cable()
    after = serial.read_image()
    noted = {name for name in after if name.startswith("update")}
    kept = ("boot", "log/")  # starts are counted, and the log goes on
    assert {n: d for n, d in after.items() if n not in noted and n[:4] not in kept} == {
        n: d for n, d in before.items() if n[:4] not in kept
    }
    assert b"too_old" in b"".join(after[name] for name in noted)


def test_roots_alone_are_replaced(serial, maker, tmp_path, capsys):
    packed = roots.pack(folder_of(tmp_path / "set", "2031.1.1", ca_der()))
    path = tmp_path / "roots.bundle"
    path.write_bytes(form.sign(form.roots(packed, "2031.1.1"), maker.key))
    code, done, _ = recorder(capsys, serial, "--bundle", path)
    assert code == 0 and done["kind"] == "roots"
    serial.pull_cable()
    assert serial.read_image()["roots"] == packed


@pytest.mark.parametrize(
    "data, why",
    [(b"PK\x03\x04", "no bundle"), (None, "No such file"), ("cut", "what its list says")],
)
def test_what_is_no_bundle_is_refused_before_the_board_is_touched(
    tmp_path, bundle, capsys, data, why
):
    path = tmp_path / "file"
    if data is not None:
        path.write_bytes(bundle.read_bytes()[:-9] if data == "cut" else data)
    assert main(["update", "--bundle", str(path), "--board", "/dev/null"]) == 2
    assert why in capsys.readouterr().err


def test_what_a_status_says_of_a_trial():
    def status(firmware, trial):
        return {"firmware": firmware, "update": {"trial": trial}}

    assert watching.judge(status(NEW, "a"), NEW) == watching.ON_TRIAL
    assert watching.judge(status(NEW, "-"), NEW) == watching.PROVED
    assert watching.judge(status("0.1.0", "-"), NEW) == watching.TAKEN_BACK
    assert watching.judge(status("0.1.0", "a"), NEW) == watching.ON_TRIAL
    assert watching.judge(None, NEW) is watching.judge({"firmware": NEW}, NEW) is None
