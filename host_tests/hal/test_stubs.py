"""device/ type-checks against the official stubs of the ESP32 port, and the fakes have their
signatures.
"""

import os
import re
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT
from host_tests.hal import typings

# Where the stubs themselves are wrong, with what the port has. A line that is no longer found
# must leave this table.
STUB_GAPS = {
    # extmod/asyncio/core.py is a module of the package
    'device/compat.py: error: Module "asyncio" has no attribute "core"',
    # docs/library/ssl.rst, SSLContext.verify_mode; extmod/modtls_mbedtls.c (ssl_context_attr)
    'device/hal/sockets.py: error: "SSLContext" has no attribute "verify_mode"',
    'rescue/wire.py: error: "SSLContext" has no attribute "verify_mode"',
    # micropython-lib, python-ecosys/requests: it imports socket; the types found are CPython's
    'device/field/probe.py: error: Module has no attribute "socket"',
    # device/field/apply.py, which the technician's tool puts there
    'boot.py: error: Cannot find implementation or library stub for module named "incoming.apply"',
    # docs/library/vfs.rst: both are made from a block device, and are none
    'device/hal/esp32/storage.py: error: Cannot instantiate abstract class "VfsFat" with '
    'abstract attributes "ioctl", "readblocks" and "writeblocks"',
    'rescue/esp32_board.py: error: Cannot instantiate abstract class "VfsFat" with '
    'abstract attributes "ioctl", "readblocks" and "writeblocks"',
    'device/hal/esp32/storage.py: error: Cannot instantiate abstract class "VfsLfs2" with '
    'abstract attributes "ioctl", "readblocks" and "writeblocks"',
}


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    return typings.lay_out(tmp_path_factory.mktemp("typings"))


def check(stubs, cache, *what):
    """What mypy says about our files, without line numbers and error codes."""
    command = [sys.executable, "-m", "mypy", "--config-file", "host_tests/hal/mypy.ini"]
    command += ["--custom-typeshed-dir", str(stubs), "--cache-dir", str(cache), *map(str, what)]
    environment = {**os.environ, "MYPYPATH": str(stubs)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "checked" in done.stdout, done.stdout + done.stderr
    # What the stubs say about themselves is not ours.
    ours = [line for line in done.stdout.splitlines() if ": error:" in line]
    ours = [line for line in ours if not line.startswith(str(stubs)) and ".pyi:" not in line]
    return {
        re.sub(r":\d+:|  \[[\w-]+\]$", lambda m: ":" if m[0][0] == ":" else "", x) for x in ours
    }


def test_device_is_clean(stubs, tmp_path):
    assert check(stubs, tmp_path, "device", "boot.py", "main.py") == STUB_GAPS


def test_a_wrong_call_of_the_hardware_is_found(stubs, tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from machine import I2S, Pin, WDT\n"
        "import network\n"
        "def f():\n"
        "    WDT(limit=5)\n"
        "    I2S(0, sck=Pin(1), ws=Pin(2), sd=Pin(3), mode=I2S.RX, bits=32)\n"
        "    network.WLAN(network.STA_IF).join('a')\n"
    )
    found = " ".join(check(stubs, tmp_path / "cache", wrong))
    for word in ("limit", "join", "ibuf|No overload|Missing"):
        assert re.search(word, found), found
