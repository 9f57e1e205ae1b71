"""What only MicroPython can show: its JSON parser, its stack, and an interrupt without a heap.

Each test runs a few lines on the unix port and compares with what CPython says of the same input.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MICROPYTHON = shutil.which("micropython", path=str(pathlib.Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(not MICROPYTHON, reason="no unix port on this machine")

HEAD = """
import sys
sys.path.insert(0, sys.argv[1])
import json
"""


def micropython(tmp_path, script, *arguments):
    """The last line that script prints, as JSON."""
    path = tmp_path / "script.py"
    path.write_text(HEAD + script)
    result = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=1M", str(path), str(ROOT), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.strip().splitlines()[-1])


RING = """
import micropython
from device.capture.ring import BlockRing

ring = BlockRing(3, 64)
ring.slot(); ring.commit(1); ring.oldest(); ring.release()  # what a first call makes stays
found = []

def interrupt():
    block = ring.slot()
    if block is None:
        ring.overrun(64)
    else:
        block[0] = 7
        ring.commit(64)

interrupt()
ring.clear()
micropython.heap_lock()
try:
    for _ in range(5):
        interrupt()
finally:
    micropython.heap_unlock()
while ring.oldest():
    found.append(ring.oldest()[1:])
    ring.release()
print(json.dumps({"found": found, "lost": ring.lost_frames}))
"""


def test_the_interrupt_side_of_the_ring_needs_no_heap(tmp_path):
    found = micropython(tmp_path, RING)
    assert found == {"found": [[64, 0]] * 3, "lost": 128}


def test_heap_lock_would_notice(tmp_path):
    """The test above can fail: an allocation under the lock raises."""
    script = """
import micropython
micropython.heap_lock()
try:
    x = bytearray(64)
    noticed = False
except MemoryError:
    noticed = True
micropython.heap_unlock()
print(json.dumps(noticed))
"""
    assert micropython(tmp_path, script) is True


ANSWERS = [
    b'{"id":"r1"}',
    b'{"id":"r1","n":{"a":[1,2,{"b":null}]},"s":"x\\"}{,:"}',
    b' {"id" : "r1" , "x" : -1.5e3 } ',
    b'{"id":"r1",}',
    b'{"id" "r1"}',
    b'{"id","r1"}',
    b'{"id":"r1"]',
    b'{"a":{"b":1]}',
    b'{"id":"r1"}}',
    b'{"id":"r1"',
    b'{"id":"r1"}{}',
    b'{"id":"a" "b"}',
    b'{"a":1"id":"r2"}',
    b'{"a":1 2}',
    b'{:"r1"}',
    b'{"id":}',
    b'{,"id":"r1"}',
    b'{"id"::"r1"}',
    b'{"id":"r1",,"b":1}',
    b'{"a":[1 2]}',
    b'{"a":[1,]}',
    b"{'id':'r1'}",
    b'{"id":r1}',
    b'{"id":tru}',
    b"{}",
    b"[]",
    b"null",
    b'"r1"',
    b"",
]

PARSE = """
from device.http.response import Response
from device.errors import DeviceError
with open(sys.argv[2]) as f:
    inputs = json.load(f)
found = []
for text in inputs:
    response = Response(200, {})
    response.content = text.encode()
    try:
        found.append(response.json())
    except DeviceError as e:
        found.append(e.code)
print(json.dumps(found))
"""


def test_answers_are_judged_alike(tmp_path):
    from device.errors import DeviceError
    from device.http.response import Response

    wanted = []
    for content in ANSWERS:
        response = Response(200, {})
        response.content = content
        try:
            wanted.append(response.json())
        except DeviceError as e:
            wanted.append(e.code)
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps([content.decode() for content in ANSWERS]))
    found = micropython(tmp_path, PARSE, str(path))
    different = [(ANSWERS[n], found[n]) for n in range(len(found)) if found[n] != wanted[n]]
    assert different == []


CONFIGS = [
    '{"upload":{"retry_first_s":40}}',
    '{"upload" {"retry_first_s":40}}',
    '{"upload":{"retry_first_s" 40}}',
    '{"upload","x"}',
    '{"upload":{"retry_first_s":40 "retry_cap_s":50}}',
    '{"upload":{"retry_first_s":4 0}}',
    '{"upload":{"retry_first_s":40,}}',
    '{"upload":{"retry_first_s":40]}',
    '{"upload":{"retry_first_s":40}} x',
    '{"upload":{"retry_first_s":40}}{}',
    '{"upload":{"retry_first_s":40.0}}',
    '{"upload":{"retry_first_s":"40"}}',
    '{"log":{"level":debug}}',
    '{"wifi":{"networks":["home","B\\u00fcro"]}}',
    '{"recording":{"mode":"always"}}',
    '{"a":1',
    "{}",
    "[]",
    "",
]

CONFIG = """
from device import config
with open(sys.argv[2]) as f:
    inputs = json.load(f)
found = []
for text in inputs:
    settings, faults = config.load(text.encode())
    found.append([settings["upload.retry_first_s"], settings["wifi.networks"], len(faults)])
print(json.dumps(found))
"""


def test_settings_are_judged_alike(tmp_path):
    from device import config

    wanted = []
    for text in CONFIGS:
        settings, faults = config.load(text.encode())
        wanted.append([settings["upload.retry_first_s"], settings["wifi.networks"], len(faults)])
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps(CONFIGS))
    found = micropython(tmp_path, CONFIG, str(path))
    different = [(CONFIGS[n], found[n]) for n in range(len(found)) if found[n] != wanted[n]]
    assert different == []


NESTED = """
from device import config
found = []
for depth in range(50, 1360, 50):
    text = '{"a":' * depth + "1" + "}" * depth
    try:
        settings, faults = config.load(text.encode())
        found.append(len(faults) == 1)
    except RuntimeError as e:
        found.append(str(e))
print(json.dumps(found))
"""


def test_nested_settings_are_a_fault_at_any_depth(tmp_path):
    found = micropython(tmp_path, NESTED)
    assert set(found) == {True}
