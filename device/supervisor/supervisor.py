"""The task table: starts every task, feeds the watchdog when all have checked in, resets on a
surprise.

A task says with check_in(within_ms) when it will be heard of again at the latest; None: it rests
until an event that nobody can foresee (the button). One overdue task
and the watchdog is no longer fed: the board resets, and the durable state goes on from there. A
task that ends or raises is an event: it is logged with its traceback and the program is left
(Fatal), because a half-deaf recorder is worse than a reset.

Ten minutes with every task alive prove the program: starts count from 0 again and a release on
trial stays (rescue/choice.py). An answered heartbeat would be quicker, but tells only that the way
to the cloud works: a program whose recorder dies after a minute would prove itself each time.
"""

import asyncio
import gc

from device.compat import const, short_traceback, sleep_ms, ticks_add, ticks_diff, ticks_ms

_FEED_MS = const(2_000)
_FIRST_CHECK_IN_MS = const(120_000)
_TRACEBACK_CHARS = const(600)
_MEMORY_TRIES = const(10)
_MEMORY_PAUSE_MS = const(1_000)
_PROOF_MS = const(600_000)


class Supervisor:
    """watchdog: port; limit_ms: its limit, above the longest legitimate blocking call."""

    def __init__(self, watchdog, limit_ms, log):
        self._watchdog = watchdog
        self._limit_ms = limit_ms
        self._log = log
        self._table = []  # [name, run(check_in), task, due_ticks_ms]
        self._failure = None
        self._ended = asyncio.Event()

    def add(self, name, run):
        """run: coroutine function that takes check_in and never ends by itself."""
        self._table.append([name, run, None, 0])

    def stands_still(self, limit_ms):
        """The board is about to sleep for so long: no task will check in, nobody feed."""
        self._watchdog.start(2 * limit_ms + self._limit_ms)

    def goes_on(self, passed_ms):
        """It slept for so long: every task has that much more time."""
        for row in self._table:
            if row[3] is not None:
                row[3] = ticks_add(row[3], passed_ms)
        self._watchdog.feed()  # before the limit is the short one again
        self._watchdog.start(self._limit_ms)

    async def run(self):
        """Start all tasks; returns the name of the task that failed, after stopping the others."""
        self._watchdog.start(self._limit_ms)
        for row in self._table:
            row[3] = ticks_add(ticks_ms(), _FIRST_CHECK_IN_MS)
            row[2] = asyncio.create_task(self._guarded(row))
        proof_ticks_ms = ticks_add(ticks_ms(), _PROOF_MS)
        try:
            while self._failure is None:
                if self._all_alive():
                    self._watchdog.feed()
                    if proof_ticks_ms is not None and ticks_diff(proof_ticks_ms, ticks_ms()) <= 0:
                        proof_ticks_ms = self._prove()
                await sleep_ms(_FEED_MS)
        finally:
            await self._stop()
        return self._failure

    def _prove(self):
        """Returns when to try again: None if it is done."""
        try:
            from rescue import choice, forget

            if choice.prove():
                self._log.info("program has proved itself")
            forget()
        except ImportError:
            pass  # frozen without a rescue program: nobody counts
        except Exception as e:  # noqa: BLE001  whatever is broken there, the program is well
            self._log.warning("proof is not written: %s %s", e.__class__.__name__, e)
            return ticks_add(ticks_ms(), _PROOF_MS)
        return None

    async def _guarded(self, row):
        def check_in(within_ms):
            row[3] = None if within_ms is None else ticks_add(ticks_ms(), within_ms)

        try:
            for _ in range(_MEMORY_TRIES):
                try:
                    await row[1](check_in)
                    break
                except MemoryError:
                    # Often a moment's shortage: what the task keeps lives in its object, so it can
                    # begin again. If it goes on, only a reset makes the heap whole.
                    gc.collect()
                    self._log.warning("task is short of memory task=%s", row[0])
                    await sleep_ms(_MEMORY_PAUSE_MS)
            self._log.error("task ended task=%s", row[0])
        except Exception as e:  # noqa: BLE001  the one boundary where a surprise may arrive
            self._log.error("task failed task=%s", row[0])
            self._log.error("%s", short_traceback(e)[-_TRACEBACK_CHARS:])
        finally:
            # Also where saying so failed for lack of memory: a task that ended must be noticed.
            self._failure = self._failure or row[0]

    def _all_alive(self):
        now = ticks_ms()
        for row in self._table:
            if row[3] is not None and ticks_diff(row[3], now) < 0:
                self._log.error("task is overdue task=%s", row[0])
                return False
        return True

    async def _stop(self):
        for row in self._table:
            if row[2] is not None:
                row[2].cancel()
        await sleep_ms(0)
