"""How much heap an update needs on the unix port, with a release of full size."""

import subprocess

import pytest
import update_bench as bench

from host_tests.conftest import ROOT
from rescue import boot_record
from tools.bundle import form
from tools.image import tree
from tools.sim.board import find_micropython
from tools.sim.build import build

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
HEAP_KB = 64  # of words twice as wide as the board's
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from device.update import install
noted, detail = install.attempt(sys.argv[3], "0.0.1", lambda name: None, sys.argv[2], "x64")
print(noted["code"] or "installed", detail)
"""


def test_an_update_needs_no_more_heap_for_a_large_release(tmp_path, flash, maker):
    """A hundred and more files in the heap that three files need: nothing grows with them."""
    files = tree.release_files("x64") | {"trust/keys": maker.trust}
    files["release.json"] = tree.release_json(files, "0.2.0", "x64")
    bundle = tmp_path / "new.bundle"
    bundle.write_bytes(form.sign(form.release(files, "0.2.0", "x64"), maker.key))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    code = build(ROOT / "build" / "device")
    words = [find_micropython(), "-X", f"heapsize={HEAP_KB}K", script, code, flash.folder, bundle]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "installed", done.stdout + done.stderr
    assert len(files) > 100 and bench.is_whole(flash.path / "b")
    assert boot_record.read(flash.folder)[1:] == ("a", "b", 0)
