"""Every call of the net port fails once in a full cycle: create, URL, PUT, complete, free.

The calls are open, write and readinto, as the real client makes them; the kinds are those that the
port's translation gives (contract tests hold it to the errnos), and a call that never returns.
"""

import asyncio

import fakes
import pytest
from test_transfer_lane import Link
from test_transfer_wire import Bench

from device.errors import Transient
from device.queue.backlog import Backlog
from device.queue.waits import Waits
from device.transfer.lane import Lane

KINDS = ("connection_lost", "connect_failed", "dns_failed", "low_memory", "MemoryError", "hangs")


class Calls:
    """Counts the calls of a net port and lets number fails_at fail."""

    def __init__(self, net, fails_at, kind):
        self.count = 0
        self._fails_at = fails_at
        self._kind = kind
        self._open = net.open
        net.open = self.open

    async def _call(self):
        self.count += 1
        if self.count == self._fails_at:
            if self._kind == "hangs":
                await fakes.for_ever()
            raise MemoryError if self._kind == "MemoryError" else Transient(self._kind, "fake")

    async def open(self, *where):
        await self._call()
        connection = await self._open(*where)
        for name in ("write", "readinto"):
            setattr(connection, name, self._counted(getattr(connection, name)))
        return connection

    def _counted(self, method):
        async def call(mv):
            await self._call()
            return await method(mv)

        return call


def cycle(folder, time, fails_at, kind):
    """(number of calls, the bench) of one clip's way with one call that fails."""
    folder.mkdir()
    bench = Bench(folder, time)
    calls = Calls(bench.net, fails_at, kind)
    waits = Waits(30, 1800, bench.clock, lambda bits: 0)
    backlog = Backlog(bench.store, lambda: 0, lambda number: None)
    parts = (bench.store, backlog, waits, bench.strategy, bench.cloud, Link(), bench.clock)
    lane = Lane(*parts, 0, bench.log)

    async def main():
        task = asyncio.create_task(lane.run(lambda within_ms: None))
        for _ in range(40):
            await asyncio.sleep(10)
            if lane.delivered:
                break
        fakes.stop(task)
        return lane

    fakes.run(main(), time)
    return calls.count, bench, lane


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_fails_once_and_the_clip_arrives_once(tmp_path, time, kind):
    whole, _, _ = cycle(tmp_path / "whole", time, 0, kind)
    assert whole > 15
    for number in range(1, whole + 1):
        calls, bench, lane = cycle(tmp_path / str(number), time, number, kind)
        assert calls > whole - 1, number
        assert (lane.delivered, lane.set_aside) == (1, 0), (number, bench.lines)
        assert not [name for name in fakes.tree(bench.store.root + "/clips") if "." in name]
        creates = {
            (request.header("Idempotency-Key"), request.body)
            for route, _, request in bench.server.requests
            if route == "create"
        }
        assert len(creates) == 1
        routes = bench.server.routes()
        assert "put" not in routes[routes.index("complete") :], (number, routes)
        assert bench.net.most_open <= 2
