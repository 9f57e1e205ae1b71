"""Every module of the full program is broken in turn; what waits must arrive all the same.

`make test` takes a sample of the pairs (module, fault), drawn from a printed seed so that each run
sees others; RESCUE_ALL=1 (make torture) takes all of them, some minutes long.
"""

import os
import random
import subprocess

import pytest

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

FAULTS = ("torn", "raises", "heap", "hangs")
SAMPLE = 14
SEED = int(os.environ.get("RESCUE_SEED") or random.SystemRandom().randrange(10**6))
# Loaded for the start and let go of, so that the list below does not show them.
_FORGOTTEN = ("app", "config", "config_table", "strict_json", "start")
_LIST = """
import sys
sys.path.insert(0, %r)
from device.start import prepare
from device.hal.sim.board import build
supervisor = prepare(build())
print(" ".join(name for name in sys.modules if name.startswith("device")))
"""


def loaded_modules(factory) -> list[str]:
    """Files of the modules that the full program loads on the way to its tasks."""
    board = factory.board()
    code = str(build(ROOT / "build" / "device"))
    run = [find_micropython(), "-X", "heapsize=1M", "-c", _LIST % code]
    done = subprocess.run(run, cwd=board.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = set(done.stdout.split()) | {"device." + name for name in _FORGOTTEN}
    paths = ["/".join(name.split(".")) for name in names]
    found = [p + ".mpy" for p in paths if (board.code / (p + ".mpy")).exists()]
    return sorted(found + [p + "/__init__.mpy" for p in paths if (board.code / p).is_dir()])


def deliver(factory, module: str, fault: str) -> list[str]:
    """The causes of the starts that it took; fails if a clip is lost or comes twice."""
    board = factory.board((module, fault), starts=4)
    log = board.deliver(cause="watchdog", limit_s=90)
    assert board.faults() == [], (module, fault, log[-3000:])
    assert "W rescue because" in log, (module, fault, "was not needed", log[-3000:])
    return board.causes


def test_a_sample_of_broken_modules(factory):
    modules = loaded_modules(factory)
    assert len(modules) > 60, modules
    pairs = random.Random(SEED).sample([(m, f) for m in modules for f in FAULTS], SAMPLE)
    print(f"RESCUE_SEED={SEED}", pairs)
    for module, fault in pairs:
        deliver(factory, module, fault)


@pytest.mark.timeout(3000)
@pytest.mark.skipif(not os.environ.get("RESCUE_ALL"), reason="make torture runs all of them")
@pytest.mark.parametrize("fault", FAULTS)
def test_all_of_them(factory, fault):
    for module in loaded_modules(factory):
        deliver(factory, module, fault)
