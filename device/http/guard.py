"""A time limit on progress that costs two additions a piece, not a task a piece.

`asyncio.wait_for` around each 4 KiB piece would make a task for each; one watcher for a whole
request, with a deadline that moves, is as strict and nearly free.
"""

import asyncio

from device.compat import sleep_ms, ticks_add, ticks_diff, ticks_ms
from device.errors import Transient


class Guard:
    """arm() says how long the next step may take and what it is; overdue steps raise Transient.

    Endings of run(): done; failed by itself; timed out (the task is cancelled by the watcher and
    the cancellation becomes Transient(timeout)); cancelled from outside (passed on).
    """

    def __init__(self):
        self._deadline_ticks_ms = 0
        self._what = ""
        self._expired = False

    def arm(self, limit_ms, what):
        self._deadline_ticks_ms = ticks_add(ticks_ms(), limit_ms)
        self._what = what

    async def run(self, awaitable, limit_ms, what):
        self.arm(limit_ms, what)
        self._expired = False
        watcher = asyncio.create_task(self._watch(asyncio.current_task()))
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._expired:
                raise Transient("timeout", self._what)
            raise
        finally:
            watcher.cancel()

    async def _watch(self, task):
        while True:
            left_ms = ticks_diff(self._deadline_ticks_ms, ticks_ms())
            if left_ms <= 0:
                self._expired = True
                task.cancel()
                return
            await sleep_ms(left_ms)
