"""Virtual time for asyncio: an event loop whose clock jumps to the next thing that happens.

Polls (a task that looks around every second) would make a month cost ten million steps. So a wait
that the harness marks as a poll may come late while the board is quiet: it then ends with the next
real event, as on a board that sleeps lightly in between. Code that keeps the processor busy
(flash, TLS) moves the clock itself, with `stall`.
"""

import asyncio
import heapq
import types
from collections import deque

_NEVER_MS = float("inf")
_AFTER_POLLS_MS = 50  # the supervisor's look comes after those it looks at
_MAX_STEPS = 3_000_000  # of one life; a busy month has 50,000


class Stuck(Exception):
    """Nothing can ever happen again."""


class _Timer:
    """A callback that is to run at its time. No context, no debugging: a third of what
    asyncio.TimerHandle takes.
    """

    __slots__ = ("_callback", "_arguments", "has_run")

    def __init__(self, callback, arguments=()):
        self._callback = callback  # None: cancelled
        self._arguments = arguments
        self.has_run = False

    def cancel(self):
        self._callback = self._arguments = None

    def done(self):
        return self._callback is None

    def set_result(self, _):
        if self._callback is not None:
            self.has_run = True
            self._callback(*self._arguments)


class Loop(asyncio.AbstractEventLoop):
    """Just enough of a loop for tasks, futures, sleeps and time limits.

    advance(ms): told of every step of the clock, before anything runs that was due.
    is_quiet(), next_event_ms(): asked while every task waits; a quiet board's polls may come late,
    but not later than its own next event.
    """

    grid_ms = 12 * 3600 * 1000  # a quiet board looks around twice a day at least
    lazy_ms = 1_500  # a busy board's polls wait so long for each other: fewer steps a month

    def __init__(self, now_ms, advance, is_quiet, next_event_ms):
        self.now_ms = now_ms
        self._advance = advance
        self._is_quiet = is_quiet
        self._next_event_ms = next_event_ms
        self._ready = deque()  # (callback, its arguments)
        # (when, number, who waits, …): a future, or a _Timer, which has the methods that count.
        self._timers = []
        self._polls = []
        self._count = 0
        self.late_at_ms = now_ms  # when a poll came late, last

    # What asyncio asks of a loop.

    get_debug = bool  # says False, without a step in Python for each future

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def time(self):
        return self.now_ms / 1000

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coroutine, *, name=None, context=None):
        task = asyncio.Task(coroutine, loop=self, name=name)
        task._log_destroy_pending = False  # a power cut ends tasks without asking them
        return task

    def call_soon(self, callback, *arguments, context=None):
        self._ready.append((callback, arguments))  # asyncio cancels none of these

    def call_later(self, delay_s, callback, *arguments, context=None):
        return self.call_at_ms(self.now_ms + round(delay_s * 1000), callback, *arguments)

    def call_at(self, when_s, callback, *arguments, context=None):
        return self.call_at_ms(round(when_s * 1000), callback, *arguments)

    def call_exception_handler(self, context):
        error = context.get("exception")
        if isinstance(error, SystemExit):
            return  # a power cut that went through a task
        raise RuntimeError(context["message"]) from error

    def _timer_handle_cancelled(self, handle):
        pass

    # The harness's own.

    def call_at_ms(self, at_ms, callback, *arguments):
        timer = _Timer(callback, arguments)
        self._count += 1
        heapq.heappush(self._timers, (at_ms, self._count, timer))
        return timer

    def wake_after_ms(self, delay_ms, waiting):
        """Then waiting.set_result(None), unless it is done."""
        self._count += 1
        heapq.heappush(self._timers, (self.now_ms + delay_ms, self._count, waiting))

    def poll_after_ms(self, delay_ms, waiting, is_last=False):
        """wake_after_ms for a poll; is_last: of all polls that come late, this one comes last."""
        self._count += 1
        heapq.heappush(self._polls, (self.now_ms + delay_ms, self._count, waiting, is_last))

    def stall(self, ms):
        """The processor is busy for so long: nothing else runs, interrupts do."""
        self.now_ms += ms
        self._advance(self.now_ms)

    def run(self, coroutine):
        """Run coroutine to its end; what it or any callback raises beyond Exception is passed."""
        asyncio._set_running_loop(self)
        task = self.create_task(coroutine)
        ready, timers = self._ready, self._timers
        steps = 0
        try:
            while not task.done():
                if not ready:
                    self._jump()
                elif timers and timers[0][0] <= self.now_ms:
                    self._fire()  # also while somebody is always ready
                steps += len(ready)
                if steps > _MAX_STEPS:
                    raise Stuck("it spins: more steps than a month has")
                for _ in range(len(ready)):
                    callback, arguments = ready.popleft()
                    callback(*arguments)
            return task.result()
        finally:
            asyncio._set_running_loop(None)

    def _jump(self):
        timers, polls = self._timers, self._polls
        while timers and timers[0][2].done():
            heapq.heappop(timers)
        while polls and polls[0][2].done():
            heapq.heappop(polls)
        at_ms = timers[0][0] if timers else _NEVER_MS
        if polls and polls[0][0] < at_ms:
            if self._is_quiet():
                looks_ms = (int(self.now_ms) // self.grid_ms + 1) * self.grid_ms
                late_ms = min(looks_ms, self._next_event_ms())
                at_ms = min(at_ms, max(late_ms, polls[0][0]))
            else:
                at_ms = min(at_ms, polls[0][0] + self.lazy_ms)
        if at_ms == _NEVER_MS:
            raise Stuck("every task waits for ever")
        if at_ms > self.now_ms:
            self.now_ms = at_ms
            self._advance(at_ms)
        self._fire()

    def _fire(self):
        timers, polls, ready, now_ms = self._timers, self._polls, self._ready, self.now_ms
        while timers and timers[0][0] <= now_ms:
            ready.append((_wake, heapq.heappop(timers)[2:]))
        if not polls or polls[0][0] > now_ms:
            return
        on_time_ms = now_ms - self.lazy_ms
        if polls[0][0] > on_time_ms and not self._is_quiet():
            return
        while polls and polls[0][0] <= now_ms:
            due_ms, count, waiting, is_last = heapq.heappop(polls)
            if waiting.done():
                continue
            if due_ms < on_time_ms - _AFTER_POLLS_MS:
                self.late_at_ms = now_ms
                if is_last:
                    heapq.heappush(timers, (now_ms + _AFTER_POLLS_MS, count, waiting))
                    continue
            ready.append((_wake, (waiting,)))


def sleeper(current, poll_ms=(), is_last=False):
    """A sleep_ms in which sleeps of the lengths poll_ms are polls. current() -> Loop."""

    async def sleep_ms(duration_ms):
        if duration_ms <= 0:
            await _one_turn()
            return
        loop = current()
        future = loop.create_future()
        if duration_ms in poll_ms:
            loop.poll_after_ms(duration_ms, future, is_last)
        else:
            loop.wake_after_ms(duration_ms, future)
        await future

    return sleep_ms


def waiter(current, is_poll=False):
    """A wait_for_ms that costs no task; is_poll: its end by time may come late."""
    expire_after_ms = Loop.poll_after_ms if is_poll else Loop.wake_after_ms

    async def wait_for_ms(awaitable, limit_ms):
        loop = current()
        if type(awaitable) is _Wait:
            event = awaitable.event
            if event.is_set():
                return
            future = loop.create_future()
            expire_after_ms(loop, limit_ms, future)
            event.waiting.append(future)
            try:
                if await future is None:
                    raise asyncio.TimeoutError
            finally:
                event.waiting.remove(future)
            return
        task = asyncio.current_task(loop)
        before = task.cancelling()  # a time limit further out may have been caught and kept
        timer = _Timer(task.cancel)
        expire_after_ms(loop, limit_ms, timer)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if timer.has_run and task.uncancel() <= before:
                raise asyncio.TimeoutError from None
            raise
        finally:
            timer.cancel()

    return wait_for_ms


class Event:
    """asyncio.Event for tasks of a Loop. `waiter` knows its waits: one that ends by time costs a
    future, and no exception from the depth of the task.
    """

    def __init__(self):
        self._is_set = False
        self.waiting = []  # futures

    def is_set(self):
        return self._is_set

    def set(self):
        self._is_set = True
        for future in self.waiting:
            if not future.done():
                future.set_result(True)

    def clear(self):
        self._is_set = False

    def wait(self):
        return _Wait(self)


class _Wait:
    def __init__(self, event):
        self.event = event

    def __await__(self):
        if self.event.is_set():
            return
        future = asyncio.get_running_loop().create_future()
        self.event.waiting.append(future)
        try:
            yield from future
        finally:
            self.event.waiting.remove(future)


@types.coroutine
def _one_turn():
    yield


def _wake(waiting):
    if not waiting.done():
        waiting.set_result(None)
