"""One allocation of CPython's fails somewhere in a clip's way: create, URL, PUT, complete, free.

CPython's own hook (_testcapi.set_nomemory) fails the n-th allocation of the whole process, be it
of the device's code, of asyncio or of the test's fakes. What escapes ends that life, as a reset
would; the next one begins over the same medium and the same server. A seeded sample of n, each in
a child process of its own. Heap sizes on MicroPython are test_heap_sizes.py's.
"""

import asyncio
import itertools
import os
import random
import signal
import sys
import traceback

import fakes
import pytest
from test_transfer_lane import Link
from test_transfer_wire import Bench

from device.http.client import HttpClient
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.transfer.cloud import Cloud
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile

_testcapi = pytest.importorskip("_testcapi", reason="this CPython has no hook for allocations")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
SAMPLES = 40
LIFE_S = 10_000  # virtual: the lane's longest wait is half an hour
LIMIT_S = 300  # of a child that hangs
REACHED, WHOLE, BROKEN = 10, 11, 12  # exit codes of a child


def life(bench, time, fails_at):
    """Deliver until it is done, or until what failed ends this life. True if it is done."""
    store = fakes.make_store(bench.store.root, bench.secrets)
    http = HttpClient(
        fakes.Net(bench.server), memoryview(bytearray(4096)), [bytearray(1024), bytearray(1024)]
    )
    cloud = Cloud(http, "https://api.example", bench.secrets, bench.clock)
    strategy = WholeFile(store, cloud, bench.clock, "d", "s", bench.log)
    waits = Waits(30, 1800, bench.clock, lambda bits: 0)
    backlog = Backlog(store, lambda: 0, lambda number: None)
    parts = (store, backlog, waits, strategy, cloud, Link(), bench.clock, 0, bench.log)
    lane = Lane(*parts)
    # Kept by the loop: what was to wake main may be what failed, and the lane goes on without it.
    time.ends_s = time.seconds + LIFE_S

    async def main():
        task = asyncio.create_task(lane.run(lambda within_ms: None))
        if fails_at:
            _testcapi.set_nomemory(fails_at, fails_at + 1)
        try:
            while not (lane.delivered or task.done()):  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(10)
        finally:
            _testcapi.remove_mem_hooks()
        fakes.stop(task)
        return lane.delivered == 1 and not lane.set_aside

    return fakes.run(main(), time)


def child(folder, fails_at):
    """Exit code: WHOLE, or REACHED where the failed allocation left a trace; BROKEN with why."""
    time = fakes.Time()
    import device.compat

    device.compat.time = time
    bench = Bench(folder, time)
    try:
        done = life(bench, time, fails_at)
    except BaseException:  # noqa: BLE001  whatever escapes is a reset of the board
        _testcapi.remove_mem_hooks()
        done = False
    ended = not done
    if ended:
        # Also where asyncio itself lost a wake-up: the watchdog sees a task that is overdue.
        # The loop of that life is left as it is: a program that was reset closes nothing.
        time.runner = None
        done = not bench.store.after(0) or life(bench, time, 0)
    creates = {
        (request.header("Idempotency-Key"), request.body)
        for route, _, request in bench.server.requests
        if route == "create"
    }
    routes = bench.server.routes()
    left = [name for name in fakes.tree(bench.store.root + "/clips") if "." in name]
    assert done and len(creates) == 1, (done, creates, bench.lines)
    assert "put" not in routes[routes.index("complete") :], routes
    assert not left, left
    return REACHED if ended or len(routes) > 4 or "memory" in "".join(bench.lines) else WHOLE


def outcome(folder, fails_at):
    """What a child came to: REACHED, WHOLE, or a text that says what broke."""
    folder.mkdir()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        # The signal itself ends it: pytest-timeout's handler would raise, and a task swallow that.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT_S)
        code = BROKEN
        try:
            code = child(folder, fails_at)
        except BaseException:  # noqa: BLE001  it goes to the parent
            os.write(write, traceback.format_exc()[-3000:].encode())
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode(errors="replace")
    status = os.waitpid(pid, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    return code if code in (REACHED, WHOLE) else f"exit {code}: {said}"


def test_an_allocation_that_fails_anywhere_loses_and_doubles_nothing(tmp_path):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    # How many allocations a whole way takes: twice as many, until none of them is reached.
    most = 512
    while most < 1 << 20 and outcome(tmp_path / f"most {most}", most) == REACHED:
        most *= 2
    found = {}
    for n in chance.sample(range(1, most), SAMPLES):
        found[n] = outcome(tmp_path / str(n), n)
    broken = {n: what for n, what in found.items() if not isinstance(what, int)}
    assert not broken, (len(broken), dict(list(broken.items())[:2]))
    reached = sum(what == REACHED for what in found.values())
    print(f"{reached} of {SAMPLES} below {most} were reached")
    assert reached > SAMPLES // 8


def test_a_life_in_which_nobody_is_woken_to_end_it_ends_all_the_same():
    time = fakes.Time()
    time.ends_s = LIFE_S

    async def main():
        for _ in itertools.count():  # as the lane does: an idle look at its queue each minute
            await asyncio.sleep(60)

    with pytest.raises(RuntimeError, match="virtual time is over"):
        fakes.run(main(), time)
    assert LIFE_S < time.seconds <= LIFE_S + 60
    time.runner.close()
