"""What is no bundle is refused on MicroPython as on CPython, with the same reason."""

import json
import random
import subprocess

import pytest
from test_bundle_refused import entry, facts, listed
from update_bench import ARCH

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
SCRIPT = """
import sys, json
sys.path.insert(0, sys.argv[1])
from device.update import install
found = []
for n in range(int(sys.argv[4])):
    path = sys.argv[3] + "/%d" % n
    noted = install.attempt(path, "0.1.0", lambda name: None, sys.argv[2], sys.argv[5], True)[0]
    found.append(noted["code"])
print(json.dumps(found))
"""
PATHS = (
    "../boot.py",
    "/boot.py",
    "device/../x",
    "device//x",
    "boot.py",
    "device/\u00e5",
    "device/a b",
)
LINES = (
    b"",
    b"\n",
    b"[]\n",
    b"[" * 300 + b"\n",
    b'"' + b"a" * 600 + b'"\n',
    b"\xff\xfe\n",
    b"nul\n",
)
FACTS = (
    {"files": 2.5}, {"files": 1 << 70}, {"bytes": -1}, {"version": "1.2"},
    {"version": "1.2.\u0663"}, {"version": None}, {"kind": 1}, {"arch": []},
    {"bytes": "2"}, {"kind": "roots"},
)  # fmt: skip


def hostile(maker, chance):
    """Bundles, each wrong in its own way, most of them signed; the last one is good."""
    good = maker.release("0.2.0")
    yield from (
        b"",
        b"BOTABND1",
        good[:395],
        good[:-1],
        good + b"x",
        good.replace(b"0.2.0", b"0.3.0"),
    )
    for path in PATHS:
        head, bodies = listed(path)
        yield maker.signed(head, bodies)
    for line in LINES:
        yield maker.signed([facts(2, 2), line, entry("release.json")], b"xx")
        yield maker.signed([line, entry("release.json")], b"x")
    for changes in FACTS:
        head = [facts(2, 2, **changes), entry("device/a"), entry("release.json")]
        yield maker.signed(head, b"xx")
    head, bodies = listed("device/a", "device/b")
    for _ in range(40):
        spoilt = bytearray(b"".join(json.dumps(line).encode() + b"\n" for line in head))
        for _ in range(chance.randrange(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        yield maker.signed([bytes(spoilt)], bodies)
    for _ in range(40):
        flipped = bytearray(good)
        flipped[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
    yield good


def test_both_interpreters_refuse_the_same_for_the_same_reason(tmp_path, flash, maker):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    made = list(hostile(maker, random.Random(seed)))
    for number, data in enumerate(made):
        (tmp_path / str(number)).write_bytes(data)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    code = build(ROOT / "build" / "device")
    words = [find_micropython(), "-X", "heapsize=128K", script, code, flash.folder, tmp_path]
    words += [len(made), ARCH]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    wanted = [flash.refusal(data, dry_run=True) or "" for data in made]
    differ = [(n, found[n], wanted[n]) for n in range(len(made)) if found[n] != wanted[n]]
    assert differ == [], f"seed {seed}"
    assert found[-1] == "" and found.count("bad_bundle") > 40, f"seed {seed}"
