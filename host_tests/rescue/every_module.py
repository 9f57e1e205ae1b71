"""What breaks, and how it is judged: for the sample in the tests, and for all of it."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from host_tests.conftest import ROOT
from tools.sim.board import find_micropython
from tools.sim.build import build

FAULTS = ("torn", "raises", "heap", "hangs")
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


def deliver(factory, pairs) -> list:
    """Each pair on a board of its own, four at a time: most of it is waiting. Returns those
    where a clip was lost or came twice, with what is wrong.
    """
    boards = [factory.board(pair, starts=4) for pair in pairs]

    def faults_of(board):
        log = board.deliver(cause="watchdog", limit_s=90)
        found = board.faults()
        if "W rescue because" not in log:
            found.append("the rescue program was not needed: what was broken?")
        return found

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(faults_of, boards))
    return [pair for pair in zip(pairs, found, strict=True) if pair[1]]
